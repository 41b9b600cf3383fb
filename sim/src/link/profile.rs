//! The figures of one direction of a link, and the delay that a packet has on it.

use std::time::Duration;

use super::loss;
use crate::random::Random;

/// Latency, jitter, loss and bandwidth of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkProfile {
    /// Least time from end to end. Default 500 µs.
    pub latency: Duration,
    /// Added, uniformly between nothing and this. Default 200 µs.
    pub jitter: Duration,
    /// Packets lost of a million. Default 0.
    pub loss_millionths: u32,
    /// Bytes per second; `None` is unlimited, the default.
    pub bandwidth: Option<u64>,
}

impl Default for LinkProfile {
    fn default() -> Self {
        Self {
            latency: Duration::from_micros(500),
            jitter: Duration::from_micros(200),
            loss_millionths: 0,
            bandwidth: None,
        }
    }
}

impl LinkProfile {
    /// The default with another latency, and a tenth of it as jitter.
    pub fn with_latency(latency: Duration) -> Self {
        Self {
            latency,
            jitter: latency / 10,
            ..Self::default()
        }
    }

    /// This profile, losing so many per cent of its packets.
    #[must_use]
    pub const fn losing_percent(mut self, percent: u32) -> Self {
        self.loss_millionths = percent.saturating_mul(10_000);
        self
    }

    /// How long the next packet is under way, retransmissions included.
    pub fn delay(&self, random: &mut Random) -> Duration {
        let mut delay = random.duration(self.latency, self.latency + self.jitter);
        if self.loss_millionths > 0 {
            let probe = (self.latency + self.jitter) * 4;
            delay += loss::retransmission(self.loss_millionths, probe, random);
        }
        delay
    }

    /// How long `bytes` occupy the link.
    pub fn occupancy(&self, bytes: usize) -> Duration {
        let rate = self.bandwidth.filter(|&rate| rate > 0);
        rate.map_or(Duration::ZERO, |rate| occupancy(bytes, rate))
    }
}

/// How long `bytes` occupy a link of so many bytes per second.
pub(crate) fn occupancy(bytes: usize, bandwidth: u64) -> Duration {
    let micros = (bytes as u64).saturating_mul(1_000_000) / bandwidth.max(1);
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_loss_a_delay_is_latency_and_jitter() {
        let profile = LinkProfile::with_latency(Duration::from_millis(10));
        let mut random = Random::new(1);
        for _ in 0..100 {
            let delay = profile.delay(&mut random);
            assert!((Duration::from_millis(10)..=Duration::from_millis(11)).contains(&delay));
        }
    }

    #[test]
    fn loss_is_delay_and_never_more_than_its_share_waits() {
        let profile = LinkProfile::default().losing_percent(20);
        let mut random = Random::new(1);
        let limit = profile.latency + profile.jitter;
        let late = (0..10_000)
            .filter(|_| profile.delay(&mut random) > limit)
            .count();
        assert!((1_800..2_200).contains(&late), "{late} of 10,000 were late");
    }

    #[test]
    fn bandwidth_is_time_per_byte() {
        assert_eq!(occupancy(300_000, 12_500_000), Duration::from_millis(24));
    }
}
