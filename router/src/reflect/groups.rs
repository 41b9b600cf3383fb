//! The groups that this node is in: who is alive there, and who reflects.
//!
//! Local truth, told by the group machines; rows tell of the rest of the world.
//! Cost: 8 bytes per member and group; O(log g) reads.

use std::collections::VecDeque;

use archipelago_core::footprint::{reserve_tight, vec_bytes};
use archipelago_core::{GroupId, NodeId, Peer, Peers, SmallMap};

use crate::routes::Membership;

/// Living members of each group that this node is up in.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: SmallMap<GroupId, Local>,
}

/// How a group takes part in the `full` export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// It has no parents: each of its reflectors has a row.
    #[default]
    Flat,
    /// It has parents: only reflectors of two such groups or more have a row.
    Child,
    /// It is a parent, and takes no part: what is beside it is reached by its own parents.
    Parent,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Local {
    /// This node is up in it; members may be told before that.
    pub(super) is_up: bool,
    pub(super) is_closed: bool,
    pub(super) place: Place,
    /// Sorted; without this node.
    members: Vec<Peer>,
    /// Sorted; those of `members` that reflect.
    reflectors: Vec<Peer>,
    /// Latest last; by name, since slots are given to others.
    gone: VecDeque<NodeId>,
}

impl Groups {
    pub(super) fn heap_bytes(&self) -> usize {
        let tables = self.groups.values().map(|local| {
            let gone = local.gone.capacity() * size_of::<NodeId>();
            vec_bytes(&local.members) + vec_bytes(&local.reflectors) + gone
        });
        self.groups.heap_bytes() + tables.sum::<usize>()
    }

    /// This node is up in a group.
    pub(super) fn join(&mut self, group: GroupId, is_closed: bool) {
        let local = self.groups.get_or_default(group);
        local.is_up = true;
        local.is_closed = is_closed;
    }

    /// Notes how a group takes part; says whose adjacency that may change.
    pub(super) fn set_place(&mut self, group: GroupId, place: Place) -> Vec<Peer> {
        let local = self.groups.get_or_default(group);
        local.place = place;
        local.reflectors.clone()
    }

    /// Forgets a group; says who reflected there.
    pub(super) fn leave(&mut self, group: GroupId) -> Vec<Peer> {
        let left = self.groups.remove(&group).unwrap_or_default();
        left.reflectors
    }

    /// Notes a living member.
    pub(super) fn insert(&mut self, group: GroupId, peer: Peer, reflects: bool, id: NodeId) {
        let local = self.groups.get_or_default(group);
        set(&mut local.members, peer, true);
        set(&mut local.reflectors, peer, reflects);
        local.gone.retain(|gone| *gone != id);
    }

    /// Notes that a member is down or left, and remembers it among the last `gone_max`.
    pub(super) fn remove(
        &mut self,
        group: GroupId,
        peer: Peer,
        id: Option<NodeId>,
        gone_max: usize,
    ) {
        let Some(local) = self.groups.get_mut(&group) else {
            return;
        };
        set(&mut local.members, peer, false);
        set(&mut local.reflectors, peer, false);
        let Some(id) = id else { return };
        local.gone.retain(|gone| *gone != id);
        local.gone.push_back(id);
        while local.gone.len() > gone_max {
            local.gone.pop_front();
        }
    }

    pub(super) fn local(&self, group: GroupId) -> Option<&Local> {
        self.groups.get(&group)
    }

    /// The groups that this node is up in.
    pub(super) fn iter(&self) -> impl Iterator<Item = (GroupId, &Local)> {
        self.groups
            .iter()
            .filter(|(_, local)| local.is_up)
            .map(|(&group, local)| (group, local))
    }

    /// Whether `peer` is a living reflector of any of these groups.
    pub(super) fn is_reflector(&self, peer: Peer) -> bool {
        self.groups.values().any(|local| local.reflects(peer))
    }

    /// Whether rows may go to `peer`.
    pub(super) fn is_neighbour(&self, peer: Peer) -> bool {
        self.exporting().any(|(_, local)| local.reflects(peer))
    }

    /// Whether both are reflectors of one of these groups, and so hear each other directly.
    pub(super) fn are_adjacent(&self, one: Peer, other: Peer) -> bool {
        self.exporting()
            .any(|(_, local)| local.reflects(one) && local.reflects(other))
    }

    /// The groups that take part in the `full` export.
    pub(super) fn exporting(&self) -> impl Iterator<Item = (GroupId, &Local)> {
        let groups = self.groups.iter().map(|(&group, local)| (group, local));
        groups.filter(|(_, local)| local.place != Place::Parent)
    }

    pub(super) fn membership(&self, group: GroupId, node: &NodeId, peers: &Peers) -> Membership {
        let Some(local) = self.groups.get(&group) else {
            return Membership::Unknown;
        };
        match peers.find(node) {
            Some(peer) if local.holds(peer) => Membership::Up(peer),
            _ if local.gone.contains(node) => Membership::Gone,
            _ => Membership::Unknown,
        }
    }
}

impl Local {
    pub(super) fn members(&self) -> &[Peer] {
        &self.members
    }

    pub(super) fn holds(&self, peer: Peer) -> bool {
        self.members.binary_search(&peer).is_ok()
    }

    pub(super) fn reflectors(&self) -> &[Peer] {
        &self.reflectors
    }

    pub(super) fn reflects(&self, peer: Peer) -> bool {
        self.reflectors.binary_search(&peer).is_ok()
    }
}

/// Makes `peer` be in the sorted list, or not.
pub(super) fn set(sorted: &mut Vec<Peer>, peer: Peer, present: bool) {
    match (sorted.binary_search(&peer), present) {
        (Err(position), true) => {
            reserve_tight(sorted);
            sorted.insert(position, peer);
        }
        (Ok(position), false) => {
            sorted.remove(position);
        }
        _ => {}
    }
}
