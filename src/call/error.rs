//! How a call can fail, and what may have been done all the same.

use archipelago_core::calls::{CallEnd, TooManyCalls};
use archipelago_core::channel::Outcome;

use crate::SendError;

/// A call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nothing was sent, or its receiver does not exist: nothing was done.
    #[error("the call was not made: {0}")]
    NotSent(#[from] SendError),
    /// As many calls are in flight as may be: nothing was sent.
    #[error(transparent)]
    TooManyCalls(#[from] TooManyCalls),
    /// No answer by the deadline.
    #[error("no answer by the deadline; {}", done(*.is_sent))]
    Timeout {
        /// Whether it was sent: then it may have been done, or may be yet.
        is_sent: bool,
    },
    /// The receiver took the call and dropped it unanswered, or ended; it may have been done.
    #[error("the receiver dropped the call unanswered; it may have been done")]
    NoReply,
    /// The receiver's messages are of another type: nothing was done.
    #[error("the receiver takes messages of another type; nothing was done")]
    WrongType,
    /// The receiver does not take it now: nothing was done.
    #[error("the receiver does not take the call now; nothing was done: try later or elsewhere")]
    Refused,
    /// The channel to the receiver's node lost what was under way; it may have been done.
    #[error("the channel to the receiver's node was lost; it may have been done")]
    Reset,
    /// The receiver's node was declared dead, or started anew; it may have been done before.
    #[error("the receiver's node is down; it may have been done before")]
    NodeDown,
    /// It was done, but its answer is not of the type that was expected.
    #[error("it was done, but its answer is of another type: {0}")]
    WrongReply(String),
    /// This node stopped while the call was in flight; it may have been done.
    #[error("this node has stopped; the call may have been done")]
    Stopped,
}

const fn done(is_sent: bool) -> &'static str {
    if is_sent {
        "it may have been done"
    } else {
        "nothing was sent"
    }
}

impl CallError {
    /// Whether the receiver may have acted on the call, or may yet. If not, the same call may be
    /// made again without harm.
    pub const fn may_be_done(&self) -> bool {
        match self {
            Self::Timeout { is_sent } => *is_sent,
            Self::NoReply | Self::Reset | Self::NodeDown | Self::WrongReply(_) | Self::Stopped => {
                true
            }
            Self::NotSent(_) | Self::TooManyCalls(_) | Self::WrongType | Self::Refused => false,
        }
    }

    pub(crate) fn from_end(end: CallEnd) -> Self {
        match end {
            CallEnd::Replied(outcome) => Self::from_outcome(outcome),
            CallEnd::Timeout { is_sent } => Self::Timeout { is_sent },
            CallEnd::Reset => Self::Reset,
            CallEnd::NodeDown => Self::NodeDown,
            _ => Self::Stopped,
        }
    }

    pub(crate) const fn from_outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::NoMailbox => Self::NotSent(SendError::NoMailbox),
            Outcome::WrongType => Self::WrongType,
            Outcome::Refused => Self::Refused,
            // `Done` has an answer, and is no failure.
            _ => Self::NoReply,
        }
    }
}
