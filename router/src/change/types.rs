//! What a change of a group asks of a node, and what became of it.

use archipelago_core::wire::DeclineReason;
use archipelago_core::{Address, GroupId, NodeId};

use crate::node::Unreachable;

/// A node that a change of a group concerns, and where it is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    /// Who.
    pub node: NodeId,
    /// A group of its own, to look it up in; `None` for members of common groups.
    pub home: Option<GroupId>,
    /// Where it listens, if that is known: it is dialled there where nothing else leads to it.
    pub address: Option<Address>,
}

impl Ask {
    /// A node that is found by the session with it.
    pub const fn member(node: NodeId) -> Self {
        Self {
            node,
            home: None,
            address: None,
        }
    }
}

/// What a member does to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// Makes it.
    Create,
    /// Invites nodes.
    Add,
    /// Puts members out.
    Remove,
    /// Ends it.
    Delete,
}

/// What became of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeChange {
    /// Which.
    pub node: NodeId,
    /// What.
    pub result: Result<Changed, ChangeFault>,
}

/// A node is as the change wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Changed {
    /// It is up in the group, with all that the group knows.
    Joined,
    /// It was in the group before.
    Member,
    /// It is in the group no more.
    Left,
    /// It is in the group no more, and will hear of it when it is back.
    Away,
}

/// A node is not, or not yet, as the change wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeFault {
    /// It does not enter: its policy, its limits, or what it knows of the group.
    #[error("the node does not enter the group: {0:?}")]
    NotAdmitted(DeclineReason),
    /// Nothing leads to it. It was not asked.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// It was asked, and the way to it broke. It may have heard.
    #[error("the way to the node broke: it may have heard, ask again")]
    Lost,
    /// It has not answered in time. It may still do as it was asked.
    #[error("the node has not answered in time: it may still follow")]
    TimedOut,
    /// It is not a member. Nothing changed.
    #[error("the node is not a member of the group")]
    NotMember,
    /// As many nodes are out as a group remembers. Nothing changed.
    #[error("as many nodes are kept out as the group remembers: rotate its cookie instead")]
    TooManyOut,
    /// This node left the group meanwhile.
    #[error("this node left the group meanwhile")]
    GroupLeft,
    /// A node cannot remove itself: it leaves.
    #[error("a node is not removed by itself: leave the group instead")]
    Myself,
}
