//! The account: what was sent and delivered per direction, and whether that is allowed (I7).

use std::collections::BTreeMap;

use archipelago_core::Boot;
use archipelago_core::channel::Message;
use bytes::Bytes;

/// Messages from one start of a sender to one start of a receiver.
#[derive(Debug, Default)]
pub struct Direction {
    /// Per flow: how many messages were accepted.
    sent: BTreeMap<(u64, u64), u32>,
    /// Per flow: the numbers delivered, in order.
    delivered: BTreeMap<(u64, u64), Vec<u32>>,
    /// Sum of what `Reset` announced as lost.
    announced: usize,
}

impl Direction {
    /// Writes the payload of the next message of the flow: its number, then filling.
    pub fn next_payload(&self, from: u64, to: u64, len: usize) -> Bytes {
        let number = self.sent.get(&(from, to)).copied().unwrap_or(0);
        let mut payload = number.to_le_bytes().to_vec();
        payload.extend((4..len.max(4)).map(|at| filling(number, at)));
        payload.into()
    }

    pub fn on_sent(&mut self, from: u64, to: u64) {
        *self.sent.entry((from, to)).or_default() += 1;
    }

    /// Panics if the message is torn, unsent, repeated or out of order.
    pub fn on_delivered(&mut self, message: &Message) {
        let flow = (message.from.0, message.to.0);
        let (head, rest) = message.payload.split_at(4);
        let number = u32::from_le_bytes(head.try_into().unwrap());
        let is_whole = rest
            .iter()
            .zip(4..)
            .all(|(&byte, at)| byte == filling(number, at));
        assert!(is_whole, "message {number} of {flow:?} is torn");
        let sent = self.sent.get(&flow).copied().unwrap_or(0);
        assert!(number < sent, "message {number} of {flow:?} was never sent");
        let delivered = self.delivered.entry(flow).or_default();
        let is_in_order = delivered.last().is_none_or(|&last| last < number);
        assert!(
            is_in_order,
            "message {number} of {flow:?} after {delivered:?}"
        );
        delivered.push(number);
    }

    /// Messages that were sent and not delivered.
    pub fn missing(&self) -> usize {
        let sent: u32 = self.sent.values().sum();
        let delivered: usize = self.delivered.values().map(Vec::len).sum();
        usize::try_from(sent).unwrap() - delivered
    }

    /// Messages that were overtaken: missing, although a later one of the flow was delivered.
    pub fn overtaken(&self) -> usize {
        let gaps = |numbers: &Vec<u32>| match numbers.last() {
            Some(&last) => usize::try_from(last).unwrap() + 1 - numbers.len(),
            None => 0,
        };
        self.delivered.values().map(gaps).sum()
    }
}

/// All directions of one end, by its own start and the peer's.
#[derive(Debug, Default)]
pub struct Account {
    directions: BTreeMap<(Boot, Boot), Direction>,
}

impl Account {
    pub fn direction(&mut self, sender: Boot, receiver: Boot) -> &mut Direction {
        self.directions.entry((sender, receiver)).or_default()
    }

    pub fn on_reset(&mut self, sender: Boot, receiver: Boot, unacked: usize) {
        self.direction(sender, receiver).announced += unacked;
    }

    pub fn announced(&self) -> usize {
        self.directions
            .values()
            .map(|direction| direction.announced)
            .sum()
    }

    /// Gapless within an epoch: what was overtaken had been announced as lost.
    pub fn check_gaps(&self) {
        for direction in self.directions.values() {
            let (overtaken, announced) = (direction.overtaken(), direction.announced);
            assert!(
                overtaken <= announced,
                "{overtaken} messages were overtaken, {announced} announced as lost"
            );
        }
    }

    /// Nothing is under way any more: what is missing had been announced as lost.
    pub fn check_complete(&mut self, sender: Boot, receiver: Boot) {
        let direction = self.direction(sender, receiver);
        let (missing, announced) = (direction.missing(), direction.announced);
        assert!(
            missing <= announced,
            "{missing} messages are missing, {announced} announced as lost"
        );
    }
}

fn filling(number: u32, at: usize) -> u8 {
    u8::try_from((usize::try_from(number).unwrap() * 31 + at) % 251).unwrap()
}
