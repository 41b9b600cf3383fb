//! How much each source may have forwarded: two token buckets, in virtual time.
//!
//! Cost: 40 bytes or so per source, O(log n) a call; buckets fill when they are looked at.

use archipelago_core::{NodeId, Time};

use super::ForwardConfig;
use crate::lru::Lru;

/// Seconds' worth of tokens that a full bucket holds.
const BURST_S: u64 = 2;
const MICROS: u64 = 1_000_000;

/// Tokens in millionths, so that slow filling loses nothing.
#[derive(Debug)]
struct Bucket {
    envelopes: u64,
    bytes: u64,
    filled_at: Time,
}

/// The buckets of all sources.
#[derive(Debug)]
pub(super) struct Quotas {
    buckets: Lru<NodeId, Bucket>,
}

impl Quotas {
    pub(super) fn new(config: &ForwardConfig) -> Self {
        Self {
            buckets: Lru::new(config.sources_max),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.buckets.heap_bytes()
    }

    /// Takes one envelope of `len` bytes out of `source`'s buckets; `false` if they are too empty,
    /// and then nothing is taken.
    pub(super) fn take(
        &mut self,
        source: NodeId,
        len: usize,
        config: &ForwardConfig,
        now: Time,
    ) -> bool {
        let bucket = self.buckets.get_or_insert(source, || Bucket {
            envelopes: full(config.quota_envelopes),
            bytes: full(config.quota_bytes),
            filled_at: now,
        });
        bucket.fill(config, now);
        let cost = u64::try_from(len)
            .unwrap_or(u64::MAX)
            .saturating_mul(MICROS);
        if bucket.envelopes < MICROS || bucket.bytes < cost {
            return false;
        }
        bucket.envelopes -= MICROS;
        bucket.bytes -= cost;
        true
    }
}

impl Bucket {
    fn fill(&mut self, config: &ForwardConfig, now: Time) {
        let elapsed = u64::try_from(now.since(self.filled_at).as_micros()).unwrap_or(u64::MAX);
        self.filled_at = now;
        self.envelopes = filled(self.envelopes, elapsed, config.quota_envelopes);
        self.bytes = filled(self.bytes, elapsed, config.quota_bytes);
    }
}

fn filled(tokens: u64, elapsed_us: u64, per_second: u32) -> u64 {
    let more = elapsed_us.saturating_mul(u64::from(per_second));
    tokens.saturating_add(more).min(full(per_second))
}

fn full(per_second: u32) -> u64 {
    u64::from(per_second) * BURST_S * MICROS
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_gets_its_burst_then_its_rate_and_takes_nothing_from_another() {
        let config = ForwardConfig {
            quota_envelopes: 10,
            ..ForwardConfig::default()
        };
        let mut quotas = Quotas::new(&config);
        let (greedy, modest) = (NodeId([1; 32]), NodeId([2; 32]));
        let start = Time::from_micros(5);
        let taken = (0..100).filter(|_| quotas.take(greedy, 10, &config, start));
        assert_eq!(taken.count(), 20);
        assert!(quotas.take(modest, 10, &config, start));
        let later = start.after(Duration::from_millis(500));
        let taken = (0..100).filter(|_| quotas.take(greedy, 10, &config, later));
        assert_eq!(taken.count(), 5);
    }

    #[test]
    fn bytes_are_limited_too() {
        let config = ForwardConfig {
            quota_bytes: 1_000,
            ..ForwardConfig::default()
        };
        let mut quotas = Quotas::new(&config);
        let source = NodeId([1; 32]);
        assert!(quotas.take(source, 2_000, &config, Time::START));
        assert!(!quotas.take(source, 1, &config, Time::START));
    }
}
