//! The words of a channel's door: what goes in, what comes out, and over what.

use bytes::Bytes;

use super::Kind;
use crate::wire::SessionId;
use crate::{Boot, LocalId};

/// What can carry frames between two nodes; ordered from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// Over reflectors, by envelopes that the control machine forwards.
    Relay,
    /// Over other members of a common group, by envelopes likewise.
    Detour,
    /// A session between the two.
    Direct(SessionId),
}

/// A change of what carries the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathEvent {
    /// The path may be used from now on.
    Attached(Path),
    /// Nothing more arrives or leaves by this path.
    Detached(Path),
}

/// One message between two mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The sender's mailbox on its node.
    pub from: LocalId,
    /// The receiver's mailbox on its node.
    pub to: LocalId,
    /// What it is for.
    pub kind: Kind,
    /// At most [`ChannelConfig::message_bytes_max`](super::ChannelConfig::message_bytes_max).
    pub payload: Bytes,
}

/// What a channel tells its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelOutput {
    /// A whole message arrived in order: hand it to its mailbox.
    Deliver(Message),
    /// The peer has no mailbox `to`; the message to it was discarded there.
    NoMailbox {
        /// Who sent it.
        from: LocalId,
        /// Who does not exist.
        to: LocalId,
    },
    /// Messages that were accepted but not acknowledged are lost, or may be: the peer restarted,
    /// forgot the channel or was given up. A new epoch starts with what is sent from now on.
    Reset {
        /// How many accepted messages may not have been delivered.
        unacked: usize,
        /// The start of the peer that they were accepted for.
        boot: Boot,
    },
    /// The peer's mailbox `to` is full: what is sent to it waits here, and should not be sent.
    Paused {
        /// Which mailbox.
        to: LocalId,
    },
    /// It has room again. After a [`Reset`](Self::Reset) or an
    /// [`abandon`](super::Channel::abandon) treat all as having room.
    Resumed {
        /// Which mailbox.
        to: LocalId,
    },
    /// The queue has room again after [`SendError::Full`](super::SendError::Full).
    Writable,
}

/// What a channel holds and did, for people and for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelStats {
    /// Bytes accepted and not yet transmitted, bookkeeping included.
    pub queued_bytes: usize,
    /// Bytes transmitted and not acknowledged, bookkeeping included.
    pub unacked_bytes: usize,
    /// Bytes announced of half-received messages and held for full mailboxes.
    pub held_bytes: u64,
    /// Frames sent more than once, ever.
    pub retransmitted: u32,
    /// Frames dropped because they had been taken before, ever.
    pub duplicates: u32,
}
