//! What the two processes of a measurement take of the machine.

use std::time::Duration;

use archipelago_load::Cost;

use crate::machine::usage::{self, Process};

/// What both processes took until now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    serving: Option<Process>,
    processor: Option<Duration>,
}

impl Usage {
    /// Of this process and the one with that number; peaks of memory count from here on.
    pub(crate) fn of(serving: Option<u32>) -> Self {
        let serving = serving.map(Process::Other);
        for process in serving.into_iter().chain([Process::This]) {
            usage::forget_peak(process);
        }
        Self {
            serving,
            processor: Self::processor(serving),
        }
    }

    /// What it has cost since.
    pub(crate) fn cost(&self) -> Cost {
        let now = Self::processor(self.serving);
        let spent = |(now, before): (Duration, Duration)| now.saturating_sub(before);
        Cost {
            processor: now.zip(self.processor).map(spent),
            asking_peak: usage::peak_bytes(),
            serving_peak: self.serving.and_then(usage::peak_bytes_of),
        }
    }

    fn processor(serving: Option<Process>) -> Option<Duration> {
        let serving = usage::processor_time_of(serving?)?;
        Some(usage::processor_time_of(Process::This)? + serving)
    }
}
