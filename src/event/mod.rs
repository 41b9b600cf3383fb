//! What happens at a node, for those who watch.

mod hub;

pub use hub::Events;
pub(crate) use hub::Hub;

use archipelago_core::wire::RefuseReason;
use archipelago_core::{Boot, Era, GroupId, NodeId, Pid};
use archipelago_router::{CloseReason, Event, Regrouped, SessionKind};
use archipelago_sgroup::names::{NameInfo, OnLoss};
use archipelago_sgroup::{DownReason, GroupEvent, MemberInfo, Quorum};
use bytes::Bytes;

/// Something that happened at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// The boot is final, and mailboxes can be made.
    Started {
        /// This start of the node.
        boot: Boot,
    },
    /// This node is up in a group.
    Joined {
        /// Which.
        group: GroupId,
        /// How many members it could not reach.
        missing: usize,
    },
    /// A member serves this node, which uses its group without being in it.
    Attached {
        /// Which group.
        group: GroupId,
        /// By whom.
        to: NodeId,
    },
    /// That member serves it no more; another one is looked for at once.
    Detached {
        /// Which group.
        group: GroupId,
        /// By whom.
        from: NodeId,
    },
    /// A seed refused this node; it is asked again, with growing pauses.
    Refused {
        /// By which group.
        group: GroupId,
        /// Why.
        reason: RefuseReason,
    },
    /// A seed could not be dialled; it is dialled again, with growing pauses.
    SeedUnreachable {
        /// Of which group.
        group: GroupId,
        /// Its place among the seeds that the group was given.
        seed: usize,
    },
    /// More than half of a group's size is here, or no longer: told to groups that were given one.
    Quorum {
        /// Of which group.
        group: GroupId,
        /// Which side of a split this node is on.
        quorum: Quorum,
    },
    /// This node was declared dead by others, and came back.
    Returned {
        /// In which group.
        group: GroupId,
        /// As which life of the same boot.
        era: Era,
    },
    /// A member is up.
    MemberUp {
        /// Of which group.
        group: GroupId,
        /// Who.
        member: MemberInfo,
    },
    /// A member is thought dead by some.
    MemberSuspect {
        /// Of which group.
        group: GroupId,
        /// Who.
        member: MemberInfo,
    },
    /// A suspicion was refuted.
    MemberAlive {
        /// Of which group.
        group: GroupId,
        /// Who.
        member: MemberInfo,
    },
    /// A member is down.
    MemberDown {
        /// Of which group.
        group: GroupId,
        /// Who.
        member: MemberInfo,
        /// Why.
        reason: DownReason,
    },
    /// A living member has no session with this node: traffic goes round by others.
    PathDown {
        /// Of which group.
        group: GroupId,
        /// Who.
        node: NodeId,
    },
    /// The session is back.
    PathUp {
        /// Of which group.
        group: GroupId,
        /// Who.
        node: NodeId,
    },
    /// A group that keeps itself in size changes: the keeper of the change tells of its beginning and
    /// its end, each node that moves of its own move.
    Regrouped {
        /// Which.
        group: GroupId,
        /// How.
        change: Regrouped,
    },
    /// This node was put out of a group.
    Removed {
        /// Of which.
        group: GroupId,
        /// By whom, as far as it was told.
        by: NodeId,
    },
    /// A group was deleted.
    Deleted {
        /// Which.
        group: GroupId,
        /// By whom.
        by: NodeId,
    },
    /// A member gave a group another cookie. Told to who has just changed it, with another `serial`: that
    /// change was undone, because the others knew of later ones; make it again.
    CookieChanged {
        /// Which.
        group: GroupId,
        /// How often members rotated it.
        serial: u64,
    },
    /// The window of a change of the cookie is over at this node: the previous one counts no more.
    CookieRetired {
        /// Which.
        group: GroupId,
    },
    /// Two nodes made one group with two cookies: all keep the same one of them, the other counts
    /// for a minute more.
    CookieConflict {
        /// Which.
        group: GroupId,
        /// Who came with the other one.
        with: NodeId,
        /// Whether this node's own was kept.
        kept: bool,
    },
    /// This node and another one host a service of keyed workers, one with leases and one without:
    /// a key may be active at both. Told once for each, at both; end one of them.
    KeyedHostsDiffer {
        /// In which group.
        group: GroupId,
        /// Which service.
        service: Bytes,
        /// The other one.
        node: NodeId,
        /// Whether the other one has leases.
        is_leased: bool,
    },
    /// Groups that were made or entered at run time could not be written to
    /// [`Builder::groups_file`](crate::Builder::groups_file): a restart would not be in them. Tried
    /// again at the next change.
    GroupsNotKept {
        /// Why, and what to do.
        reason: String,
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
    /// This node left a parent that it had been elected to join: another member stands there now.
    ParentLeft {
        /// Which.
        group: GroupId,
    },
    /// A group can be reached through reflectors.
    RouteUp {
        /// Which.
        group: GroupId,
    },
    /// A group can no longer be reached.
    RouteDown {
        /// Which.
        group: GroupId,
    },
    /// A process of this node does not hold a name any more that it held: a better claim was found
    /// after a split, or somebody moved the name.
    NameLost {
        /// In which group.
        group: GroupId,
        /// Which name.
        name: Bytes,
        /// Who held it.
        pid: Pid,
        /// Who holds it.
        to: NameInfo,
        /// What its claim asked for in this case; that was done.
        on_loss: OnLoss,
    },
    /// A process of this node that stood by holds the name now.
    NameWon {
        /// In which group.
        group: GroupId,
        /// Which name.
        name: Bytes,
        /// Who holds it.
        pid: Pid,
    },
    /// Messages that were accepted may not have been delivered: the peer restarted, forgot the
    /// channel, has no such mailbox any more, or could not be reached.
    Undelivered {
        /// To which node.
        peer: NodeId,
        /// How many.
        messages: usize,
    },
    /// This watcher was too slow: events were left out here.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The node has stopped; nothing follows.
    Stopped,
}

impl NodeEvent {
    /// The protocol's event in the API's words; `None` for one that this build has no words for.
    pub(crate) fn from_machine(event: Event) -> Option<Self> {
        Some(match event {
            Event::Started { boot } => Self::Started { boot },
            Event::Group { group, event } => return Self::from_group(group, event),
            Event::SessionUp { peer, kind } => Self::SessionUp { peer, kind },
            Event::SessionDown { peer, kind, reason } => Self::SessionDown { peer, kind, reason },
            Event::ParentLeft { group } => Self::ParentLeft { group },
            Event::Regrouped { group, change } => Self::Regrouped { group, change },
            Event::RouteUp { group } => Self::RouteUp { group },
            Event::RouteDown { group } => Self::RouteDown { group },
            _ => return None,
        })
    }

    fn from_group(group: GroupId, event: GroupEvent) -> Option<Self> {
        Some(match event {
            GroupEvent::Joined { missing } => Self::Joined { group, missing },
            GroupEvent::Refused(reason) => Self::Refused { group, reason },
            GroupEvent::Attached { to } => Self::Attached { group, to },
            GroupEvent::Detached { from } => Self::Detached { group, from },
            GroupEvent::MemberUp(member) => Self::MemberUp { group, member },
            GroupEvent::MemberSuspect(member) => Self::MemberSuspect { group, member },
            GroupEvent::MemberAlive(member) => Self::MemberAlive { group, member },
            GroupEvent::MemberDown(member, reason) => Self::MemberDown {
                group,
                member,
                reason,
            },
            GroupEvent::PathDown(node) => Self::PathDown { group, node },
            GroupEvent::PathUp(node) => Self::PathUp { group, node },
            GroupEvent::Returned(era) => Self::Returned { group, era },
            GroupEvent::SeedUnreachable(seed) => Self::SeedUnreachable { group, seed },
            GroupEvent::Removed { by } => Self::Removed { group, by },
            GroupEvent::Deleted { by } => Self::Deleted { group, by },
            GroupEvent::CookieChanged { serial } => Self::CookieChanged { group, serial },
            GroupEvent::CookieRetired => Self::CookieRetired { group },
            GroupEvent::CookieConflict { with, kept } => Self::CookieConflict { group, with, kept },
            GroupEvent::Quorum(quorum) => Self::Quorum { group, quorum },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_hears_of_lost_seeds_and_of_the_quorum() {
        let group = GroupId([1; 16]);
        let told = |event| NodeEvent::from_machine(Event::Group { group, event });
        assert_eq!(
            told(GroupEvent::SeedUnreachable(2)),
            Some(NodeEvent::SeedUnreachable { group, seed: 2 })
        );
        let quorum = Quorum::Minority;
        assert_eq!(
            told(GroupEvent::Quorum(quorum)),
            Some(NodeEvent::Quorum { group, quorum })
        );
    }
}
