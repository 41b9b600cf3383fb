//! Whether the groups of a world have formed: every running member sees exactly the others.
//!
//! Cost: O(g²) for each group, by the plan's own lists of members.

use super::Experiment;
use crate::check::views;
use crate::tiers;
use crate::topology::Topology;
use crate::world::{NodeIx, World};

/// Whether every running member of every group sees exactly the running ones.
pub(super) fn all_agree(
    world: &World,
    topology: &Topology,
    is_configured: impl Fn(usize) -> bool,
) -> bool {
    let groups = topology.groups.iter().enumerate();
    let mut groups = groups.filter(|&(place, _)| is_configured(place));
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
        // Who is in a parent is for its children to elect: the tiers say when they stand.
        let groups = &self.overlay.groups;
        let is_configured = |place: usize| {
            self.tiers.is_none() || groups.get(place).is_none_or(|group| group.tier == 0)
        };
        let has_tiers = |hierarchy| tiers::is_formed(&self.world, hierarchy);
        all_agree(&self.world, &self.topology, is_configured)
            && self.tiers.as_ref().is_none_or(has_tiers)
    }
}
