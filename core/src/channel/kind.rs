//! What a message is for: cast, called for, answered, or the beginning of a stream.
//!
//! A cast says nothing about itself and costs no byte. A call carries the caller's number and the
//! time that is left; a reply carries that number back. In memory a deadline is an instant of the
//! clock of the node that holds it; on the wire it is what is left of it when its frame leaves. So
//! it ages wherever it waits, and no two clocks are compared. What a frame spends on its way is
//! not counted: the receiver's deadline lies that much after the caller's, never before.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Time;

/// The caller's number for a call: unique within a start of its node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// The writer's number for a stream: unique within a start of its node.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct StreamId(pub u64);

/// What a message is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nobody waits for an answer.
    #[default]
    Cast,
    /// The sender waits for a [`Kind::Reply`] with this number.
    Call {
        /// The sender's number for it.
        id: CallId,
        /// When the sender stops waiting, by this node's clock. What is queued and not begun by
        /// then is not sent, and not handed over.
        deadline: Time,
    },
    /// Answers a call of the receiver.
    Reply {
        /// The receiver's number for it.
        id: CallId,
        /// How it went.
        outcome: Outcome,
    },
    /// Opens a stream of bytes to the same mailbox; its pieces come beside the message
    /// ([`streams`](crate::streams)).
    Stream {
        /// The sender's number for it.
        id: StreamId,
    },
}

/// How a call went at its receiver; the payload is the answer after [`Outcome::Done`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Answered.
    Done,
    /// Taken, and dropped without an answer: it may have been worked on.
    NoReply,
    /// There is no such mailbox: nothing was done.
    NoMailbox,
    /// The mailbox holds messages of another type: nothing was done.
    WrongType,
    /// The receiver does not take it now: nothing was done.
    Refused,
}

/// A [`Kind`] as its frame carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Head {
    /// [`Kind::Cast`]: no byte.
    #[default]
    Cast,
    /// [`Kind::Call`].
    Call {
        /// The sender's number for it.
        id: CallId,
        /// What was left to wait when the frame left, to the microsecond.
        life: Duration,
    },
    /// [`Kind::Reply`].
    Reply {
        /// The receiver's number for it.
        id: CallId,
        /// How it went.
        outcome: Outcome,
    },
    /// [`Kind::Stream`].
    Stream {
        /// The sender's number for it.
        id: StreamId,
    },
}

impl Kind {
    /// As a frame that leaves now carries it.
    pub(super) fn head(self, now: Time) -> Head {
        match self {
            Self::Cast => Head::Cast,
            Self::Call { id, deadline } => Head::Call {
                id,
                life: deadline.since(now),
            },
            Self::Reply { id, outcome } => Head::Reply { id, outcome },
            Self::Stream { id } => Head::Stream { id },
        }
    }

    /// Whether nobody waits for it any more.
    pub fn is_expired(self, now: Time) -> bool {
        matches!(self, Self::Call { deadline, .. } if deadline <= now)
    }
}

impl Head {
    /// As its receiver keeps it from now on.
    pub(super) fn kind(self, now: Time) -> Kind {
        match self {
            Self::Cast => Kind::Cast,
            Self::Call { id, life } => Kind::Call {
                id,
                deadline: now.after(life),
            },
            Self::Reply { id, outcome } => Kind::Reply { id, outcome },
            Self::Stream { id } => Kind::Stream { id },
        }
    }
}
