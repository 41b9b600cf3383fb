//! Reads of the map: what look-ups, forwarding and watchers ask.

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::{GroupId, NodeId, Peer, Peers};

use super::Reflect;
use super::graph::{self, Reached};
use crate::RouteInfo;
use crate::routes::{Membership, Routes, Standing, has_session, rank};

impl Reflect {
    /// Every group that can be reached, by its id: this node's own at 0 hops, with the reflectors
    /// to ask first in each.
    pub fn routes(&self, peers: &Peers) -> Vec<RouteInfo> {
        let own = self.groups.iter().map(|(group, _)| {
            let reflectors = self.reflectors(group, peers);
            (group, 0, reflectors)
        });
        let beyond = self.map().iter().map(|(&group, reached)| {
            let next_hops = self.next_hops(group, peers);
            (group, reached.hops, next_hops)
        });
        let mut routes: Vec<RouteInfo> = own
            .chain(beyond)
            .map(|(group, hops, next_hops)| RouteInfo {
                group,
                hops,
                next_hops: next_hops.into_iter().map(|peer| peers.id(peer)).collect(),
            })
            .collect();
        routes.sort_by_key(|route| route.group);
        routes
    }

    /// Rises when [`Reflect::routes`] may read differently, shortly after it does.
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    /// Every group that can be reached, this node's own included.
    pub(super) fn reachable(&self) -> BTreeSet<GroupId> {
        let own = self.groups.iter().map(|(group, _)| group);
        own.chain(self.map().keys().copied()).collect()
    }

    fn map(&self) -> &BTreeMap<GroupId, Reached> {
        self.routes.get_or_init(|| {
            let own = self.groups.iter().map(|(group, _)| group).collect();
            let adjacent: Vec<(NodeId, Peer)> = self
                .adjacent
                .iter()
                .map(|(&peer, adjacent)| (adjacent.id, peer))
                .collect();
            graph::search(self.me, &own, &adjacent, &self.table)
        })
    }

    /// The reflectors of a plain member's groups: the nearest of each group, then the second
    /// nearest of each, so that a few tries do not all fail with one group.
    fn own_reflectors(&self, peers: &Peers) -> Vec<Peer> {
        let mut choices: Vec<_> = self
            .groups
            .iter()
            .flat_map(|(group, _)| self.reflectors(group, peers).into_iter().enumerate())
            .map(|(turn, peer)| (turn, rank(self.me, peer, peers)))
            .collect();
        choices.sort_unstable();
        let mut seen = BTreeSet::new();
        choices
            .into_iter()
            .map(|(_, (.., peer))| peer)
            .filter(|&peer| seen.insert(peer))
            .collect()
    }

    fn ranked(&self, choices: impl Iterator<Item = Peer>, peers: &Peers) -> Vec<Peer> {
        let mut ranked: Vec<_> = choices
            .filter(|&peer| has_session(peer, peers))
            .map(|peer| rank(self.me, peer, peers))
            .collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(.., peer)| peer).collect()
    }
}

impl Routes for Reflect {
    fn standing(&self, group: GroupId) -> Option<Standing> {
        let local = self.groups.local(group).filter(|local| local.is_up)?;
        Some(Standing {
            reflects: self.is_active,
            is_closed: local.is_closed,
        })
    }

    fn membership(&self, group: GroupId, node: &NodeId, peers: &Peers) -> Membership {
        self.groups.membership(group, node, peers)
    }

    fn common_groups(&self, peer: Peer) -> Vec<GroupId> {
        let common = self.groups.iter().filter(|(_, local)| local.holds(peer));
        common.map(|(group, _)| group).collect()
    }

    fn members(&self, group: GroupId) -> Vec<Peer> {
        let local = self.groups.local(group);
        local.map_or_else(Vec::new, |local| local.members().to_vec())
    }

    fn reflectors(&self, group: GroupId, peers: &Peers) -> Vec<Peer> {
        let local = self.groups.local(group);
        let reflectors = local.map_or(&[][..], |local| local.reflectors());
        self.ranked(reflectors.iter().copied(), peers)
    }

    fn next_hops(&self, group: GroupId, peers: &Peers) -> Vec<Peer> {
        if !self.is_active {
            return self.own_reflectors(peers);
        }
        match self.map().get(&group) {
            Some(reached) => self.ranked(reached.first_hops.iter().copied(), peers),
            None => Vec::new(),
        }
    }

    fn reflects(&self) -> bool {
        self.is_active
    }

    fn is_reflector(&self, peer: Peer) -> bool {
        self.groups.is_reflector(peer)
    }
}
