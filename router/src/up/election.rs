//! Who of a group joins a parent: a function of what members say, the same at each of them.
//!
//! Seeds of the parent come first, or nobody new would find it; then who is in already; then the
//! highest rendezvous hash (Thaler and Ravishankar 1998) of group and node. Where the charter pins
//! reflectors, only they count. Cost: O(c log c) for c candidates.

use std::cmp::Reverse;

use archipelago_core::wire::{Charter, Uplink};
use archipelago_core::{GroupId, NodeId};

use super::level::Level;
use crate::routes::pair_hash;

/// Those elected to join `parent`, best first; `me` says `own`.
pub(super) fn elect(
    group: GroupId,
    parent: GroupId,
    level: &Level,
    (me, own): (NodeId, &Uplink),
) -> Vec<NodeId> {
    best(group, &level.charter, candidates(parent, level, (me, own)))
}

/// As many of the candidates as the charter says, best first.
pub(super) fn best(
    group: GroupId,
    charter: &Charter,
    candidates: impl Iterator<Item = (NodeId, bool, bool)>,
) -> Vec<NodeId> {
    let mut ranked: Vec<_> = candidates
        .map(|(id, is_seed, is_in)| (!is_seed, !is_in, Reverse(weight(group, id)), id))
        .collect();
    ranked.sort_unstable();
    let places = usize::from(charter.reflectors.max(1));
    ranked.into_iter().take(places).map(|(.., id)| id).collect()
}

/// Who can join `parent`: its name, whether it is a seed there, whether it is in.
pub(super) fn candidates(
    parent: GroupId,
    level: &Level,
    (me, own): (NodeId, &Uplink),
) -> impl Iterator<Item = (NodeId, bool, bool)> {
    let others = level.uplinks.iter().map(|(&id, uplink)| (id, &**uplink));
    let all = others.chain([(me, own)]);
    let pinned = level.charter.pinned.clone();
    all.filter(move |(id, _)| pinned.is_empty() || pinned.contains(id))
        .filter_map(move |(id, uplink)| {
            let mut parents = uplink.parents.iter();
            let said = parents.find(|said| said.group == parent)?;
            Some((id, said.is_seed, !said.ancestors.is_empty()))
        })
        .collect::<Vec<_>>()
        .into_iter()
}

/// The rendezvous hash of a group and a node.
pub(crate) fn weight(group: GroupId, node: NodeId) -> u64 {
    let mut id = [0; 32];
    id[..16].copy_from_slice(&group.0);
    pair_hash(NodeId(id), node)
}
