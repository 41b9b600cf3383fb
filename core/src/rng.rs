//! The seeded random source of a machine: ChaCha8 by key and position.
//!
//! Portable and named, so that one seed gives one trace on every platform; forty bytes at rest, so
//! that a million virtual nodes can each have one. A draw computes one block of the cipher (some
//! tens of nanoseconds): machines draw for jitter, nonces and choices, never per message.
//! Source: ChaCha, D. J. Bernstein 2008, with 8 rounds.

use chacha20::ChaCha8;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

/// A deterministic stream of random numbers; live nodes seed it from the operating system.
#[derive(Clone)]
pub struct Rng {
    key: [u8; 32],
    block: u64,
}

impl Rng {
    /// The stream of `seed`.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self {
            key: seed,
            block: 0,
        }
    }

    /// The stream of a small seed, for tests and simulations.
    pub fn from_u64(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self::new(key)
    }

    /// A stream of its own for `index`, independent of this one's position.
    #[must_use]
    pub fn split(&self, index: u64) -> Self {
        let mut parent = Self {
            key: self.key,
            // Far beyond any position that draws can reach (the cipher has 2^32 blocks).
            block: u64::from(u32::MAX) - 1,
        };
        let mut key = parent.array();
        for (byte, mixed) in key.iter_mut().zip(index.to_le_bytes()) {
            *byte ^= mixed;
        }
        let mut child = Self::new(key);
        Self::new(child.array())
    }

    /// 32 fresh random bytes.
    pub fn array(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let mut cipher = ChaCha8::new(&self.key.into(), &[0; 12].into());
        cipher.seek(self.block.wrapping_mul(64) & 0x3f_ffff_ffff);
        cipher.apply_keystream(&mut bytes);
        self.block = self.block.wrapping_add(1);
        bytes
    }

    /// A uniform 64-bit number.
    pub fn u64(&mut self) -> u64 {
        let bytes = self.array();
        let mut low = [0; 8];
        low.copy_from_slice(&bytes[..8]);
        u64::from_le_bytes(low)
    }

    /// A number in `0..bound`, or 0 when `bound` is 0.
    ///
    /// By multiplication (Lemire 2019) without the rejection step: the bias is below 2^-32 for
    /// the bounds used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.u64()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// True with probability `numerator / denominator`.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator
    }

    /// `delay` stretched or shrunk by up to a fifth, so that nodes do not act in step.
    pub fn jitter(&mut self, delay: std::time::Duration) -> std::time::Duration {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX) / 1_000;
        std::time::Duration::from_micros(micros.saturating_mul(800 + self.below(401)))
    }
}

impl std::fmt::Debug for Rng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key of a live node makes its nonces; it is nobody's business.
        f.debug_struct("Rng")
            .field("block", &self.block)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_stream_on_every_platform() {
        let mut rng = Rng::from_u64(7);
        let again: Vec<u64> = (0..3).map(|_| Rng::from_u64(7).u64()).collect();
        let first = rng.u64();
        assert!(again.iter().all(|&draw| draw == first));
        assert_ne!(rng.u64(), first);
    }

    #[test]
    fn split_streams_differ_and_do_not_depend_on_position() {
        let mut parent = Rng::from_u64(1);
        let early = parent.split(3).u64();
        parent.u64();
        assert_eq!(parent.split(3).u64(), early);
        assert_ne!(parent.split(4).u64(), early);
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::from_u64(9);
        assert!((0..1_000).all(|_| rng.below(7) < 7));
        assert_eq!(rng.below(0), 0);
    }
}
