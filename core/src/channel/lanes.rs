//! The queue of a channel: fair between flows, in order inside a flow.
//!
//! A flow is a pair of mailboxes. Messages are cut into chunks when they are pulled, so a long one
//! holds up the others for one chunk only; many short ones leave in one turn. Deficit round robin
//! (Shreedhar and Varghese 1995): a turn is worth one chunk. What waits for full mailboxes is
//! counted apart, so that it takes no room from the other flows.
//! Cost: O(1) per chunk, O(log flows) per message; 56 bytes per queued message.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::config::{ChannelConfig, FRAME_COST};
use super::frame::Part;
use super::{Head, Kind, Message};
use crate::{LocalId, Time};

/// Flows that are kept for their next message although they are empty.
const IDLE_FLOWS_MAX: usize = 64;

/// One chunk, cut and not yet numbered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Chunk {
    pub(super) from: LocalId,
    pub(super) to: LocalId,
    pub(super) part: Part,
    /// Of the whole message; said with its first chunk.
    pub(super) kind: Kind,
    pub(super) payload: Bytes,
}

impl Chunk {
    /// What its frame says about the message, if it leaves now.
    pub(super) fn head(&self, now: Time) -> Head {
        match self.part {
            Part::Whole | Part::First { .. } => self.kind.head(now),
            Part::Middle | Part::Last => Head::Cast,
        }
    }
}

/// A message that waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Queued {
    kind: Kind,
    payload: Bytes,
}

/// What a pull gave.
#[derive(Debug)]
pub(super) enum Pull {
    Chunk(Chunk),
    /// No flow may send.
    Empty,
    /// Every flow that may send begins with a message for which there is no credit.
    Blocked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Flow {
    from: LocalId,
    to: LocalId,
    queue: VecDeque<Queued>,
    /// Bytes of the first message that were pulled.
    pulled: usize,
    /// What is left of its turn; `None`: its next turn is a whole one.
    deficit: Option<usize>,
    is_in_ring: bool,
    /// Its mailbox is full.
    is_paused: bool,
    /// What it has of the queue.
    bytes: usize,
}

/// The queued messages of all flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lanes {
    flows: Vec<Flow>,
    free: Vec<usize>,
    /// Keyed by receiver first: a full mailbox stops a range.
    index: BTreeMap<(LocalId, LocalId), usize>,
    ring: VecDeque<usize>,
    bytes: usize,
    /// Those of `bytes` that wait for full mailboxes.
    paused_bytes: usize,
    /// Messages of which some chunks were pulled and some not.
    open: usize,
}

impl Lanes {
    /// Bytes queued, with the cost of each message.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Those of them whose turn may come.
    pub(super) const fn ready_bytes(&self) -> usize {
        self.bytes.saturating_sub(self.paused_bytes)
    }

    /// Those of them that wait for full mailboxes.
    pub(super) const fn paused_bytes(&self) -> usize {
        self.paused_bytes
    }

    /// Messages begun and not finished.
    pub(super) const fn open(&self) -> usize {
        self.open
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether anything of this mailbox waits, paused or not. O(flows).
    pub(super) fn holds_from(&self, from: LocalId) -> bool {
        self.flows
            .iter()
            .any(|flow| flow.from == from && !flow.queue.is_empty())
    }

    /// Bytes queued for a mailbox, with the cost of each message. O(flows to it).
    pub(super) fn bytes_to(&self, to: LocalId) -> usize {
        let slots = self.index.range(flows_to(to)).map(|(_, slot)| slot);
        slots.map(|&slot| self.flows[slot].bytes).sum()
    }

    /// Whether a flow is ready that is not paused.
    pub(super) fn is_ready(&self) -> bool {
        !self.ring.is_empty()
    }

    /// Queues a message; `is_paused` if its mailbox is full.
    pub(super) fn push(&mut self, message: Message, is_paused: bool) {
        let cost = message_cost(message.payload.len());
        self.bytes = self.bytes.saturating_add(cost);
        let slot = self.slot(message.from, message.to);
        let flow = &mut self.flows[slot];
        flow.is_paused = is_paused;
        flow.bytes = flow.bytes.saturating_add(cost);
        if is_paused {
            self.paused_bytes = self.paused_bytes.saturating_add(cost);
        }
        flow.queue.push_back(Queued {
            kind: message.kind,
            payload: message.payload,
        });
        if !is_paused && !flow.is_in_ring {
            flow.is_in_ring = true;
            self.ring.push_back(slot);
        }
    }

    /// Takes the next chunk; `admits` says whether a message of that length may begin. Calls that
    /// nobody waits for any more are left out.
    pub(super) fn pull(
        &mut self,
        config: &ChannelConfig,
        now: Time,
        admits: impl Fn(usize, Part) -> bool,
    ) -> Pull {
        let quantum = config.chunk_bytes_max.saturating_add(FRAME_COST);
        let mut blocked = 0;
        while let Some(&slot) = self.ring.front() {
            if blocked == self.ring.len() {
                return Pull::Blocked;
            }
            if self.flows[slot].is_head_expired(now) {
                self.drop_head(slot);
                blocked = 0;
                continue;
            }
            let flow = &mut self.flows[slot];
            let (len, part) = flow.next_chunk(config);
            let deficit = flow.deficit.unwrap_or(quantum);
            if deficit < message_cost(len) {
                flow.deficit = Some(deficit.saturating_add(quantum));
                self.ring.rotate_left(1);
                blocked = 0;
                continue;
            }
            if !admits(len, part) {
                self.ring.rotate_left(1);
                blocked += 1;
                continue;
            }
            flow.deficit = Some(deficit.saturating_sub(message_cost(len)));
            return Pull::Chunk(self.take(slot, len, part));
        }
        Pull::Empty
    }

    /// The mailbox is full: its flows leave the ring.
    pub(super) fn pause(&mut self, to: LocalId) {
        for &slot in self.index.range(flows_to(to)).map(|(_, slot)| slot) {
            let flow = &mut self.flows[slot];
            flow.is_in_ring = false;
            if !std::mem::replace(&mut flow.is_paused, true) {
                self.paused_bytes = self.paused_bytes.saturating_add(flow.bytes);
            }
        }
        let flows = &self.flows;
        self.ring.retain(|&slot| flows[slot].is_in_ring);
    }

    /// The mailbox has room again.
    pub(super) fn resume(&mut self, to: LocalId) {
        for &slot in self.index.range(flows_to(to)).map(|(_, slot)| slot) {
            let flow = &mut self.flows[slot];
            if std::mem::take(&mut flow.is_paused) {
                self.paused_bytes = self.paused_bytes.saturating_sub(flow.bytes);
            }
            if !flow.queue.is_empty() && !flow.is_in_ring {
                flow.is_in_ring = true;
                self.ring.push_back(slot);
            }
        }
    }

    /// Discards what is left of messages of which chunks were pulled; how many there were.
    pub(super) fn drop_open(&mut self) -> usize {
        let dropped = std::mem::take(&mut self.open);
        for slot in 0..self.flows.len() {
            let flow = &mut self.flows[slot];
            if flow.pulled == 0 {
                continue;
            }
            let head = flow.queue.pop_front().unwrap_or_default();
            let left = head.payload.len().saturating_sub(flow.pulled);
            flow.pulled = 0;
            self.discount(slot, message_cost(left));
            if self.flows[slot].queue.is_empty() {
                self.retire(slot);
            }
        }
        dropped
    }

    /// Discards everything; how many messages there were.
    pub(super) fn clear(&mut self) -> usize {
        let dropped = self.flows.iter().map(|flow| flow.queue.len()).sum();
        *self = Self::default();
        dropped
    }

    fn slot(&mut self, from: LocalId, to: LocalId) -> usize {
        if let Some(&slot) = self.index.get(&(to, from)) {
            return slot;
        }
        let flow = Flow {
            from,
            to,
            queue: VecDeque::new(),
            pulled: 0,
            deficit: None,
            is_in_ring: false,
            is_paused: false,
            bytes: 0,
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.flows[slot] = flow;
            slot
        } else {
            self.flows.push(flow);
            self.flows.len() - 1
        };
        self.index.insert((to, from), slot);
        slot
    }

    fn take(&mut self, slot: usize, len: usize, part: Part) -> Chunk {
        let flow = &mut self.flows[slot];
        let Queued { kind, payload } = flow.take(len, part);
        let chunk = Chunk {
            from: flow.from,
            to: flow.to,
            part,
            kind,
            payload,
        };
        match part {
            Part::Whole | Part::Middle => {}
            Part::Last => self.open -= 1,
            Part::First { .. } => self.open += 1,
        }
        let is_end = matches!(part, Part::Whole | Part::Last);
        self.discount(slot, if is_end { message_cost(len) } else { len });
        if self.flows[slot].queue.is_empty() {
            self.retire(slot);
        }
        chunk
    }

    fn drop_head(&mut self, slot: usize) {
        let flow = &mut self.flows[slot];
        let head = flow.queue.pop_front().unwrap_or_default();
        self.discount(slot, message_cost(head.payload.len()));
        if self.flows[slot].queue.is_empty() {
            self.retire(slot);
        }
    }

    /// So much of a flow has left the queue.
    fn discount(&mut self, slot: usize, bytes: usize) {
        let flow = &mut self.flows[slot];
        flow.bytes = flow.bytes.saturating_sub(bytes);
        self.bytes = self.bytes.saturating_sub(bytes);
        if flow.is_paused {
            self.paused_bytes = self.paused_bytes.saturating_sub(bytes);
        }
    }

    /// An empty flow leaves the ring, and is forgotten if many are kept already.
    fn retire(&mut self, slot: usize) {
        let flow = &mut self.flows[slot];
        flow.deficit = None;
        if std::mem::take(&mut flow.is_in_ring) {
            if self.ring.front() == Some(&slot) {
                self.ring.pop_front();
            } else {
                self.ring.retain(|&other| other != slot);
            }
        }
        if self.index.len() > IDLE_FLOWS_MAX {
            flow.queue = VecDeque::new();
            let key = (flow.to, flow.from);
            self.index.remove(&key);
            self.free.push(slot);
        }
    }
}

impl Flow {
    /// Length and kind of the next chunk; an empty flow is never asked.
    fn next_chunk(&self, config: &ChannelConfig) -> (usize, Part) {
        let whole = self.queue.front().map_or(0, |head| head.payload.len());
        let left = whole.saturating_sub(self.pulled);
        let chunk_max = config.chunk_bytes_max.max(1);
        let part = match (self.pulled, left <= chunk_max) {
            (0, true) => Part::Whole,
            (0, false) => Part::First {
                len: u32::try_from(whole).unwrap_or(u32::MAX),
            },
            (_, false) => Part::Middle,
            (_, true) => Part::Last,
        };
        (left.min(chunk_max), part)
    }

    fn take(&mut self, len: usize, part: Part) -> Queued {
        let begin = std::mem::take(&mut self.pulled);
        match part {
            Part::Whole => self.queue.pop_front().unwrap_or_default(),
            Part::Last => {
                let head = self.queue.pop_front().unwrap_or_default();
                head.slice(begin..head.payload.len())
            }
            Part::First { .. } | Part::Middle => {
                self.pulled = begin.saturating_add(len);
                let head = self.queue.front();
                head.map_or_else(Queued::default, |head| head.slice(begin..begin + len))
            }
        }
    }

    /// Whether the next message has waited for longer than its sender does.
    fn is_head_expired(&self, now: Time) -> bool {
        let head = self.queue.front();
        self.pulled == 0 && head.is_some_and(|head| head.kind.is_expired(now))
    }
}

impl Queued {
    fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self {
            kind: self.kind,
            payload: self.payload.slice(range),
        }
    }
}

/// What a message counts in the queue.
pub(super) const fn message_cost(len: usize) -> usize {
    len.saturating_add(FRAME_COST)
}

fn flows_to(to: LocalId) -> std::ops::RangeInclusive<(LocalId, LocalId)> {
    (to, LocalId(0))..=(to, LocalId(u64::MAX))
}
