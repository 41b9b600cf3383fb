//! The bodies of the benchmark: a head of 16 bytes and filling.
//!
//! ```text
//! flow: 1 · bits of the number that count: 1 · nothing: 2 · number: 4 · sent at: 8 (little-endian)
//! ```
//! Short bodies are made anew for each message, as a program makes its own. Long ones are taken in
//! turn from a few that were made before, or the benchmark would measure its own copying; of their
//! number only the lowest bits count.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

/// Bytes of the head.
pub const HEAD_LEN: usize = 16;

/// From here on bodies are made before.
const LONG_LEN: usize = 16 * 1024;

/// How many long bodies there are, as a power of two.
const LONG_BITS: u8 = 4;

/// Messages of which one carries the time at which it was sent.
const STAMPED_EVERY: u32 = 64;

/// What a receiver reads in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which sender's.
    pub flow: u8,
    /// Bits of the number that count.
    pub bits: u8,
    /// Its place in its flow.
    pub number: u32,
    /// Nanoseconds since 1970; 0: not said.
    pub sent_at: u64,
}

impl Head {
    /// That of a body; `None` if it is too short for one.
    pub fn read(body: &[u8]) -> Option<Self> {
        let (&[flow, bits, _, _, a, b, c, d], rest) = body.split_first_chunk()?;
        let (stamp, _) = rest.split_first_chunk()?;
        Some(Self {
            flow,
            bits,
            number: u32::from_le_bytes([a, b, c, d]),
            sent_at: u64::from_le_bytes(*stamp),
        })
    }

    fn write(self, body: &mut [u8]) {
        if let Some(head) = body.first_chunk_mut::<HEAD_LEN>() {
            let number = self.number.to_le_bytes();
            let stamp = self.sent_at.to_le_bytes();
            head[0] = self.flow;
            head[1] = self.bits;
            head[4..8].copy_from_slice(&number);
            head[8..].copy_from_slice(&stamp);
        }
    }

    /// The number that follows `number` in a flow like this one.
    pub fn following(self, number: u32) -> u32 {
        number.wrapping_add(1) & mask(self.bits)
    }

    /// How long it was under way by the machine's clock; `None` if it does not say.
    pub fn age(self) -> Option<Duration> {
        let nanos = (self.sent_at != 0).then(|| now().saturating_sub(self.sent_at));
        nanos.map(Duration::from_nanos)
    }
}

/// The bodies of one flow, in order.
#[derive(Debug)]
pub struct Bodies {
    flow: u8,
    len: usize,
    made: Vec<Bytes>,
    next: u32,
}

impl Bodies {
    /// Bodies of `len` bytes, at least those of the head.
    pub fn new(flow: u8, len: usize) -> Self {
        let mut bodies = Self {
            flow,
            len: len.max(HEAD_LEN),
            made: Vec::new(),
            next: 0,
        };
        if len >= LONG_LEN {
            bodies.made = (0..1 << LONG_BITS)
                .map(|number| bodies.body(number, 0))
                .collect();
        }
        bodies
    }

    /// The next one.
    pub fn take(&mut self) -> Bytes {
        let number = self.next;
        self.next = number.wrapping_add(1);
        if number.is_multiple_of(STAMPED_EVERY) {
            return self.body(number & mask(self.bits()), now());
        }
        let index = (number & mask(LONG_BITS)) as usize;
        match self.made.get(index) {
            Some(made) => made.clone(),
            None => self.body(number, 0),
        }
    }

    fn body(&self, number: u32, sent_at: u64) -> Bytes {
        let mut body = vec![0x5a; self.len];
        let head = Head {
            flow: self.flow,
            bits: self.bits(),
            number,
            sent_at,
        };
        head.write(&mut body);
        body.into()
    }

    const fn bits(&self) -> u8 {
        if self.len >= LONG_LEN { LONG_BITS } else { 32 }
    }
}

fn mask(bits: u8) -> u32 {
    u32::MAX >> 32_u32.saturating_sub(u32::from(bits)).min(31)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_every_length_are_numbered_in_order() {
        for len in [16, 64, 64_000] {
            let mut bodies = Bodies::new(3, len);
            let mut before: Option<Head> = None;
            for _ in 0..100 {
                let body = bodies.take();
                assert_eq!(body.len(), len);
                let head = Head::read(&body).expect("it is long enough");
                let expected = before.map_or(0, |before| before.following(before.number));
                assert_eq!((head.flow, head.number), (3, expected));
                before = Some(head);
            }
        }
    }

    #[test]
    fn one_in_so_many_says_when_it_was_sent() {
        let mut bodies = Bodies::new(0, 64_000);
        let heads = (0..=STAMPED_EVERY).filter_map(|_| Head::read(&bodies.take()));
        assert_eq!(heads.filter(|head| head.age().is_some()).count(), 2);
        assert_eq!(Head::read(&[0; HEAD_LEN - 1]), None);
    }
}
