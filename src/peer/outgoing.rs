//! A message on its way into a peer's channel, and what it takes of the queue before it.

use archipelago_core::channel::{Kind, Message};
use archipelago_core::{Boot, LocalId, Pid};
use bytes::Bytes;

use crate::SendError;

/// Bytes that a message counts for beside its payload.
pub(super) const OVERHEAD_BYTES: usize = 64;

/// Longest payload of a short message: what the channel sends in one chunk.
const SHORT_BYTES_MAX: usize = 16 * 1024;

/// A message on its way into a peer's channel.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Message,
    /// The start of the peer that it is meant for.
    pub(crate) boot: Boot,
    /// Whose room it takes; decided when it enters.
    pub(super) lane: Lane,
    /// A mailbox of this node whose messages go first.
    pub(crate) after: Option<LocalId>,
}

/// Which of the two queues a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Short messages.
    Short,
    /// Long ones, and short ones that follow a long one between the same mailboxes.
    Long,
}

/// Why a message did not enter.
#[derive(Debug)]
pub(crate) enum PushError {
    /// The task came to rest; another must be started.
    Ended(Outgoing),
    /// It cannot be sent.
    Failed(SendError),
}

impl Outgoing {
    pub(crate) const fn new(from: LocalId, to: Pid, kind: Kind, payload: Bytes) -> Self {
        Self {
            message: Message {
                from,
                to: to.local,
                kind,
                payload,
            },
            boot: to.boot,
            lane: Lane::Short,
            after: None,
        }
    }

    /// A letter, for whichever start of the peer is alive.
    pub(crate) const fn letter(payload: Bytes, after: Option<LocalId>) -> Self {
        Self {
            message: Message {
                from: LocalId::NODE,
                to: LocalId::NODE,
                kind: Kind::Cast,
                payload,
            },
            boot: Boot::ANY,
            lane: Lane::Short,
            after,
        }
    }

    pub(super) const fn flow(&self) -> (LocalId, LocalId) {
        (self.message.from, self.message.to)
    }

    /// Whether it may go in the queue of short messages.
    pub(super) const fn is_short(&self) -> bool {
        self.message.payload.len() <= SHORT_BYTES_MAX
    }

    /// What it takes of a queue of `queue_bytes_max`; one longer than the queue takes all of it.
    pub(super) fn cost(&self, queue_bytes_max: usize) -> usize {
        let bytes = self.message.payload.len().saturating_add(OVERHEAD_BYTES);
        bytes.min(queue_bytes_max)
    }
}

/// Room that messages leave when they enter the channel, given back together.
#[derive(Debug, Default)]
pub(super) struct Freed {
    pub(super) short: usize,
    pub(super) long: usize,
    /// The mailboxes of those that left the long queue.
    pub(super) long_flows: Vec<(LocalId, LocalId)>,
}

impl Freed {
    /// The message is in the channel, or given up.
    pub(super) fn add(&mut self, outgoing: &Outgoing, queue_bytes_max: usize) {
        let cost = outgoing.cost(queue_bytes_max);
        match outgoing.lane {
            Lane::Short => self.short += cost,
            Lane::Long => {
                self.long += cost;
                self.long_flows.push(outgoing.flow());
            }
        }
    }
}
