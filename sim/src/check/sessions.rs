//! I14, D10, V7: a full mesh inside each group, and no session that neither a group nor traffic
//! justifies. Read from the transport's own tables, not from what the machines say.

use std::collections::BTreeSet;

use super::{Violation, views};
use crate::world::{NodeIx, World};

/// Every pair of running members of a group has exactly one session.
pub fn mesh(world: &World) -> Vec<Violation> {
    let mut found = Vec::new();
    for group in views::groups(world) {
        let members = world.members_of(group);
        for &node in &members {
            let peers = peers(world, node);
            for &other in members.iter().filter(|&&other| other != node) {
                let count = peers.iter().filter(|&&peer| peer == other).count();
                if count != 1 {
                    let text = format!(
                        "group {group}: n{} has {count} sessions with n{}",
                        node.0, other.0
                    );
                    found.push(Violation::new("I14", text));
                }
            }
        }
    }
    found
}

/// No session between nodes that share no group.
pub fn none_beyond_groups(world: &World) -> Vec<Violation> {
    let strays = beyond_groups(world).into_iter();
    strays
        .map(|(a, b)| Violation::new("D10", format!("n{} and n{} share no group", a.0, b.0)))
        .collect()
}

/// Sessions between nodes that share no group, each once.
pub fn beyond_groups(world: &World) -> BTreeSet<(NodeIx, NodeIx)> {
    let mut strays = BTreeSet::new();
    for node in world.nodes() {
        for peer in peers(world, node) {
            if !share_a_group(world, node, peer) {
                strays.insert((node.min(peer), node.max(peer)));
            }
        }
    }
    strays
}

/// How many sessions a node has.
pub fn count(world: &World, node: NodeIx) -> usize {
    world.connections(node).len()
}

fn peers(world: &World, node: NodeIx) -> Vec<NodeIx> {
    let connections = world.connections(node).into_iter();
    connections.map(|(_, peer)| peer).collect()
}

fn share_a_group(world: &World, a: NodeIx, b: NodeIx) -> bool {
    let of_b: BTreeSet<_> = world.groups_of(b).into_iter().collect();
    world.groups_of(a).iter().any(|group| of_b.contains(group))
}
