//! The unit that a path carries, typed; its bytes are made at the edge, by `codec`.
//!
//! Frames need no path of their own: what a frame means never depends on what carried it, except
//! for [`Frame::Resume`], which opens the path that it came by.

use bytes::Bytes;

use super::Head;
use crate::LocalId;

/// One frame of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Frame {
    /// A message or a piece of one, numbered.
    Data(Data),
    /// What arrived in order so far, and what may follow.
    Ack(Ack),
    /// The same, and: this direct path may carry data from here on. The first frame each way.
    Resume(Ack),
    /// The receiver knows nothing of this epoch, although it once acknowledged some of it.
    Reset {
        /// The sender's epoch.
        epoch: u32,
    },
    /// The sender gave up what it had not got acknowledged: what is half received never completes.
    /// Best effort; the next data frame says the same.
    Epoch {
        /// The sender's new epoch, of which nothing was sent yet.
        epoch: u32,
    },
    /// The mailbox is full: send it nothing more.
    FlowPause {
        /// The receiver's mailbox.
        to: LocalId,
    },
    /// The mailbox has room again.
    FlowResume {
        /// The receiver's mailbox.
        to: LocalId,
    },
    /// Is the mailbox still full? Repairs a `FlowResume` that was lost.
    FlowAsk {
        /// The receiver's mailbox.
        to: LocalId,
    },
    /// Acknowledge now: the sender waits for credit. Repairs an `Ack` that was lost.
    AckAsk,
    /// The receiver has no mailbox `to`; a message to it was discarded.
    NoMailbox {
        /// Who sent it.
        from: LocalId,
        /// Who does not exist.
        to: LocalId,
    },
}

/// A message or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Data {
    /// The sender's epoch, rising; at least 1.
    pub epoch: u32,
    /// Its number in the epoch, from 0 on.
    pub seq: u64,
    /// The sender has seen no acknowledgement in this epoch: the receiver need not know it yet.
    pub is_fresh: bool,
    /// The sender's mailbox.
    pub from: LocalId,
    /// The receiver's mailbox.
    pub to: LocalId,
    /// Which piece.
    pub part: Part,
    /// What the message is for; [`Head::Cast`] in all pieces but the first.
    pub head: Head,
    /// The bytes.
    pub payload: Bytes,
}

/// Which piece of its message a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// All of it.
    Whole,
    /// The first of several.
    First {
        /// Bytes of the whole message.
        len: u32,
    },
    /// Neither first nor last.
    Middle,
    /// The last of several.
    Last,
}

/// What arrived, and what may follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ack {
    /// The epoch that the receiver knows; 0 if none.
    pub epoch: u32,
    /// The next number that it will take.
    pub expected: u64,
    /// Bytes that it can hold beyond those before `expected`.
    pub credit: u64,
}
