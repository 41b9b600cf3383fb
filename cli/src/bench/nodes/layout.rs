//! Which groups so many nodes are in, and which process runs which of them.

use std::ops::Range;

use clap::ValueEnum;

use crate::cluster::{ClusterError, Plan};

/// Reflectors of each group: one may be lost.
const REFLECTORS: usize = 2;

/// Who has a session with whom, and who watches whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Topology {
    /// Groups of the wanted size below as many tiers of parents as keep those small, too.
    SGroups,
    /// All nodes in one group, each watched by four others.
    FullMesh,
    /// All nodes in one group, each of which sends every other one heartbeats.
    FullMeshAllPairs,
}

impl Topology {
    /// As the command line and reports name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SGroups => "s-groups",
            Self::FullMesh => "full-mesh",
            Self::FullMeshAllPairs => "full-mesh-all-pairs",
        }
    }

    /// The same for rows in virtual time; `None` for what is not simulated.
    pub(crate) const fn simulated_name(self) -> Option<&'static str> {
        match self {
            Self::SGroups => Some("s-groups, simulated"),
            Self::FullMesh => Some("full-mesh, simulated"),
            Self::FullMeshAllPairs => None,
        }
    }

    /// Observers of each member; `None` for the default.
    pub(super) const fn observers(self) -> Option<usize> {
        match self {
            Self::SGroups | Self::FullMesh => None,
            Self::FullMeshAllPairs => Some(usize::MAX),
        }
    }

    /// The plan of so many nodes; `tiers` are chosen by size where they are not given.
    pub(super) fn plan(
        self,
        nodes: usize,
        group_size: usize,
        tiers: Option<usize>,
    ) -> Result<Plan, ClusterError> {
        let groups = match self {
            Self::SGroups => (nodes + group_size / 2) / group_size.max(1),
            Self::FullMesh | Self::FullMeshAllPairs => 1,
        };
        if groups <= 1 {
            return Plan::regular(nodes, 1, 0);
        }
        let tiers = tiers.unwrap_or_else(|| tiers_for(groups, group_size));
        Plan::tiered(nodes, groups, REFLECTORS, tiers)
    }
}

/// The fewest tiers with which a parent has no more members than a group is meant to have.
fn tiers_for(groups: usize, group_size: usize) -> usize {
    let children_max = (group_size / REFLECTORS).max(2);
    let (mut tiers, mut room) = (2, children_max);
    while room < groups {
        tiers += 1;
        room = room.saturating_mul(children_max);
    }
    tiers
}

/// Consecutive nodes with about as many ends of sessions in each of `processes` ranges, none empty.
pub(super) fn spread(ends: &[usize], processes: usize) -> Vec<Range<usize>> {
    let count = ends.len();
    let processes = processes.clamp(1, count.max(1));
    let total: usize = ends.iter().sum();
    let mut passed = 0;
    let mut before = Vec::with_capacity(count);
    for ends in ends {
        before.push(passed);
        passed += ends;
    }
    let bound = |process: usize| {
        let even = before.partition_point(|&before| before * processes < total * process);
        even.clamp(process, count - (processes - process))
    };
    (0..processes)
        .map(|process| {
            bound(process)..if process + 1 == processes {
                count
            } else {
                bound(process + 1)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_keep_parents_no_larger_than_groups() {
        for (nodes, tiers) in [(200, 2), (240, 3), (2_000, 3), (2_100, 4), (10_000, 4)] {
            let plan = Topology::SGroups.plan(nodes, 20, None).unwrap();
            let top = plan.groups.iter().map(|group| group.tier).max();
            assert_eq!(top, Some(tiers - 1), "{nodes} nodes");
            let largest = plan.groups.iter().map(|group| group.members.len()).max();
            assert!(largest <= Some(21), "{nodes} nodes: {largest:?}");
        }
    }

    #[test]
    fn few_nodes_are_one_group_and_a_mesh_always_is() {
        let plan = Topology::SGroups.plan(20, 20, None).unwrap();
        assert_eq!(plan.groups.len(), 1);
        let plan = Topology::FullMesh.plan(100, 20, None).unwrap();
        assert_eq!(plan.sessions_total(), 4_950);
    }

    #[test]
    fn nodes_are_spread_by_their_ends_and_every_process_has_some() {
        assert_eq!(spread(&[1; 10], 3), [0..4, 4..7, 7..10]);
        assert_eq!(spread(&[100, 1, 1], 3), [0..1, 1..2, 2..3]);
        assert_eq!(spread(&[1, 1], 5), [0..1, 1..2]);
    }
}
