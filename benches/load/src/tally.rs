//! What a receiver counts, and what it says of it at the end.

use serde::{Deserialize, Serialize};

use super::latency::Latency;
use super::message::Head;

/// Counts the messages of some flows.
#[derive(Debug)]
pub struct Tally {
    received: u64,
    reordered: u64,
    /// The number that is expected of each flow.
    expected: [u32; 256],
    latency: Latency,
}

/// What was received since the last time that it was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// How many.
    pub messages: u64,
    /// Messages whose number was not the one after that of the message before in its flow.
    pub reordered: u64,
    /// From the sender's decision to send to the receiver's hands: nanoseconds, and how often.
    pub nanos: Vec<(u64, u64)>,
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    /// One that has counted nothing.
    pub fn new() -> Self {
        Self {
            received: 0,
            reordered: 0,
            expected: [0; 256],
            latency: Latency::new(),
        }
    }

    /// Counts a message.
    pub fn count(&mut self, body: &[u8]) {
        self.received += 1;
        let Some(head) = Head::read(body) else {
            self.reordered += 1;
            return;
        };
        let expected = &mut self.expected[usize::from(head.flow)];
        self.reordered += u64::from(head.number != *expected);
        *expected = head.following(head.number);
        if let Some(age) = head.age() {
            self.latency.record(age);
        }
    }

    /// What there is to say; counts from nothing again.
    pub fn take(&mut self) -> Received {
        let counted = std::mem::take(self);
        Received {
            messages: counted.received,
            reordered: counted.reordered,
            nanos: counted.latency.values(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Bodies;
    use super::*;

    #[test]
    fn gaps_and_exchanges_are_seen_in_each_flow() {
        let mut tally = Tally::new();
        let (mut one, mut other) = (Bodies::new(1, 16), Bodies::new(2, 64_000));
        for _ in 0..40 {
            tally.count(&one.take());
            tally.count(&other.take());
        }
        let received = tally.take();
        assert_eq!((received.messages, received.reordered), (80, 0));
        let mut bodies = Bodies::new(1, 16);
        let taken: Vec<_> = (0..4).map(|_| bodies.take()).collect();
        for index in [0, 2, 1, 3] {
            tally.count(&taken[index]);
        }
        let received = tally.take();
        assert_eq!((received.messages, received.reordered), (4, 3));
    }
}
