//! What one turn measured, and what it cost both processes.

use std::time::Duration;

use super::latency::Latency;
use crate::machine::usage::{self, Process};

/// What was done in some turns of one workload over one transport.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Answered calls, or messages that the receiver counted.
    pub(crate) done: u64,
    /// The time that took.
    pub(crate) took: Duration,
    pub(crate) latency: Latency,
    /// Of calls in a closed loop, without what such a loop omits: what one call took.
    pub(crate) typical: Latency,
    /// Bytes of the bodies that the receiver counted.
    pub(crate) bytes: u64,
    /// Messages that it counted beside `done`: the long ones of the mixed load.
    pub(crate) bodies: u64,
    pub(crate) lost: u64,
    pub(crate) reordered: u64,
    pub(crate) cost: Cost,
}

/// What turns cost; `None` where the system does not say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Processor time of both processes.
    pub(crate) processor: Option<Duration>,
    /// The most resident memory in bytes that the asking process had.
    pub(crate) asking_peak: Option<u64>,
    /// The same of the serving one.
    pub(crate) serving_peak: Option<u64>,
}

/// What both processes took until now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    serving: Option<Process>,
    processor: Option<Duration>,
}

impl Sample {
    pub(crate) fn new() -> Self {
        Self {
            done: 0,
            took: Duration::ZERO,
            latency: Latency::new(),
            typical: Latency::new(),
            bytes: 0,
            bodies: 0,
            lost: 0,
            reordered: 0,
            cost: Cost {
                processor: Some(Duration::ZERO),
                ..Cost::default()
            },
        }
    }

    /// Adds another turn.
    pub(crate) fn add(&mut self, turn: &Self) {
        self.done += turn.done;
        self.took += turn.took;
        self.latency.add(&turn.latency);
        self.typical.add(&turn.typical);
        self.bytes += turn.bytes;
        self.bodies += turn.bodies;
        self.lost += turn.lost;
        self.reordered += turn.reordered;
        let (all, one) = (&mut self.cost, &turn.cost);
        all.processor = all.processor.zip(one.processor).map(|(a, b)| a + b);
        all.asking_peak = all.asking_peak.max(one.asking_peak);
        all.serving_peak = all.serving_peak.max(one.serving_peak);
    }

    /// Of `done`, each second.
    pub(crate) fn per_second(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// Of the bodies, in 10⁶ bytes each second.
    pub(crate) fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.took.as_secs_f64().max(1e-9)
    }

    /// Processor time of both processes for each call or message, in µs.
    pub(crate) fn processor_micros(&self) -> Option<f64> {
        let messages = self.done + self.bodies;
        let processor = self.cost.processor.filter(|_| messages > 0)?;
        Some(processor.as_secs_f64() * 1e6 / messages as f64)
    }
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
