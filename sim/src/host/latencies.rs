//! A distribution of times, by a histogram of constant relative precision (1 %).
//!
//! Source: G. Tene's HdrHistogram. Cost: nothing until the first time is noted, then some
//! kilobytes.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Decimal digits that a value keeps.
const DIGITS: u8 = 2;
/// The longest time that is told from longer ones, about a year.
const MICROS_MAX: u64 = 1 << 45;

/// Times, at one microsecond.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Option<Box<Histogram<u32>>>);

impl Latencies {
    /// One more.
    pub fn note(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let recorded = self.histogram().record(micros.clamp(1, MICROS_MAX));
        debug_assert!(recorded.is_ok(), "histograms that grow take any value");
    }

    /// All of the other's as well.
    pub fn add(&mut self, other: &Self) {
        if let Some(other) = &other.0 {
            let added = self.histogram().add(&**other);
            debug_assert!(added.is_ok(), "histograms that grow take any value");
        }
    }

    /// How many.
    pub fn len(&self) -> u64 {
        self.0.as_ref().map_or(0, |histogram| histogram.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The time that this share of all, 0 to 1, does not exceed; nothing of none.
    pub fn quantile(&self, share: f64) -> Duration {
        self.of(|histogram| histogram.value_at_quantile(share))
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.of(Histogram::max)
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        let histogram = self.0.as_ref();
        histogram.map_or(Duration::ZERO, |histogram| {
            Duration::from_secs_f64(histogram.mean() / 1e6)
        })
    }

    /// The bars of the histogram: up to which time, and how many.
    pub fn bars(&self) -> Vec<(Duration, u64)> {
        let Some(histogram) = &self.0 else {
            return Vec::new();
        };
        let bars = histogram.iter_recorded();
        bars.map(|bar| {
            let until = Duration::from_micros(bar.value_iterated_to());
            (until, bar.count_since_last_iteration())
        })
        .collect()
    }

    fn of(&self, value: impl Fn(&Histogram<u32>) -> u64) -> Duration {
        let micros = self.0.as_ref().map_or(0, |histogram| value(histogram));
        Duration::from_micros(micros)
    }

    fn histogram(&mut self) -> &mut Histogram<u32> {
        self.0.get_or_insert_with(|| {
            let histogram = Histogram::new(DIGITS);
            Box::new(histogram.expect("two digits are a precision that exists"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_hundredth() {
        let mut latencies = Latencies::default();
        let mut others = Latencies::default();
        for ms in 1..=500 {
            latencies.note(Duration::from_millis(ms));
            others.note(Duration::from_millis(500 + ms));
        }
        latencies.add(&others);
        let median = latencies.quantile(0.5).as_secs_f64();
        assert!((0.495..0.506).contains(&median), "{median}");
        assert_eq!(latencies.len(), 1_000);
        let counted: u64 = latencies.bars().iter().map(|&(_, count)| count).sum();
        assert_eq!(counted, 1_000);
        assert!(Latencies::default().is_empty());
    }
}
