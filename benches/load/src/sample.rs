//! What one turn measured, and what it cost both processes.

use std::time::Duration;

use super::latency::Latency;

/// What was done in some turns of one workload over one transport.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Answered calls, or messages that the receiver counted.
    pub done: u64,
    /// The time that took.
    pub took: Duration,
    /// What each took; with what a closed loop omits.
    pub latency: Latency,
    /// Of calls in a closed loop, without what such a loop omits: what one call took.
    pub typical: Latency,
    /// Bytes of the bodies that the receiver counted.
    pub bytes: u64,
    /// Messages that it counted beside `done`: the long ones of the mixed load.
    pub bodies: u64,
    /// Messages that were sent and not counted.
    pub lost: u64,
    /// Messages whose number did not follow the one before.
    pub reordered: u64,
    /// What it cost, where that was measured.
    pub cost: Cost,
}

/// What turns cost; `None` where the system does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Processor time of both processes.
    pub processor: Option<Duration>,
    /// The most resident memory in bytes that the asking process had.
    pub asking_peak: Option<u64>,
    /// The same of the serving one.
    pub serving_peak: Option<u64>,
}

impl Default for Sample {
    fn default() -> Self {
        Self::new()
    }
}

impl Sample {
    /// One of nothing done.
    pub fn new() -> Self {
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
    pub fn add(&mut self, turn: &Self) {
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
    pub fn per_second(&self) -> f64 {
        self.done as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// Of the bodies, in 10⁶ bytes each second.
    pub fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.took.as_secs_f64().max(1e-9)
    }

    /// Processor time of both processes for each call or message, in µs.
    pub fn processor_micros(&self) -> Option<f64> {
        let messages = self.done + self.bodies;
        let processor = self.cost.processor.filter(|_| messages > 0)?;
        Some(processor.as_secs_f64() * 1e6 / messages as f64)
    }
}
