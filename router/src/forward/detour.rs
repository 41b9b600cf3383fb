//! Which way round a broken path: a source route through members of the common group.
//!
//! Members publish whom they cannot reach; a route is one member that hears both ends, or two or
//! three that hear each other in a row. Cost: O(g) per choice, O(g²) where no single member hears
//! both ends.

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::wire::List;
use archipelago_core::{Context, GroupId, NodeId, Peer};

use crate::Routes;
use crate::routes::{has_session, pair_hash};

/// Members between the two ends of a detour, at most: with the target, a route's length on the wire.
const HELPERS_MAX: usize = 3;

/// Paths that do not work, as each end says; either end's word counts for both directions.
#[derive(Debug, Default)]
pub(super) struct Broken {
    by_group: BTreeMap<GroupId, BTreeMap<NodeId, BTreeSet<NodeId>>>,
    len: usize,
}

impl Broken {
    /// Takes what `member` last said, up to `len_max` paths in all.
    pub(super) fn set(
        &mut self,
        group: GroupId,
        member: NodeId,
        broken: &[NodeId],
        len_max: usize,
    ) {
        let by_member = self.by_group.entry(group).or_default();
        let before = by_member.remove(&member);
        self.len -= before.map_or(0, |paths| paths.len());
        let room = len_max - self.len.min(len_max);
        let paths: BTreeSet<NodeId> = broken.iter().copied().take(room).collect();
        self.len += paths.len();
        if !paths.is_empty() {
            by_member.insert(member, paths);
        }
        if by_member.is_empty() {
            self.by_group.remove(&group);
        }
    }

    /// Forgets a group that this node left.
    pub(super) fn forget(&mut self, group: GroupId) {
        let by_member = self.by_group.remove(&group).unwrap_or_default();
        let forgotten: usize = by_member.values().map(BTreeSet::len).sum();
        self.len -= forgotten;
    }

    fn is_broken(&self, group: GroupId, one: NodeId, other: NodeId) -> bool {
        let says = |from: NodeId, to: NodeId| {
            let by_member = self.by_group.get(&group);
            let paths = by_member.and_then(|by_member| by_member.get(&from));
            paths.is_some_and(|paths| paths.contains(&to))
        };
        says(one, other) || says(other, one)
    }
}

/// The routes to `target` that may work, one for each first hop, best first: the shortest only, and
/// by a hash of target and helper, so that the detours of many pairs spread over the group.
pub(super) fn routes(
    group: GroupId,
    target: NodeId,
    broken: &Broken,
    routes: &dyn Routes,
    cx: &Context<'_>,
) -> Vec<(Peer, List<NodeId, 4>)> {
    let mut helpers: Vec<(u64, NodeId, Peer)> = routes
        .members(group)
        .into_iter()
        .filter_map(|peer| {
            let id = cx.peers.get(peer)?.id();
            (id != target).then(|| (pair_hash(target, id), id, peer))
        })
        .collect();
    helpers.sort_unstable();
    let hears = |one: NodeId, other: NodeId| !broken.is_broken(group, one, other);
    let is_first_hop = |id: NodeId, peer: Peer| has_session(peer, cx.peers) && hears(cx.me, id);
    // Outward from the target: who leads there in one hop, then who reaches one of those.
    let mut ends: Vec<List<NodeId, 4>> = vec![List::truncated([target])];
    for _ in 0..HELPERS_MAX {
        let mut found = Vec::new();
        let mut longer = Vec::new();
        helpers.retain(|&(_, id, peer)| {
            let mut next = ends.iter();
            let leads = |end: &&List<NodeId, 4>| end.first().is_some_and(|&next| hears(id, next));
            let Some(end) = next.find(leads) else {
                return true;
            };
            let route = List::truncated([id].into_iter().chain(end.iter().copied()));
            if is_first_hop(id, peer) {
                found.push((peer, route.clone()));
            }
            longer.push(route);
            false
        });
        if !found.is_empty() {
            return found;
        }
        ends = longer;
    }
    Vec::new()
}
