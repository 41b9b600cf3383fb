//! What a run shows to its checkers and tests: one record for each thing that a node reported.

use std::sync::Arc;

use archipelago_core::channel::Path;
use archipelago_core::{Boot, GroupId, NodeId, Time};
use archipelago_router::{ChangeKind, CloseReason, Event, NodeChange, Unreachable};

/// Something that a node reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// When.
    pub time: Time,
    /// Which node's report it is.
    pub node: u32,
    /// The start of that node.
    pub boot: Boot,
    /// What.
    pub what: Observation,
}

impl Observed {
    /// Whether a node told its user that a member came up.
    pub(crate) const fn is_member_up(&self) -> bool {
        let Observation::Event(Event::Group { event, .. }) = &self.what else {
            return false;
        };
        matches!(event, archipelago_sgroup::GroupEvent::MemberUp(_))
    }
}

/// What a node can report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation {
    /// The process began.
    Started,
    /// A generated start, noted once for a group at its first member: these, in their first era,
    /// are up in it, and were told of each other before.
    Formed {
        /// The group.
        group: GroupId,
        /// Its members, in which start.
        members: Arc<[(NodeId, Boot)]>,
    },
    /// Its user left a group: it hears of that no more.
    GroupLeft {
        /// Which.
        group: GroupId,
    },
    /// The process ended: killed, or shut down.
    Ended,
    /// The process was stopped.
    Paused,
    /// The process goes on.
    Resumed,
    /// An event of its control machine.
    Event(Event),
    /// Its control machine attached a path to a peer's channel.
    PathAttached {
        /// The peer.
        peer: NodeId,
        /// The path.
        path: Path,
    },
    /// A strict name that it claimed or asked about.
    Strict {
        /// In which group.
        group: GroupId,
        /// What became of it.
        event: archipelago_sgroup::strict::StrictEvent,
    },
    /// It gave up on a contact.
    Unreachable {
        /// The peer.
        peer: NodeId,
        /// Why.
        reason: Unreachable,
    },
    /// A change of a group that it began is through.
    Changed {
        /// Of the command.
        ticket: u64,
        /// What it was.
        kind: ChangeKind,
        /// For every node.
        results: Vec<NodeChange>,
    },
    /// It closed a session.
    SessionClosed {
        /// The peer.
        peer: NodeId,
        /// Why.
        reason: CloseReason,
    },
    /// It dialled.
    Dialled {
        /// The node that listens there, if any.
        target: Option<u32>,
    },
    /// Its channel to `peer` started a new epoch.
    ChannelReset {
        /// The peer.
        peer: NodeId,
        /// Messages that may be lost.
        unacked: usize,
    },
}
