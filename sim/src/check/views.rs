//! I1, V1, E0: when a group is quiet, all its members see the same members, and the right ones.
//!
//! Cost: O(g²) for each group.

use std::collections::BTreeSet;

use archipelago_core::wire::Life;
use archipelago_core::{Boot, Era, GroupId, NodeId};

use super::Violation;
use crate::world::{NodeIx, World};

/// A living member as one node sees it.
type Seen = (NodeId, Boot, Era);

/// All groups that running nodes are in, or are configured for.
pub fn groups(world: &World) -> BTreeSet<GroupId> {
    let running = world.running().into_iter();
    running.flat_map(|node| world.groups_of(node)).collect()
}

/// Whether every view of every group is the set of its running members.
pub fn check(world: &World) -> Vec<Violation> {
    let groups = groups(world).into_iter();
    groups.flat_map(|group| check_group(world, group)).collect()
}

/// As [`check`], for one group.
pub fn check_group(world: &World, group: GroupId) -> Vec<Violation> {
    let members = world.members_of(group);
    let expected: BTreeSet<(NodeId, Boot)> = members
        .iter()
        .filter_map(|&node| Some((world.id(node), world.node(node)?.boot())))
        .collect();
    let views: Vec<_> = members
        .iter()
        .map(|&node| (node, alive(world, node, group)))
        .collect();
    let first = views
        .first()
        .map(|(_, view)| view.clone())
        .unwrap_or_default();
    let mut found = Vec::new();
    for (node, view) in views {
        let seen: BTreeSet<(NodeId, Boot)> = view.iter().map(|&(id, boot, _)| (id, boot)).collect();
        if seen != expected {
            found.push(differs("E0", world, group, node, &seen, &expected));
        } else if view != first {
            let text = format!("group {group}: n{} sees other eras than its peers", node.0);
            found.push(Violation::new("V1", text));
        }
    }
    found
}

/// Whether all running members of the group see exactly each other.
pub fn agree(world: &World, group: GroupId) -> bool {
    check_group(world, group).is_empty()
}

/// Whether all groups agree.
pub fn all_agree(world: &World) -> bool {
    groups(world).into_iter().all(|group| agree(world, group))
}

/// The living members of a group as `node` sees them.
pub fn alive(world: &World, node: NodeIx, group: GroupId) -> BTreeSet<Seen> {
    let members = world.node(node).and_then(|machine| machine.members(group));
    let members = members.unwrap_or_default().into_iter();
    members
        .filter(|member| member.life == Life::Alive)
        .map(|member| (member.node, member.boot, member.era))
        .collect()
}

fn differs(
    invariant: &'static str,
    world: &World,
    group: GroupId,
    node: NodeIx,
    seen: &BTreeSet<(NodeId, Boot)>,
    expected: &BTreeSet<(NodeId, Boot)>,
) -> Violation {
    let name = |(id, boot): &(NodeId, Boot)| format!("n{}@{}", world.node_of(id).0, boot.0);
    let missing: Vec<_> = expected.difference(seen).map(name).collect();
    let extra: Vec<_> = seen.difference(expected).map(name).collect();
    let text = format!(
        "at {} ms group {group}: n{} misses {missing:?} and has {extra:?} too many",
        world.now().as_micros() / 1_000,
        node.0,
    );
    Violation::new(invariant, text)
}
