//! What the logs of a group ask of their caller, tell, and count.

use archipelago_core::Peer;
use archipelago_core::wire::GroupBody;

use crate::log::LogChange;

/// What the logs ask of their caller, or tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogOutput {
    /// Send to a member, by detour if need be; may be lost.
    Send {
        /// To whom.
        to: Peer,
        /// What.
        body: GroupBody,
    },
    /// Keys of a member's log changed here; also when its log vanishes with it.
    Changed {
        /// Whose log.
        owner: Peer,
        /// Each key once at most, unless the owner restarted: then what vanished comes first.
        changes: Vec<LogChange>,
    },
    /// A member has the own log up to `seq`.
    Acked {
        /// Who.
        by: Peer,
        /// Up to which write.
        seq: u64,
        /// How far its own log went by then. Whoever has that much of it knows of everything
        /// that the member wrote before it knew of `seq`.
        head: u64,
    },
}

/// The caller's buffer; a machine only appends to it.
pub type LogOutputs = Vec<LogOutput>;

/// What peers did wrong, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Updates that contradict themselves.
    pub malformed: u32,
    /// Updates beyond what one owner may have.
    pub too_large: u32,
    /// Entries that no user of the log can read: of a later version, or a lie.
    pub unread: u32,
    /// Messages from those who are no members.
    pub strangers: u32,
}
