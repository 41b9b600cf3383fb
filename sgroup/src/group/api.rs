//! What passes between a [`Group`](super::Group) and its caller.

use std::sync::Arc;

use archipelago_core::wire::{Charter, Deletion, GroupBody, Life};
use archipelago_core::{Boot, Era, NodeId, Peer, SignedRecord};
use bytes::Bytes;

use crate::Cookies;
use crate::registry::RegistryChange;

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
    /// A hidden node is served by this member, or no longer is.
    Serves {
        /// Whom.
        peer: Peer,
        /// Whether it is from now on.
        is_served: bool,
    },
    /// A member said anew to whom its direct paths are broken: all of them, none where it says
    /// none any more or is gone. Detours go round them.
    PathsBroken {
        /// Who says so.
        member: NodeId,
        /// To whom, by name.
        broken: Vec<NodeId>,
    },
    /// The group has another charter than it was configured with, or than it had before.
    Charter(Arc<Charter>),
    /// Other cookies count from now on, as a member told or a window's end brought: for who keeps
    /// the configuration.
    Cookies(Option<Cookies>),
    /// This node was put out of the group: to be left.
    Removed {
        /// By whom.
        by: NodeId,
    },
    /// The group is over: to be left, and the proof kept for those who come later.
    Deleted(Deletion),
    /// A member came back as a process that knows nothing of the group: it may be invited anew.
    Forgotten {
        /// Who.
        peer: Peer,
    },
    /// A member says something else than before of what is above or below the group.
    Told {
        /// Who.
        owner: NodeId,
        /// Under which key of its log: see [`keys`](crate::log::keys).
        key: Bytes,
        /// What; `None` where it says nothing any more, or is gone.
        value: Option<Bytes>,
    },
    /// The names of the group answer or tell.
    Name(crate::names::NameOutput),
    /// A run on this node is to be started or stopped.
    Duty(crate::duty::DutyOutput),
    /// A member, or this node, says something else than before of what is no contest.
    Registry(RegistryChange),
    /// What becomes of a strict name that this node claimed or asked about.
    Strict(crate::strict::StrictEvent),
    /// A member's message breaks the protocol: its session is to be closed.
    Misbehaved {
        /// Who.
        peer: Peer,
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
    /// The seed of this index in the configuration cannot be reached; it is dialled again with
    /// back-off, for ever. Told once until it was there again.
    SeedUnreachable(usize),
    /// A seed refused, or a member that this node was together with: its cookie is another one now.
    /// It is asked again with back-off.
    Refused(archipelago_core::wire::RefuseReason),
    /// This node, which uses the group without being in it, is served by a member.
    Attached {
        /// By whom.
        to: NodeId,
    },
    /// It is no longer served by that member, and looks for another.
    Detached {
        /// By whom.
        from: NodeId,
    },
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
    /// Whether this side of the group holds more than half of the size in the charter; told when
    /// this node is up, and at each change. Never where the charter says no size.
    Quorum(Quorum),
    /// This node was declared dead by others and returned with a new era.
    Returned(Era),
    /// This node was put out of the group, and is in it no more.
    Removed {
        /// By whom, as far as it was told.
        by: NodeId,
    },
    /// The group was deleted, and this node is in it no more.
    Deleted {
        /// By whom.
        by: NodeId,
    },
    /// The group has another cookie, as a member told.
    CookieChanged {
        /// How often members rotated it.
        serial: u64,
    },
    /// The window of a change of the cookie is over: the previous one counts no more.
    CookieRetired,
    /// Two nodes gave the group two cookies: the higher in an order that all share is kept.
    CookieConflict {
        /// Who came with the other one.
        with: NodeId,
        /// Whether this node's own was kept.
        kept: bool,
    },
}

/// Which side of a split this may be, counted against the size in the charter. Nobody is declared
/// dead for being few: the application decides what a minority may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// More than half are here.
    Majority,
    /// Half or less.
    Minority,
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
    /// A member put it out.
    Removed,
    /// It could not prove the group's cookie any more.
    NotAdmitted,
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
    /// How it came.
    pub by: By,
}

/// What brought a message of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// A session with its sender.
    Session,
    /// Other members, under seal: it says nothing of the direct path.
    Detour,
}
