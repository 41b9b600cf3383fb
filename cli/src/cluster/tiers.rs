//! Plans with tiers: groups whose reflectors join parent groups.
//!
//! Nobody is written down as a member of a parent: its members are the reflectors of its children,
//! which are pinned in the children's charters, so that a plan can say who has which session.

use std::collections::BTreeSet;

use super::{ClusterError, Plan, PlannedGroup, PlannedNode, check};

impl Plan {
    /// `groups` s-groups that share `nodes` nodes as evenly as can be, below `tiers` − 1 rows of
    /// parents with one group at the top; `reflectors` of each group join its parent.
    ///
    /// # Errors
    /// As for [`Plan::regular`], and when there are more tiers than groups to fill them.
    pub(crate) fn tiered(
        nodes: usize,
        groups: usize,
        reflectors: usize,
        tiers: usize,
    ) -> Result<Self, ClusterError> {
        check::regular(nodes, groups, reflectors)?;
        check::tiers(groups, reflectors, tiers)?;
        let mut plan = Self {
            realm: "demo".to_owned(),
            groups: Vec::new(),
            nodes: Vec::new(),
        };
        for group in 0..groups {
            let size = nodes / groups + usize::from(group < nodes % groups);
            plan.add_leaf(size, reflectors);
        }
        let mut row: Vec<usize> = (0..groups).collect();
        let fan = (2..).find(|fan: &usize| fan.pow(tiers as u32 - 1) >= groups);
        for tier in 1..tiers {
            let is_top = tier + 1 == tiers;
            let children = if is_top { row.len() } else { fan.unwrap_or(2) };
            row = row
                .chunks(children)
                .map(|children| plan.add_parent(tier as u8, children, reflectors))
                .collect();
        }
        Ok(plan)
    }

    fn add_leaf(&mut self, size: usize, reflectors: usize) {
        let group = self.groups.len();
        let name = format!("g{:02}", group + 1);
        let first = self.nodes.len();
        for position in 0..size {
            self.nodes.push(PlannedNode {
                name: format!("{name}-{:02}", position + 1),
                groups: vec![group],
                is_reflector: position < reflectors,
                attributes: std::collections::BTreeMap::new(),
            });
        }
        let mut leaf = PlannedGroup::empty(name);
        leaf.members = (first..first + size).collect();
        leaf.reflectors = (first..first + reflectors).collect();
        self.groups.push(leaf);
    }

    /// One more parent; its own reflectors come from as many children as there are.
    fn add_parent(&mut self, tier: u8, children: &[usize], reflectors: usize) -> usize {
        let index = self.groups.len();
        let mut parent = PlannedGroup::empty(format!("t{tier}-{index:02}"));
        parent.tier = tier;
        let mut turns: Vec<(usize, usize)> = Vec::new();
        for &child in children {
            self.groups[child].parents.push(index);
            turns.extend(self.groups[child].reflectors.iter().copied().enumerate());
        }
        turns.sort_unstable();
        parent.reflectors = turns
            .iter()
            .take(reflectors)
            .map(|&(_, node)| node)
            .collect();
        parent.reflectors.sort_unstable();
        self.groups.push(parent);
        self.fill(index);
        index
    }

    /// Makes the reflectors of its children members of a parent.
    pub(super) fn fill(&mut self, parent: usize) {
        let children = self
            .groups
            .iter()
            .filter(|group| group.parents.contains(&parent));
        let joined: BTreeSet<usize> = children
            .flat_map(|group| group.reflectors.iter().copied())
            .collect();
        for &node in &joined {
            self.nodes[node].is_reflector = true;
            if !self.nodes[node].groups.contains(&parent) {
                self.nodes[node].groups.push(parent);
            }
        }
        let group = &mut self.groups[parent];
        group.members.extend(joined);
        group.members.sort_unstable();
        group.members.dedup();
    }

    /// Whether any group has a parent.
    pub(crate) fn has_tiers(&self) -> bool {
        self.groups.iter().any(|group| !group.parents.is_empty())
    }

    /// Whether a group is joined by those elected or pinned below, and by nobody else.
    pub(crate) fn is_parent(&self, group: usize) -> bool {
        self.groups
            .iter()
            .any(|child| child.parents.contains(&group))
    }

    /// The groups above one, each once.
    pub(crate) fn ancestors(&self, group: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open = self.groups[group].parents.clone();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(&self.groups[next].parents);
            }
        }
        found
    }

    /// How many groups are below one.
    pub(crate) fn below_len(&self, group: usize) -> usize {
        let all = 0..self.groups.len();
        all.filter(|&other| self.ancestors(other).contains(&group))
            .count()
    }

    /// The parents and children of a group that some reflector still leads to.
    pub(super) fn beside_in_tiers(&self, group: usize, without: &BTreeSet<usize>) -> Vec<usize> {
        let leads = |child: usize| {
            let mut reflectors = self.groups[child].reflectors.iter();
            reflectors.any(|node| !without.contains(node))
        };
        let up = self.groups[group].parents.iter().copied();
        let up = up.filter(|_| leads(group));
        let all = 0..self.groups.len();
        let down = all.filter(|&child| self.groups[child].parents.contains(&group) && leads(child));
        up.chain(down).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_tiers_of_twelve_groups() {
        let plan = Plan::tiered(240, 12, 2, 3).unwrap();
        let tiers: Vec<u8> = plan.groups.iter().map(|group| group.tier).collect();
        assert_eq!(tiers, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(plan.groups[12].members, [0, 1, 20, 21, 40, 41, 60, 61]);
        assert_eq!(plan.groups[12].reflectors, [0, 20]);
        assert_eq!(plan.groups[15].members, [0, 20, 80, 100, 160, 180]);
        assert_eq!(plan.nodes[0].groups, [0, 12, 15]);
        assert_eq!(plan.ancestors(0), BTreeSet::from([12, 15]));
        assert_eq!((plan.below_len(15), plan.below_len(12)), (15, 4));
        assert_eq!(plan.bridged(&BTreeSet::new()).len(), 16);
    }

    #[test]
    fn one_reflector_of_each_group_can_be_spared_at_every_tier() {
        let plan = Plan::tiered(60, 4, 2, 3).unwrap();
        let spare = plan.spare_reflectors();
        assert!(!spare.is_empty());
        assert_eq!(plan.bridged(&spare).len(), plan.groups.len());
    }

    #[test]
    fn impossible_tiers_are_refused() {
        assert!(Plan::tiered(60, 4, 2, 5).is_err());
        assert!(Plan::tiered(60, 4, 9, 2).is_err());
    }
}
