//! Which nodes there are and which groups they are in, before anything runs.
//!
//! A [`Plan`] comes from a cluster file ([`file`]) or is laid out by numbers ([`Plan::regular`]). It
//! is checked once; whoever holds one may rely on it: names resolve, every group has members, and
//! every group can be reached from every other over reflectors.

mod auto;
mod check;
mod error;
mod file;
mod size;
mod tiers;

pub(crate) use auto::Grounds;
pub(crate) use error::ClusterError;
pub(crate) use file::{read, read_with_grounds};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A cluster to bring up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The realm that all group ids belong to.
    pub(crate) realm: String,
    /// The groups, in the order of the file.
    pub(crate) groups: Vec<PlannedGroup>,
    /// The nodes, in the order of the file.
    pub(crate) nodes: Vec<PlannedNode>,
}

/// One s-group of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedGroup {
    /// Its name.
    pub(crate) name: String,
    /// Its secret; `None` for an open group.
    pub(crate) cookie: Option<String>,
    /// Indices of its nodes, rising.
    pub(crate) members: Vec<usize>,
    /// Indices of the nodes that reflect for it, rising: those that join its parents, if it has any.
    pub(crate) reflectors: Vec<usize>,
    /// Its tier; 0 for groups without children.
    pub(crate) tier: u8,
    /// Indices of its parents.
    pub(crate) parents: Vec<usize>,
    /// What its members keep it at while it runs.
    pub(crate) kept_at: Option<KeptAt>,
}

/// A size that a group keeps itself at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptAt {
    pub(crate) members: u32,
    /// The fewest and the most that are left alone, where that was asked for.
    #[serde(default)]
    pub(crate) span: Option<(u32, u32)>,
    pub(crate) parent_members: u32,
    /// Attributes that keep nodes together, the widest first.
    pub(crate) by: Vec<String>,
}

/// One node of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedNode {
    /// Its name.
    pub(crate) name: String,
    /// Indices of its groups, home first; parents that it joins as a reflector last.
    pub(crate) groups: Vec<usize>,
    /// Whether it reflects between its groups.
    pub(crate) is_reflector: bool,
    /// What it says of itself in its groups.
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Plan {
    /// `groups` s-groups that share `nodes` nodes as evenly as can be, `reflectors` of each in a
    /// backbone group as well. One group has no backbone.
    ///
    /// # Errors
    /// [`ClusterError`] when a group would have fewer nodes than reflectors, or fewer than two.
    pub(crate) fn regular(
        nodes: usize,
        groups: usize,
        reflectors: usize,
    ) -> Result<Self, ClusterError> {
        check::regular(nodes, groups, reflectors)?;
        let mut plan = Self {
            realm: "demo".to_owned(),
            groups: Vec::with_capacity(groups + 1),
            nodes: Vec::with_capacity(nodes),
        };
        for index in 0..groups {
            plan.groups
                .push(PlannedGroup::empty(format!("g{:02}", index + 1)));
        }
        if groups > 1 {
            plan.groups.push(PlannedGroup::empty("backbone".to_owned()));
        }
        for group in 0..groups {
            let size = nodes / groups + usize::from(group < nodes % groups);
            for position in 0..size {
                plan.add_regular(group, position, groups > 1 && position < reflectors);
            }
        }
        Ok(plan)
    }

    /// The same plan, if all of it can live on one machine.
    ///
    /// # Errors
    /// [`ClusterError`] says how many nodes can.
    pub(crate) fn live(self) -> Result<Self, ClusterError> {
        check::live(self.nodes.len())?;
        Ok(self)
    }

    fn add_regular(&mut self, group: usize, position: usize, is_reflector: bool) {
        let node = self.nodes.len();
        let backbone = self.groups.len() - 1;
        let mut groups = vec![group];
        if is_reflector {
            groups.push(backbone);
        }
        for &index in &groups {
            self.groups[index].members.push(node);
            if is_reflector {
                self.groups[index].reflectors.push(node);
            }
        }
        self.nodes.push(PlannedNode {
            name: format!("{}-{:02}", self.groups[group].name, position + 1),
            groups,
            is_reflector,
            attributes: BTreeMap::new(),
        });
    }

    /// Everyone that shares a group with `node`: exactly those that it has a session with once the
    /// cluster has formed.
    pub(crate) fn neighbours(&self, node: usize) -> BTreeSet<usize> {
        let groups = self.nodes[node].groups.iter();
        groups
            .flat_map(|&group| self.groups[group].members.iter().copied())
            .filter(|&other| other != node)
            .collect()
    }

    /// Sessions in the whole cluster, each counted once.
    pub(crate) fn sessions_total(&self) -> usize {
        let ends: usize = (0..self.nodes.len())
            .map(|node| self.neighbours(node).len())
            .sum();
        ends / 2
    }

    /// Sessions that a full mesh of the same nodes would have.
    pub(crate) fn full_mesh_total(&self) -> usize {
        self.nodes.len() * (self.nodes.len().saturating_sub(1)) / 2
    }

    /// The groups that can be reached from the first one over reflectors, `without` some of them.
    pub(crate) fn bridged(&self, without: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut reached = BTreeSet::from([0]);
        let mut open = vec![0];
        while let Some(group) = open.pop() {
            let reflectors = self.groups[group].reflectors.iter();
            for &node in reflectors.filter(|node| !without.contains(node)) {
                for &next in &self.nodes[node].groups {
                    if self.groups[next].reflectors.contains(&node) && reached.insert(next) {
                        open.push(next);
                    }
                }
            }
            for next in self.beside_in_tiers(group, without) {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        reached
    }

    /// One reflector of each group, as far as the others still bridge everything.
    pub(crate) fn spare_reflectors(&self) -> BTreeSet<usize> {
        let mut spare: BTreeSet<usize> = BTreeSet::new();
        for group in &self.groups {
            if group.reflectors.iter().any(|node| spare.contains(node)) {
                continue;
            }
            // The last one first: the first may be the founder that others join through.
            let found = group.reflectors.iter().rev().find(|&&node| {
                let without = spare.iter().copied().chain([node]).collect();
                self.bridged(&without).len() == self.groups.len()
            });
            spare.extend(found);
        }
        spare
    }

    /// The first member of each group: it founds, the others join through it.
    pub(crate) fn founder(&self, group: usize) -> usize {
        self.groups[group].members[0]
    }
}

impl PlannedGroup {
    fn empty(name: String) -> Self {
        Self {
            cookie: Some(format!("cookie of {name}")),
            name,
            members: Vec::new(),
            reflectors: Vec::new(),
            tier: 0,
            parents: Vec::new(),
            kept_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_twelve_groups_of_twenty_and_a_backbone() {
        let plan = Plan::regular(240, 12, 2).unwrap();
        assert_eq!(plan.nodes.len(), 240);
        assert_eq!(plan.groups.len(), 13);
        assert!(plan.groups[..12].iter().all(|g| g.members.len() == 20));
        assert_eq!(plan.groups[12].members.len(), 24);
        assert_eq!(plan.neighbours(19).len(), 19);
        assert_eq!(plan.neighbours(0).len(), 19 + 22);
        assert_eq!(plan.sessions_total(), 12 * 190 + 276 - 12);
        assert_eq!(plan.full_mesh_total(), 28_680);
    }

    #[test]
    fn nodes_are_spread_as_evenly_as_can_be() {
        let plan = Plan::regular(10, 3, 1).unwrap();
        let sizes: Vec<_> = plan.groups.iter().map(|g| g.members.len()).collect();
        assert_eq!(sizes, [4, 3, 3, 3]);
    }

    #[test]
    fn one_group_needs_no_backbone() {
        let plan = Plan::regular(5, 1, 0).unwrap();
        assert_eq!(plan.groups.len(), 1);
        assert_eq!(plan.sessions_total(), plan.full_mesh_total());
    }

    #[test]
    fn one_reflector_of_each_group_can_be_spared() {
        let plan = Plan::regular(240, 12, 2).unwrap();
        let spare = plan.spare_reflectors();
        assert_eq!(spare.len(), 12);
        assert_eq!(plan.bridged(&spare).len(), 13);
        let single = Plan::regular(24, 3, 1).unwrap();
        assert!(single.spare_reflectors().is_empty());
    }

    #[test]
    fn impossible_numbers_are_refused() {
        assert!(Plan::regular(10, 12, 2).is_err());
        assert!(Plan::regular(24, 12, 3).is_err());
        assert!(Plan::regular(24, 12, 0).is_err());
        assert!(Plan::regular(24, 0, 2).is_err());
        assert!(Plan::regular(1_000_001, 10, 2).is_err());
        assert!(Plan::regular(10_001, 10, 2).unwrap().live().is_err());
    }
}
