//! Whether the groups of a world have formed: every running member sees exactly the others.
//!
//! Cost: O(g²) for each group, by the plan's own lists of members.

use super::Experiment;
use crate::check::views;
use crate::topology::Topology;
use crate::world::{NodeIx, World};

/// Whether every running member of every group sees exactly the running ones.
pub(super) fn all_agree(world: &World, topology: &Topology) -> bool {
    let mut groups = topology.groups.iter().enumerate();
    groups.all(|(place, (_, members))| {
        let running: Vec<NodeIx> = members
            .iter()
            .copied()
            .filter(|&node| world.node(node).is_some())
            .collect();
        let id = topology.id(place);
        running.iter().all(|&node| {
            let view = views::alive(world, node, id);
            view.len() == running.len()
                && view.iter().all(|(member, ..)| {
                    running.binary_search(&world.node_of(member)).is_ok()
                        || running.contains(&world.node_of(member))
                })
        })
    })
}

impl Experiment<'_> {
    /// Whether the groups agree now.
    pub fn is_agreed(&self) -> bool {
        all_agree(&self.world, &self.topology)
    }
}
