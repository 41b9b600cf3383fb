//! Portable mixing of numbers: membership hashes and rendezvous, the same on every platform.
//!
//! Not for use against an enemy who chooses ids at will: he gains a choice of observers, never a
//! vote. Cost: a few multiplications each.
//! Source: the finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014); highest random weight
//! (Thaler and Ravishankar 1998).

use super::Standing;

/// One 64-bit number well mixed.
const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a living member adds to the membership hash. Addition commutes, so the hash of a view
/// does not depend on the order in which it came about.
pub(super) fn member_hash(prefix: u64, standing: &Standing) -> u64 {
    let numbers = (u64::from(standing.era.0) << 32) | u64::from(standing.incarnation.0);
    let life = standing.life() as u64;
    mix(mix(mix(prefix ^ 0x9e37_79b9_7f4a_7c15) ^ standing.boot.0) ^ numbers)
        .wrapping_add(mix(life))
        | 1
}

/// How much `observer` is drawn to watch over `observed`; both by their ids' prefixes.
pub(crate) fn rendezvous(observed: u64, observer: u64) -> u64 {
    mix(mix(observed.wrapping_add(0x9e37_79b9_7f4a_7c15)) ^ observer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_values_hold_on_every_platform() {
        assert_eq!(mix(1), 0x5692_161d_100b_05e5);
        assert_ne!(rendezvous(1, 2), rendezvous(2, 1));
    }
}
