//! The plan: how many nodes, which groups, who is in which, which group leads to which.
//!
//! Cost: 4 bytes per membership. The graph of sessions has an edge per pair of fellows.

use std::collections::BTreeSet;

use petgraph::graph::{NodeIndex, UnGraph};
use serde::{Deserialize, Serialize};

use super::error::TopologyError;

/// The most nodes of a plan.
pub(super) const NODES_MAX: u64 = 4_000_000;
/// The most memberships of a plan.
pub(super) const MEMBERSHIPS_MAX: u64 = 32_000_000;

/// The most edges that a graph of sessions or groups is made with.
const PAIRS_MAX: u64 = 20_000_000;

/// Nodes and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// Nodes are numbered below this.
    pub nodes: u32,
    /// The groups; their places are what `parents` names.
    pub groups: Vec<GroupPlan>,
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupPlan {
    /// Unique among the groups.
    pub name: String,
    /// Who is in it; the first founds it.
    pub members: Vec<u32>,
    /// Members that lead out of it.
    #[serde(default)]
    pub reflectors: Vec<u32>,
    /// The groups above it, by place; its reflectors are their members.
    #[serde(default)]
    pub parents: Vec<usize>,
    /// How far above the lowest groups: a parent's is higher.
    #[serde(default)]
    pub tier: u8,
}

impl Overlay {
    /// So many new nodes.
    pub(super) fn take(&mut self, count: u32) -> Vec<u32> {
        let first = self.nodes;
        self.nodes = first.saturating_add(count);
        (first..self.nodes).collect()
    }

    /// One more group of the lowest tier; its place.
    pub(super) fn push(&mut self, name: String, members: Vec<u32>) -> usize {
        self.groups.push(GroupPlan {
            name,
            members,
            ..GroupPlan::default()
        });
        self.groups.len() - 1
    }

    /// Whether the plan can be built: numbers in range, names unique, reflectors members, tiers
    /// rising.
    ///
    /// # Errors
    /// [`TopologyError::Contradiction`] names the group, [`TopologyError::TooMuch`] the limit.
    pub fn check(&self) -> Result<(), TopologyError> {
        TopologyError::limit("nodes", self.nodes.into(), NODES_MAX)?;
        let memberships = self.groups.iter().map(|group| group.members.len() as u64);
        TopologyError::limit("memberships", memberships.sum(), MEMBERSHIPS_MAX)?;
        let mut names = BTreeSet::new();
        for group in &self.groups {
            let problem = if names.insert(group.name.as_str()) {
                self.problem(group)
            } else {
                Some("stands twice".to_owned())
            };
            if let Some(problem) = problem {
                let problem = format!("group '{}' {problem}", group.name);
                return Err(TopologyError::Contradiction(problem));
            }
        }
        Ok(())
    }

    fn problem(&self, group: &GroupPlan) -> Option<String> {
        let members: BTreeSet<u32> = group.members.iter().copied().collect();
        if members.len() != group.members.len() {
            return Some("has a member twice".to_owned());
        }
        if let Some(stranger) = members.iter().find(|&&member| member >= self.nodes) {
            return Some(format!("has member {stranger} of {} nodes", self.nodes));
        }
        if let Some(stranger) = group.reflectors.iter().find(|it| !members.contains(it)) {
            return Some(format!("has reflector {stranger}, who is no member"));
        }
        group
            .parents
            .iter()
            .find_map(|&parent| match self.groups.get(parent) {
                None => Some(format!("has parent {parent}, which is no group")),
                Some(above) if above.tier <= group.tier => Some(format!(
                    "of tier {} has parent '{}' of tier {}",
                    group.tier, above.name, above.tier
                )),
                Some(_) => None,
            })
    }

    /// By node: the places of its groups, in the plan's order.
    pub fn places(&self) -> Vec<Vec<usize>> {
        let mut places = vec![Vec::new(); self.nodes as usize];
        for (place, group) in self.groups.iter().enumerate() {
            for &member in &group.members {
                if let Some(mine) = places.get_mut(member as usize) {
                    mine.push(place);
                }
            }
        }
        places
    }

    /// By node: how many others it shares a group with, which is how many sessions it has at rest.
    pub fn sessions(&self) -> Vec<u32> {
        let mut seen = vec![u32::MAX; self.nodes as usize];
        let places = self.places().into_iter().zip(0..);
        let count = |(places, node): (Vec<usize>, u32)| {
            let mut count = 0;
            for &member in places.iter().flat_map(|&place| &self.groups[place].members) {
                let last = seen.get_mut(member as usize);
                if member != node
                    && let Some(last) = last.filter(|last| **last != node)
                {
                    *last = node;
                    count += 1;
                }
            }
            count
        };
        places.map(count).collect()
    }

    /// The graph of sessions: nodes that share a group are neighbours.
    ///
    /// # Errors
    /// [`TopologyError::TooMuch`] above 20 million pairs of fellows.
    pub fn session_graph(&self) -> Result<UnGraph<u32, ()>, TopologyError> {
        let sizes = self.groups.iter().map(|group| group.members.len() as u64);
        let pairs = sizes.map(|size| size * size.saturating_sub(1) / 2).sum();
        TopologyError::limit("pairs of fellows", pairs, PAIRS_MAX)?;
        let mut graph = UnGraph::with_capacity(self.nodes as usize, 0);
        for node in 0..self.nodes {
            graph.add_node(node);
        }
        let places = self.places();
        for node in 0..self.nodes {
            let mut fellows: Vec<u32> = places[node as usize]
                .iter()
                .flat_map(|&place| &self.groups[place].members)
                .copied()
                .filter(|&fellow| fellow > node)
                .collect();
            fellows.sort_unstable();
            fellows.dedup();
            for fellow in fellows {
                graph.add_edge(index(node), index(fellow), ());
            }
        }
        Ok(graph)
    }

    /// The graph of groups: groups that share members are neighbours, weighted by how many.
    ///
    /// # Errors
    /// [`TopologyError::TooMuch`] above 20 million pairs of memberships of one node.
    pub fn group_graph(&self) -> Result<UnGraph<usize, u32>, TopologyError> {
        let all = self.places();
        let counts = all.iter().map(|places| places.len() as u64);
        let count = counts.map(|it| it * it.saturating_sub(1) / 2).sum();
        TopologyError::limit("pairs of memberships", count, PAIRS_MAX)?;
        let mut pairs: Vec<(usize, usize)> = Vec::new();
        for places in all {
            for (index, &one) in places.iter().enumerate() {
                pairs.extend(places.iter().skip(index + 1).map(|&other| (one, other)));
            }
        }
        pairs.sort_unstable();
        let mut graph = UnGraph::with_capacity(self.groups.len(), 0);
        for place in 0..self.groups.len() {
            graph.add_node(place);
        }
        for pairs in pairs.chunk_by(|one, other| one == other) {
            if let Some(&(one, other)) = pairs.first() {
                let weight = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
                graph.add_edge(NodeIndex::new(one), NodeIndex::new(other), weight);
            }
        }
        Ok(graph)
    }

    /// The highest tier.
    pub fn tier_max(&self) -> u8 {
        let tiers = self.groups.iter().map(|group| group.tier);
        tiers.max().unwrap_or(0)
    }
}

fn index(node: u32) -> NodeIndex {
    NodeIndex::new(node as usize)
}
