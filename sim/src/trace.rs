//! The digest of a run: over every event's (time, source, counter, destination, contents).
//!
//! Each node chains what happens to it in its own order, and the run's digest is a sum over all
//! nodes, so it is the same for any number of shards and threads. Two runs of one seed must print
//! the same digest; a difference means that something beside the seed (hash order, a clock, an
//! address, a thread) leaked into a machine or into the simulator.
//! Cost: a few ns per event and one pass over the message's encoding, without allocating.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

use crate::engine::Key;
use crate::random::mix;

/// What happened to one node, in its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain(u64);

impl Chain {
    /// Adds one event of this node.
    #[inline]
    pub(crate) const fn add(&mut self, key: Key, digest: u64) {
        let cause = ((key.source as u64) << 32) | key.counter as u64;
        let event = mix(key.time.as_micros() ^ mix(cause)) ^ digest;
        self.0 = mix(self.0.rotate_left(7) ^ event);
    }
}

/// The digest of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    hash: u64,
    events: u64,
}

impl Trace {
    /// Of a run of so many events.
    pub(crate) const fn new(events: u64) -> Self {
        Self { hash: 0, events }
    }

    /// Adds one node's chain. The order of nodes does not matter.
    pub(crate) const fn add(&mut self, node: u32, chain: Chain) {
        let term = mix(chain.0 ^ mix(node as u64 ^ 0x6e6f_6465));
        self.hash = self.hash.wrapping_add(term);
    }

    /// The digest so far.
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
    use archipelago_core::Time;

    use super::*;

    #[test]
    fn every_part_of_an_event_counts_and_so_does_its_node() {
        let of = |time, source, counter, node, digest| {
            let mut chain = Chain::default();
            let time = Time::from_micros(time);
            let key = Key {
                time,
                source,
                counter,
            };
            chain.add(key, digest);
            let mut trace = Trace::default();
            trace.add(node, chain);
            trace.hash()
        };
        let hash = of(1, 2, 3, 4, 5);
        assert_eq!(of(1, 2, 3, 4, 5), hash);
        for other in [
            of(9, 2, 3, 4, 5),
            of(1, 9, 3, 4, 5),
            of(1, 2, 9, 4, 5),
            of(1, 2, 3, 9, 5),
            of(1, 2, 3, 4, 9),
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
