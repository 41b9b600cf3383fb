//! Latencies, kept in a histogram of microseconds with three significant digits.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// A histogram on its way to another process: durations in µs, and how many there are of each.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Buckets(Vec<(u64, u64)>);

/// A histogram of durations up to a minute; longer ones count as a minute.
#[derive(Clone, Debug)]
pub(crate) struct Latency(Histogram<u64>);

impl Latency {
    const MICROS_MAX: u64 = 60_000_000;

    /// An empty one.
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, Self::MICROS_MAX, 3);
        Self(histogram.expect("the bounds are in order"))
    }

    /// One of these durations.
    pub(crate) fn of(durations: &[Duration]) -> Self {
        let mut latency = Self::new();
        for &duration in durations {
            latency.record(duration);
        }
        latency
    }

    /// Adds a duration.
    pub(crate) fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.min(Self::MICROS_MAX));
    }

    /// All of it, for another process.
    pub(crate) fn buckets(&self) -> Buckets {
        let recorded = self.0.iter_recorded();
        let buckets = recorded.map(|one| (one.value_iterated_to(), one.count_at_value()));
        Buckets(buckets.collect())
    }

    /// Adds what another process recorded.
    pub(crate) fn add(&mut self, buckets: &Buckets) {
        for &(micros, count) in &buckets.0 {
            let micros = micros.min(Self::MICROS_MAX);
            self.0.saturating_record_n(micros, count);
        }
    }

    /// How many.
    pub(crate) fn len(&self) -> u64 {
        self.0.len()
    }

    /// The duration that `percent` of them do not exceed, in µs; `None` when there are none.
    pub(crate) fn micros(&self, percent: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_percentile(percent) as f64)
    }

    /// The same in ms.
    pub(crate) fn millis(&self, percent: f64) -> Option<f64> {
        Some(self.micros(percent)? / 1_000.0)
    }
}
