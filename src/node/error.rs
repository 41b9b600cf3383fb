//! What can go wrong with a node as a whole.

use std::path::PathBuf;

use archipelago_router::{ConfigError, Refused};

use crate::{IdentityError, RuntimeError};

/// A node could not start; nothing of it is left running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// What was configured cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The protocol's threads could not be started.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The key file cannot be read, made or trusted.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The file of groups that the node was in cannot be read or trusted.
    #[error("{path}: {reason}", path = path.display())]
    Groups {
        /// Which.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The handshake refuses the key: a fault of this library.
    #[error("the handshake refuses the key: {0}")]
    Handshake(String),
    /// An address that cannot be parsed or listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// As configured.
        address: String,
        /// Why, for people.
        reason: String,
    },
}

/// Something asked of a node was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The node was shut down or killed.
    #[error("the node has stopped: start another")]
    Stopped,
    /// The protocol refused; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The node is not in a group of that name.
    #[error("the node is not in that group: join it first")]
    UnknownGroup,
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: try again later")]
    NoRandom,
    /// The node has as many mailboxes as it may: see [`Limits`](crate::Limits).
    #[error("the node has as many mailboxes as it may: drop some, or raise `mailboxes_max`")]
    TooManyMailboxes,
}
