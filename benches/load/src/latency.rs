//! Latencies in nanoseconds, with three significant digits.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A histogram of durations up to a minute; longer ones count as a minute.
#[derive(Clone, Debug)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    const NANOS_MAX: u64 = 60_000_000_000;

    /// One without any.
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, Self::NANOS_MAX, 3);
        Self(histogram.expect("the bounds are in order"))
    }

    /// Adds one.
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.record_n(nanos, 1);
    }

    /// Adds what another process recorded.
    pub fn record_n(&mut self, nanos: u64, count: u64) {
        self.0
            .saturating_record_n(nanos.min(Self::NANOS_MAX), count);
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        self.0
            .add(&other.0)
            .expect("all histograms here have the same bounds");
    }

    /// With what a closed loop omits: whoever waits long for one answer does not ask in that time,
    /// and would have waited. One request per median is taken for what should have been asked.
    pub fn corrected(&self) -> Self {
        Self(self.0.clone_correct(self.0.value_at_quantile(0.5)))
    }

    /// Each value in nanoseconds and how often it was recorded.
    pub fn values(&self) -> Vec<(u64, u64)> {
        let recorded = self.0.iter_recorded();
        let pairs = recorded.map(|one| (one.value_iterated_to(), one.count_at_value()));
        pairs.collect()
    }

    /// What `percent` of them do not exceed, in µs; `None` when there are none.
    pub fn micros(&self, percent: f64) -> Option<f64> {
        let nanos = (!self.0.is_empty()).then(|| self.0.value_at_percentile(percent))?;
        Some(nanos as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stalled_loop_did_not_ask_is_counted() {
        let mut latency = Latency::new();
        for _ in 0..99 {
            latency.record(Duration::from_millis(1));
        }
        latency.record(Duration::from_millis(100));
        let micros = |latency: &Latency| latency.micros(75.0).expect("it is not empty");
        assert!(micros(&latency) < 1_010.0);
        // The hundred that should have been asked in the stall waited 50 ms in the mean.
        assert!(micros(&latency.corrected()) > 40_000.0);
    }

    #[test]
    fn values_go_over_and_come_back() {
        let (mut one, mut other) = (Latency::new(), Latency::new());
        one.record(Duration::from_micros(56));
        one.record(Duration::from_secs(120));
        for (nanos, count) in one.values() {
            other.record_n(nanos, count);
        }
        assert_eq!(one.values(), other.values());
    }
}
