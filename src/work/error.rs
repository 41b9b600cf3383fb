//! Why no worker was started elsewhere.

use super::wire::Refusal;
use crate::{CallError, SendError};

/// A worker was not started on another node, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartWorkerError {
    /// The node has no factory of that name; nothing was started.
    #[error("the node has no factory of that name; nothing was started")]
    UnknownFactory,
    /// The node runs as many workers for others as it may; nothing was started.
    #[error("the node runs as many workers for others as it may; nothing was started")]
    Quota,
    /// The node starts workers for members of its own groups only; nothing was started.
    #[error("the node takes no work from this one: both must be in one group")]
    NotAllowed,
    /// The node has no room for a mailbox, or left the group; nothing was started.
    #[error("the node cannot start it now; nothing was started")]
    Node,
    /// The node is no living member of the group; nothing was started.
    #[error("no living member of the group; nothing was started")]
    NoMember,
    /// It was not answered; see [`StartWorkerError::may_be_started`].
    #[error("not answered: {0}")]
    Call(CallError),
    /// It was answered by what is no answer; it may have been started.
    #[error("the node's answer cannot be read; it may have been started")]
    Answer,
}

impl StartWorkerError {
    /// Whether the worker may run all the same, or may yet.
    pub const fn may_be_started(&self) -> bool {
        match self {
            Self::Call(error) => error.may_be_done(),
            Self::Answer => true,
            _ => false,
        }
    }

    pub(super) const fn from_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownFactory => Self::UnknownFactory,
            Refusal::Quota => Self::Quota,
            Refusal::NotAllowed => Self::NotAllowed,
            Refusal::Node => Self::Node,
        }
    }

    /// Of a call to a desk: a node without a factory has none.
    pub(super) fn from_call(error: CallError) -> Self {
        match error {
            CallError::NotSent(SendError::NoMailbox) => Self::UnknownFactory,
            error => Self::Call(error),
        }
    }
}
