//! Which nodes a fault or a workload means: those that fit, drawn where it asks for some of them.

use std::collections::BTreeSet;

use crate::random::Random;
use crate::scenario::{Choice, Role, ScenarioError, Who};
use crate::topology::Topology;
use crate::underlay::Underlay;
use crate::world::NodeIx;

/// Directions that a one-way partition may cut.
const ONE_WAY_MAX: usize = 4_000_000;

/// The nodes of a topology, by what they are.
#[derive(Clone, Debug)]
pub struct Nodes {
    /// Members of each group.
    groups: Vec<Vec<u32>>,
    names: Vec<String>,
    /// Groups of each node, home first.
    memberships: Vec<Vec<u32>>,
    /// Names of the underlay's sites, and where each node is.
    regions: Vec<String>,
    sites: Vec<u32>,
}

impl Nodes {
    /// Of a topology on an underlay.
    pub fn new(topology: &Topology, underlay: Option<&Underlay>) -> Self {
        let members = |members: &Vec<NodeIx>| members.iter().map(|node| node.0).collect();
        let groups: Vec<Vec<u32>> = topology
            .groups
            .iter()
            .map(|(_, list)| members(list))
            .collect();
        let names = topology
            .groups
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        let count = groups
            .iter()
            .flatten()
            .max()
            .map_or(0, |&last| last as usize + 1);
        let mut memberships = vec![Vec::new(); count];
        for (group, members) in (0u32..).zip(&groups) {
            for &node in members {
                memberships[node as usize].push(group);
            }
        }
        let regions = underlay.map_or(&[][..], Underlay::sites);
        let regions = regions.iter().map(|site| site.name.clone()).collect();
        let nodes = (0u32..).take(count);
        let sites = underlay.map(|underlay| nodes.map(|node| underlay.site_of(node)).collect());
        Self {
            groups,
            names,
            memberships,
            regions,
            sites: sites.unwrap_or_default(),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.memberships.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.memberships.is_empty()
    }

    /// Members of each group.
    pub fn groups(&self) -> &[Vec<u32>] {
        &self.groups
    }

    /// The groups that a node is in, home first.
    pub fn groups_of(&self, node: u32) -> &[u32] {
        self.memberships
            .get(node as usize)
            .map_or(&[], Vec::as_slice)
    }

    /// Whether two nodes share a group.
    pub fn share_a_group(&self, a: u32, b: u32) -> bool {
        let of_b = self.groups_of(b);
        self.groups_of(a).iter().any(|group| of_b.contains(group))
    }

    /// Whether a node is in more than one group.
    pub fn is_reflector(&self, node: u32) -> bool {
        self.groups_of(node).len() > 1
    }

    /// The site of the underlay that a node is at, where the underlay has sites.
    pub fn region_of(&self, node: u32) -> Option<usize> {
        self.sites.get(node as usize).map(|&site| site as usize)
    }

    /// The nodes that `who` means, in the order of their numbers.
    pub(super) fn choose(&self, who: &Who, random: &mut Random) -> Result<Vec<u32>, ScenarioError> {
        self.choose_of(who, random, |_| true)
    }

    /// As [`Nodes::choose`], sparing those that others join through.
    pub(super) fn choose_late(
        &self,
        who: &Who,
        random: &mut Random,
    ) -> Result<Vec<u32>, ScenarioError> {
        let seeds = self
            .groups
            .iter()
            .flat_map(|members| members.iter().take(2));
        let seeds: BTreeSet<u32> = seeds.copied().collect();
        self.choose_of(who, random, |node| !seeds.contains(&node))
    }

    fn choose_of(
        &self,
        who: &Who,
        random: &mut Random,
        is_fit: impl Fn(u32) -> bool,
    ) -> Result<Vec<u32>, ScenarioError> {
        if let Choice::Nodes(nodes) = &who.choice {
            for &node in nodes {
                self.check(node, who.line)?;
            }
            return Ok(nodes.clone());
        }
        let group = who
            .group
            .as_deref()
            .map(|name| self.group(name, who.line))
            .transpose()?;
        let region = who
            .region
            .as_deref()
            .map(|name| self.region(name, who.line))
            .transpose()?;
        let fitting = (0..self.memberships.len()).filter_map(|node| u32::try_from(node).ok());
        let mut fitting: Vec<u32> = fitting
            .filter(|&node| group.is_none_or(|group| self.groups_of(node).contains(&group)))
            .filter(|&node| region.is_none_or(|region| self.region_of(node) == Some(region)))
            .filter(|&node| match who.role {
                Role::Any => true,
                Role::Reflector => self.is_reflector(node),
                Role::Member => !self.is_reflector(node),
            })
            .filter(|&node| is_fit(node))
            .collect();
        if fitting.is_empty() {
            let problem = "no node fits";
            return Err(ScenarioError::new(
                who.line,
                problem,
                "ask for less, or for others",
            ));
        }
        match who.choice {
            Choice::All | Choice::Nodes(_) => {}
            Choice::Count(count) => draw(&mut fitting, count as usize, random),
            Choice::Share(share) => {
                let count = of_share(fitting.len(), share);
                draw(&mut fitting, count, random);
            }
            Choice::Racks { count, size } => {
                let mut racks: Vec<u32> = fitting.iter().map(|node| node / size.max(1)).collect();
                racks.dedup();
                draw(&mut racks, count as usize, random);
                fitting.retain(|node| racks.contains(&(node / size.max(1))));
            }
        }
        Ok(fitting)
    }

    /// This share of all nodes, drawn.
    pub(super) fn share(&self, share: f64, random: &mut Random) -> Vec<u32> {
        let mut nodes: Vec<u32> = (0u32..).take(self.len()).collect();
        let count = of_share(nodes.len(), share);
        draw(&mut nodes, count, random);
        nodes
    }

    /// Any node.
    pub(super) fn any(&self, random: &mut Random) -> u32 {
        u32::try_from(random.index(self.len())).unwrap_or(0)
    }

    /// A random cut: every group is on one side or the other as a whole, or torn, by chance.
    pub(super) fn random_side(&self, random: &mut Random) -> Vec<u32> {
        let share = 0.1 + 0.4 * f64::from(u32::try_from(random.below(1_000)).unwrap_or(0)) / 1e3;
        self.share(share, random)
    }

    /// Two members of one group.
    pub(super) fn pair_of_a_group(&self, random: &mut Random) -> Option<(u32, u32)> {
        let a = self.any(random);
        let b = self.fellow(a, random)?;
        Some((a, b))
    }

    /// Another member of one of a node's groups.
    pub(super) fn fellow(&self, node: u32, random: &mut Random) -> Option<u32> {
        let groups = self.groups_of(node);
        let group = *groups.get(random.index(groups.len()))?;
        let members = self.groups.get(group as usize)?;
        (0..64)
            .filter_map(|_| members.get(random.index(members.len())).copied())
            .find(|&other| other != node)
    }

    pub(super) fn check(&self, node: u32, line: usize) -> Result<(), ScenarioError> {
        if (node as usize) < self.len() {
            return Ok(());
        }
        let remedy = format!("allowed: 0 to {}", self.len().saturating_sub(1));
        Err(ScenarioError::new(
            line,
            format!("there is no node {node}"),
            remedy,
        ))
    }

    pub(super) fn check_one_way(&self, side: usize, line: usize) -> Result<(), ScenarioError> {
        let directions = side.saturating_mul(self.len().saturating_sub(side));
        if directions <= ONE_WAY_MAX {
            return Ok(());
        }
        Err(ScenarioError::new(
            line,
            format!("a cut of {directions} single directions"),
            format!("allowed: at most {ONE_WAY_MAX}; take fewer nodes, or cut both ways"),
        ))
    }

    fn group(&self, name: &str, line: usize) -> Result<u32, ScenarioError> {
        let place = self.names.iter().position(|group| group == name);
        place
            .and_then(|place| u32::try_from(place).ok())
            .ok_or_else(|| {
                let some: Vec<_> = self.names.iter().take(12).map(String::as_str).collect();
                let more = if self.names.len() > 12 { ", …" } else { "" };
                let remedy = format!("allowed: {}{more}", some.join(", "));
                ScenarioError::new(line, format!("there is no group {name:?}"), remedy)
            })
    }

    fn region(&self, name: &str, line: usize) -> Result<usize, ScenarioError> {
        let place = self.regions.iter().position(|region| region == name);
        place.ok_or_else(|| {
            let remedy = if self.regions.is_empty() {
                "use an underlay that has sites: regions, a matrix, a graph".to_owned()
            } else {
                let some: Vec<_> = self.regions.iter().take(30).map(String::as_str).collect();
                format!("allowed: {}", some.join(", "))
            };
            ScenarioError::new(line, format!("there is no region {name:?}"), remedy)
        })
    }
}

/// So many of them, in the order of their numbers.
fn draw(nodes: &mut Vec<u32>, count: usize, random: &mut Random) {
    random.shuffle(nodes);
    nodes.truncate(count);
    nodes.sort_unstable();
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a count is a count"
)]
fn of_share(count: usize, share: f64) -> usize {
    if share <= 0.0 {
        return 0;
    }
    ((count as f64 * share).round() as usize).clamp(1, count)
}
