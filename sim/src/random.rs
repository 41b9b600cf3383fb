//! The simulator's own randomness: one small stream per node, split from the run's seed.
//!
//! Draws happen per message (latency, loss), so this is not the machines' cipher but a mixer of
//! eight bytes of state. It decides nothing that a machine sees but by its effects.
//! Source: SplitMix64, Steele, Lea, Flood, OOPSLA 2014. Cost: a nanosecond and 8 bytes.

use std::time::Duration;

/// A deterministic stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for `index`, independent of this one's position.
    #[must_use]
    pub const fn split(seed: u64, index: u64) -> Self {
        Self(mix(mix(seed) ^ index.wrapping_mul(0xd6e8_feb8_6659_fd93)))
    }

    /// A uniform 64-bit number.
    pub const fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0..bound`, or 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// An index in `0..len`, or 0 when `len` is 0.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True `millionths` times in a million.
    pub fn chance(&mut self, millionths: u32) -> bool {
        self.below(1_000_000) < u64::from(millionths)
    }

    /// A duration in `low..=high`, at one microsecond.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        let low_us = u64::try_from(low.as_micros()).unwrap_or(u64::MAX);
        let high_us = u64::try_from(high.as_micros()).unwrap_or(u64::MAX);
        let width = high_us.saturating_sub(low_us).saturating_add(1);
        Duration::from_micros(low_us.saturating_add(self.below(width)))
    }

    /// `items` in an order of its own.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

/// The finalizer of SplitMix64: every input bit moves every output bit.
pub(crate) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let mut first = Random::split(7, 1);
        let mut again = Random::split(7, 1);
        let mut other = Random::split(7, 2);
        let draw = first.u64();
        assert_eq!(again.u64(), draw);
        assert_ne!(other.u64(), draw);
    }

    #[test]
    fn durations_stay_within_their_bounds() {
        let mut random = Random::new(3);
        let (low, high) = (Duration::from_micros(5), Duration::from_micros(9));
        let draws: Vec<_> = (0..200).map(|_| random.duration(low, high)).collect();
        assert!(draws.iter().all(|draw| (low..=high).contains(draw)));
        assert!(draws.contains(&low) && draws.contains(&high));
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..20).collect();
        Random::new(1).shuffle(&mut items);
        assert_ne!(items, (0..20).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..20).collect::<Vec<_>>());
    }
}
