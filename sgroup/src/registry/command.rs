//! What the user says into a group, and why it may be refused.

use archipelago_core::LocalId;
use archipelago_core::wire::StatementError;
use bytes::Bytes;

use super::Entry;
use crate::log::LogError;

/// What a node says in one group. It is told to all members, and gone when the node is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryCommand {
    /// A mailbox joins a process group; as often as it joins, it has to leave.
    JoinProcessGroup {
        /// Of which name, 1 to 255 bytes.
        name: Bytes,
        /// Which mailbox.
        local: LocalId,
    },
    /// The reverse, once.
    LeaveProcessGroup {
        /// Of which name.
        name: Bytes,
        /// Which mailbox.
        local: LocalId,
    },
    /// Adds to a mailbox's counter, which begins at 0; it saturates.
    AddToCounter {
        /// Of which name, 1 to 255 bytes.
        key: Bytes,
        /// Which mailbox.
        local: LocalId,
        /// How much.
        by: i64,
    },
    /// An entry is so from now on, whatever it was before; where it holds nothing, it is gone.
    Say(Entry),
    /// How busy this node is, in thousandths of its own measure. Told when it differs by an eighth
    /// and by [`LOAD_FLOOR`](super::LOAD_FLOOR), at most once in
    /// [`LOAD_PERIOD`](super::LOAD_PERIOD).
    SetLoad {
        /// 0: idle.
        load: u32,
    },
}

impl RegistryCommand {
    /// The process of this node that it is about; none where it is about the node.
    pub fn process(&self) -> Option<LocalId> {
        match self {
            Self::JoinProcessGroup { local, .. }
            | Self::LeaveProcessGroup { local, .. }
            | Self::AddToCounter { local, .. } => Some(*local),
            Self::Say(entry) => entry.mailbox(),
            Self::SetLoad { .. } => None,
        }
    }
}

/// Why something was not said; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A name is empty or too long.
    #[error("a name of {bytes} bytes: 1 to 255 are allowed")]
    Name {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A value is too large, or a text that cannot be shown.
    #[error("the value is too large, or a text with control characters: see `Value` for limits")]
    Value,
    /// The pid is of another node or start, or its mailbox is gone.
    #[error("no such mailbox on this node: say it where the process lives")]
    NoProcess,
    /// There is nothing to leave.
    #[error("the mailbox has not joined that process group, or has left it as often")]
    NotThere,
    /// One mailbox joined one process group 65,535 times.
    #[error("the mailbox has joined that process group 65,535 times: leave it first")]
    TooOften,
    /// As many keys or bytes of the application's own as a member may have.
    #[error("a member shares at most 4,096 keys and 1 MiB in a group: delete some first")]
    SharedFull,
    /// The node's log in the group is full.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<StatementError> for RegistryError {
    fn from(_: StatementError) -> Self {
        Self::Value
    }
}
