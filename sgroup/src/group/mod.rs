//! One s-group at one node: composes admission, view, join, failure detector and log.
//!
//! [`Group`] only dispatches to them. It names peers by [`Peer`] slots of the table that its caller
//! lends, never knows sessions, and never sends to one: it says `Send`, and its caller finds the
//! session or a detour.

use std::sync::Arc;

use archipelago_core::wire::{GroupBody, Life};
use archipelago_core::{Boot, Context, Era, GroupId, NodeId, Peer, SignedRecord, Time};

use crate::GroupConfig;

/// What a group asks of its caller, or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupOutput {
    /// Send to a peer by its session, else by a detour, else not at all: every message is
    /// repaired by anti-entropy or repeated by a timer.
    Send {
        /// To whom.
        to: Peer,
        /// What.
        body: GroupBody,
    },
    /// Measure the round trip to a peer, and so learn whether it lives.
    Ping {
        /// Of whom.
        peer: Peer,
    },
    /// Open a session; answered by `handle_session_ready` or `handle_dial_failed`.
    Dial {
        /// To whom.
        target: DialTarget,
    },
    /// The peer proved that it belongs to the group: its session is justified by the group and
    /// may carry data.
    Admitted {
        /// Who.
        peer: Peer,
    },
    /// The group no longer justifies a session with the peer (left, down, or not admitted).
    Released {
        /// Who.
        peer: Peer,
    },
    /// The group remembers a later start of this node than this one: continue as `boot`.
    RaiseBoot {
        /// The start to use, before any mailbox exists.
        boot: Boot,
    },
    /// For those who watch.
    Event(GroupEvent),
}

/// The caller's buffer; a machine only appends to it.
pub type GroupOutputs = Vec<GroupOutput>;

/// Whom to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DialTarget {
    /// The seed of this index in the group's configuration; its node may be unknown.
    Seed(usize),
    /// A member; its addresses are in its record in the table of peers.
    Peer(Peer),
}

/// What a watcher of a group hears, each once per (boot, era).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupEvent {
    /// This node is up in the group: caught up with every member but `missing` of them.
    Joined {
        /// How many it could not reach.
        missing: usize,
    },
    /// A seed refused; it is asked again with back-off.
    Refused(archipelago_core::wire::RefuseReason),
    /// A member is up.
    MemberUp(MemberInfo),
    /// A member is thought dead by some.
    MemberSuspect(MemberInfo),
    /// A suspicion was refuted.
    MemberAlive(MemberInfo),
    /// A member is down.
    MemberDown(MemberInfo, DownReason),
    /// No direct session to a living member: traffic goes by detour.
    PathDown(NodeId),
    /// The direct session is back.
    PathUp(NodeId),
    /// This node was declared dead by others and returned with a new era.
    Returned(Era),
}

/// Why a member is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownReason {
    /// It said so.
    Left,
    /// The group's votes.
    Dead,
    /// It came back as a later boot or era before its end was noticed.
    Replaced,
}

/// A member as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInfo {
    /// Who.
    pub node: NodeId,
    /// Of which start.
    pub boot: Boot,
    /// Of which era.
    pub era: Era,
    /// How it is.
    pub life: Life,
    /// Its newest record.
    pub record: Option<Arc<SignedRecord>>,
}

/// Where a group message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who sent it (authenticated by the session, or by the seal of a detour).
    pub peer: Peer,
    /// The transcript of the session or detour that brought it; proofs are checked against it.
    pub transcript: [u8; 16],
}

/// One s-group at one node.
#[derive(Debug)]
pub struct Group {
    config: Arc<GroupConfig>,
}

impl Group {
    /// The group as configured, before its start; `record` is this node's own.
    pub fn new(
        config: Arc<GroupConfig>,
        _record: Arc<SignedRecord>,
        _cx: &mut Context<'_>,
    ) -> Self {
        Self { config }
    }

    /// The group's id.
    pub fn id(&self) -> GroupId {
        self.config.id()
    }

    /// Starts to join through the seeds, or founds the group where there are none.
    pub fn handle_start(&mut self, _cx: &mut Context<'_>, _out: &mut GroupOutputs) {}

    /// This node's record, boot or roles changed.
    pub fn handle_record(
        &mut self,
        _record: Arc<SignedRecord>,
        _cx: &mut Context<'_>,
        _out: &mut GroupOutputs,
    ) {
    }

    /// A session (or detour) with the peer is ready: Hellos exchanged, `peers` knows its record.
    /// The group decides whether to say `Join` on it.
    pub fn handle_session_ready(
        &mut self,
        _peer: Peer,
        _dialled: Option<DialTarget>,
        _cx: &mut Context<'_>,
        _out: &mut GroupOutputs,
    ) {
    }

    /// The last session with the peer closed.
    pub fn handle_session_closed(
        &mut self,
        _peer: Peer,
        _cx: &mut Context<'_>,
        _out: &mut GroupOutputs,
    ) {
    }

    /// A dial that this group asked for failed.
    pub fn handle_dial_failed(
        &mut self,
        _target: DialTarget,
        _cx: &mut Context<'_>,
        _out: &mut GroupOutputs,
    ) {
    }

    /// A message of this group arrived.
    ///
    /// A peer's mistakes are answered or counted, never trusted: only `Join` and `Welcome` are
    /// accepted from those not admitted.
    pub fn handle_message(
        &mut self,
        _from: Origin,
        _body: GroupBody,
        _cx: &mut Context<'_>,
        _out: &mut GroupOutputs,
    ) {
    }

    /// A `Pong` came: `peers` has the new round-trip time and `last_heard`.
    pub fn handle_pong(&mut self, _peer: Peer, _cx: &mut Context<'_>, _out: &mut GroupOutputs) {}

    /// Leaves: says so to every member, and is then empty.
    pub fn handle_leave(&mut self, _cx: &mut Context<'_>, _out: &mut GroupOutputs) {}

    /// What has come due.
    pub fn handle_timeout(&mut self, _cx: &mut Context<'_>, _out: &mut GroupOutputs) {}

    /// When to call `handle_timeout`, and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        None
    }

    /// Living members, ordered by name; this node included once it is up.
    pub fn members(&self, _cx_me: NodeId) -> Vec<MemberInfo> {
        Vec::new()
    }

    /// Whether the group justifies a session with the peer.
    pub fn holds(&self, _peer: Peer) -> bool {
        false
    }

    /// Whether the peer proved that it belongs to the group.
    pub fn is_admitted(&self, _peer: Peer) -> bool {
        false
    }
}
