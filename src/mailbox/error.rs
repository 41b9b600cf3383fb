//! Why a message was not accepted, or not understood.

use archipelago_router::Unreachable;

/// Why a message was not accepted; nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// A queue on the way is full; only `try_send` says so.
    #[error("a queue on the way is full: wait with `send`, or try again later")]
    Full,
    /// Nobody reads at that pid: it was dropped, or belongs to an earlier start of its node.
    #[error("there is no such mailbox: ask its owner for the new pid")]
    NoMailbox,
    /// The node cannot be reached now.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// Longer than a message may be.
    #[error("{len} bytes, but a message holds at most {max}: send it as a stream")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// The value could not be written as bytes.
    #[error("the value cannot be written as bytes: {0}")]
    Encode(String),
    /// The mailbox on this node holds messages of another type.
    #[error("the mailbox takes messages of another type")]
    WrongType,
    /// It answers a call that nobody waits for any more.
    #[error("the caller has stopped waiting")]
    TooLate,
    /// As many peers have traffic as may at once.
    #[error("too many peers have traffic at once: try later, or raise `busy_peers_max`")]
    TooManyPeers,
    /// There are as many streams to that node as may be.
    #[error(
        "too many streams to that node: try again when others ended, or raise `streams_per_peer_max`"
    )]
    TooManyStreams,
    /// This node was shut down or killed.
    #[error("this node has stopped: start another")]
    Stopped,
}

/// Why no value came out of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The node has stopped and the mailbox is empty.
    #[error("the node has stopped, and the mailbox is empty")]
    Stopped,
    /// A message arrived whose bytes are not such a value; it was taken out.
    #[error("a message from {from} is not such a value: {reason}")]
    Decode {
        /// Who sent it.
        from: archipelago_core::Pid,
        /// What is wrong with it, for people.
        reason: String,
    },
}
