//! What a watcher of a node hears.

use archipelago_core::{Boot, GroupId, NodeId};
use archipelago_sgroup::GroupEvent;

use super::{CloseReason, SessionKind};
use crate::regroup::Regrouped;
use crate::watch::{EndReason, MonitorRef};

/// What a watcher of a node hears.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The boot is final and mailboxes may be made.
    Started {
        /// This node's start.
        boot: Boot,
    },
    /// Something in a group.
    Group {
        /// Which.
        group: GroupId,
        /// What.
        event: GroupEvent,
    },
    /// A session is up.
    SessionUp {
        /// With whom.
        peer: NodeId,
        /// Why it exists.
        kind: SessionKind,
    },
    /// A session is gone.
    SessionDown {
        /// With whom.
        peer: NodeId,
        /// Why it existed.
        kind: SessionKind,
        /// Why it ended; `None` if the connection was lost.
        reason: Option<CloseReason>,
    },
    /// A monitor fires: the first and only word of it. What its process sent to this node, and what
    /// arrived at all, arrived before.
    Down {
        /// Which.
        monitor: MonitorRef,
        /// Why.
        reason: EndReason,
    },
    /// This node left a parent that it had joined because it was elected: it is not any more.
    ParentLeft {
        /// Which.
        group: GroupId,
    },
    /// A group that the program keeps in size changes.
    Regrouped {
        /// Which.
        group: GroupId,
        /// How.
        change: Regrouped,
    },
    /// A group can be reached.
    RouteUp {
        /// Which.
        group: GroupId,
    },
    /// It no longer can.
    RouteDown {
        /// Which.
        group: GroupId,
    },
}
