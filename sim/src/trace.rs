//! The hash of a run: over every event's (time, source, destination, digest of the message).
//!
//! Two runs of one seed must print the same hash; a difference means that something beside the
//! seed (hash order, a clock, an address) leaked into a machine or into the simulator.
//! Cost: a few ns per event and one pass over the message's encoding, without allocating.

use archipelago_core::Time;
use postcard::ser_flavors::Flavor;
use serde::Serialize;

use crate::random::mix;

/// The running hash of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    hash: u64,
    events: u64,
}

impl Trace {
    /// Adds one event.
    pub const fn add(&mut self, time: Time, source: u32, target: u32, digest: u64) {
        let ends = ((source as u64) << 32) | target as u64;
        self.hash = mix(self.hash.rotate_left(7) ^ time.as_micros());
        self.hash = mix(self.hash ^ ends);
        self.hash = mix(self.hash ^ digest);
        self.events += 1;
    }

    /// The hash so far.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events it covers.
    pub const fn events(&self) -> u64 {
        self.events
    }
}

/// The digest and the encoded length of `message`, without encoding it into memory.
pub fn digest<T: Serialize + ?Sized>(message: &T) -> (u64, usize) {
    postcard::serialize_with_flavor(message, Digest::default())
        .expect("a digest takes any number of bytes")
}

/// The digest of bytes.
pub fn digest_bytes(bytes: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.extend(bytes);
    digest.finish().0
}

/// FNV-1a over eight bytes at a time, mixed at the end.
#[derive(Default)]
struct Digest {
    hash: u64,
    pending: u64,
    len: usize,
}

impl Digest {
    const fn push(&mut self, byte: u8) {
        self.pending = (self.pending << 8) | byte as u64;
        self.len += 1;
        if self.len.is_multiple_of(8) {
            self.fold();
        }
    }

    const fn fold(&mut self) {
        self.hash = (self.hash ^ self.pending).wrapping_mul(0x0000_0100_0000_01b3);
        self.hash ^= self.hash >> 32;
        self.pending = 0;
    }

    fn extend(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push(byte);
        }
    }

    const fn finish(mut self) -> (u64, usize) {
        self.fold();
        (mix(self.hash ^ self.len as u64), self.len)
    }
}

impl Flavor for Digest {
    type Output = (u64, usize);

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.extend(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Self::Output> {
        Ok(self.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_event_counts() {
        let of = |time, source, target, digest| {
            let mut trace = Trace::default();
            trace.add(Time::from_micros(time), source, target, digest);
            trace.hash()
        };
        let hash = of(1, 2, 3, 4);
        assert_eq!(of(1, 2, 3, 4), hash);
        for other in [
            of(9, 2, 3, 4),
            of(1, 9, 3, 4),
            of(1, 2, 9, 4),
            of(1, 2, 3, 9),
        ] {
            assert_ne!(other, hash);
        }
    }

    #[test]
    fn a_digest_counts_bytes_and_sees_each_of_them() {
        let (hash, len) = digest(&[1u8, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(len, 9);
        assert_ne!(digest(&[1u8, 2, 3, 4, 5, 6, 7, 8, 0]).0, hash);
        assert_ne!(digest(&[1u8, 2, 3, 4, 5, 6, 7, 8]).0, hash);
    }
}
