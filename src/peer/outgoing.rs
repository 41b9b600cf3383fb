//! A message on its way into a peer's channel, and what it takes of the queue before it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use archipelago_core::channel::{Kind, Message};
use archipelago_core::{Boot, LocalId, Pid};
use bytes::Bytes;

use super::PeerHandle;
use crate::SendError;
use crate::stream::{Pipe, StreamError};

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
    /// The stream that it opens.
    pub(crate) stream: Option<Box<Opening>>,
}

/// A stream that is to be opened. Dropped before it is, its writer hears that this node stopped.
#[derive(Debug)]
pub(crate) struct Opening {
    pipe: Option<Arc<Pipe>>,
    place: Option<Place>,
}

/// A stream's place among those to its peer; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<PeerHandle>);

impl Place {
    /// `None`: there are `len_max` streams to the peer already.
    pub(crate) fn take(peer: &Arc<PeerHandle>, len_max: usize) -> Option<Self> {
        let add = |len: usize| (len < len_max).then(|| len + 1);
        let len = &peer.streams_len;
        let taken = len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        taken.is_ok().then(|| Self(peer.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams_len.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Opening {
    pub(crate) const fn new(pipe: Arc<Pipe>, place: Place) -> Self {
        Self {
            pipe: Some(pipe),
            place: Some(place),
        }
    }

    /// Leaves the writer as it is.
    pub(crate) fn take(mut self) -> Option<(Arc<Pipe>, Place)> {
        self.pipe.take().zip(self.place.take())
    }

    /// It cannot be opened.
    pub(super) fn fail(&self, error: StreamError) {
        if let Some(pipe) = &self.pipe {
            pipe.end(Err(error));
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.fail(StreamError::Stopped);
    }
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
            stream: None,
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
            stream: None,
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
