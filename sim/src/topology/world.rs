//! Worlds from groups: small common shapes for tests, and any plan of groups.
//!
//! A topology names groups and says who is in which; the configuration of each node follows: the
//! first member of a group founds it, the others join through the first two. Sources of the shapes:
//! s-groups with gateways (SD Erlang), the chain of acceptance U20, the loops of U22.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{GroupId, Roles};
use archipelago_router::NodeConfig;
use archipelago_sgroup::{Cookies, GroupConfig, Place, Seed, Timing};

use super::plan::{GroupPlan, Overlay};
use crate::random::Random;
use crate::world::{NodeIx, World, WorldConfig};

/// The realm of all simulated nodes.
pub const REALM: &str = "sim";

/// Groups, and who is in which.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    /// By name; members in the order of their seeds.
    pub groups: Vec<(String, Vec<NodeIx>)>,
    nodes: u32,
}

impl Topology {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One group of `size`.
    pub fn group(size: u32) -> Self {
        let mut topology = Self::new();
        let members = topology.take(size);
        topology.push("g0", members);
        topology
    }

    /// `groups` groups of `size`, of which the first `reflectors` members each also form one
    /// backbone.
    pub fn backbone(groups: u32, size: u32, reflectors: usize) -> Self {
        let mut topology = Self::new();
        let mut backbone = Vec::new();
        for group in 0..groups {
            let members = topology.take(size);
            backbone.extend(members.iter().take(reflectors));
            topology.push(&format!("g{group}"), members);
        }
        topology.push("backbone", backbone);
        topology
    }

    /// `groups` groups of `size` in a row; neighbours share `bridges` members.
    pub fn chain(groups: u32, size: u32, bridges: u32) -> Self {
        let mut topology = Self::new();
        let mut shared = Vec::new();
        for group in 0..groups {
            let mut members = std::mem::take(&mut shared);
            let fresh = size.saturating_sub(u32::try_from(members.len()).unwrap_or(0));
            members.extend(topology.take(fresh));
            let first_shared = members.len().saturating_sub(bridges as usize);
            shared = members.iter().skip(first_shared).copied().collect();
            topology.push(&format!("g{group}"), members);
        }
        topology
    }

    /// A chain whose ends share members too.
    pub fn ring(groups: u32, size: u32, bridges: u32) -> Self {
        let mut topology = Self::chain(groups, size, bridges);
        let first: Vec<NodeIx> = topology
            .members(0)
            .iter()
            .take(bridges as usize)
            .copied()
            .collect();
        if let Some((_, last)) = topology.groups.last_mut() {
            last.extend(first);
        }
        topology
    }

    /// `groups` groups over `nodes` nodes: everybody is in one, and `overlaps` further
    /// memberships fall by chance, wherever that wires a loop or not.
    pub fn overlapping(nodes: u32, groups: usize, overlaps: usize, random: &mut Random) -> Self {
        let mut topology = Self::new();
        let all = topology.take(nodes);
        let mut members = vec![Vec::new(); groups.max(1)];
        for (index, &node) in all.iter().enumerate() {
            members[index % groups.max(1)].push(node);
        }
        for _ in 0..overlaps {
            let node = all[random.index(all.len())];
            let group = &mut members[random.index(groups)];
            if !group.contains(&node) {
                group.push(node);
            }
        }
        for (index, members) in members.into_iter().enumerate() {
            topology.push(&format!("g{index}"), members);
        }
        topology
    }

    /// As an [`Overlay`] plans it. Groups that have parents are told by their places in the plan;
    /// here every group is one that its members are configured for.
    pub fn of(overlay: &Overlay) -> Self {
        let members = |plan: &GroupPlan| plan.members.iter().copied().map(NodeIx).collect();
        let groups = overlay.groups.iter();
        Self {
            groups: groups
                .map(|plan| (plan.name.clone(), members(plan)))
                .collect(),
            nodes: overlay.nodes,
        }
    }

    /// The plan of this shape: whoever is in several groups is a reflector of each.
    pub fn overlay(&self) -> Overlay {
        let places = self.places();
        let is_reflector = |node: &u32| places.get(*node as usize).is_some_and(|it| it.len() > 1);
        let plan = |(name, members): &(String, Vec<NodeIx>)| {
            let members: Vec<u32> = members.iter().map(|node| node.0).collect();
            GroupPlan {
                name: name.clone(),
                reflectors: members.iter().copied().filter(is_reflector).collect(),
                members,
                ..GroupPlan::default()
            }
        };
        Overlay {
            nodes: self.nodes,
            groups: self.groups.iter().map(plan).collect(),
        }
    }

    /// So many new nodes, in no group yet.
    pub fn take(&mut self, count: u32) -> Vec<NodeIx> {
        let first = self.nodes;
        self.nodes += count;
        (first..self.nodes).map(NodeIx).collect()
    }

    /// One more group.
    pub fn push(&mut self, name: &str, members: Vec<NodeIx>) {
        self.groups.push((name.to_owned(), members));
    }

    /// The members of a group, by its place.
    pub fn members(&self, group: usize) -> &[NodeIx] {
        self.groups.get(group).map_or(&[], |(_, members)| members)
    }

    /// The id of a group, by its place.
    ///
    /// # Panics
    /// When there is no such group.
    pub fn id(&self, group: usize) -> GroupId {
        let (name, _) = self.groups.get(group).expect("a group of this topology");
        GroupId::new(REALM, name)
    }

    /// Nodes in more than one group.
    pub fn reflectors(&self) -> Vec<NodeIx> {
        let places = self.places().into_iter().zip(0..);
        let several = places.filter(|(places, _)| places.len() > 1);
        several.map(|(_, node)| NodeIx(node)).collect()
    }

    /// The places of the groups that a node is in, home first.
    pub fn groups_of(&self, node: NodeIx) -> Vec<usize> {
        let groups = self.groups.iter().enumerate();
        groups
            .filter(|(_, (_, members))| members.contains(&node))
            .map(|(place, _)| place)
            .collect()
    }

    /// The same for every node.
    fn places(&self) -> Vec<Vec<usize>> {
        let mut places = vec![Vec::new(); self.nodes as usize];
        for (place, (_, members)) in self.groups.iter().enumerate() {
            for node in members {
                if let Some(mine) = places.get_mut(node.0 as usize) {
                    mine.push(place);
                }
            }
        }
        places
    }

    /// A world of this shape, no node started yet. `change` adjusts each node's configuration.
    pub fn build(
        &self,
        config: WorldConfig,
        mut change: impl FnMut(NodeIx, &mut NodeConfig),
    ) -> World {
        let mut world = World::new(config);
        let timing = Arc::new(Timing::default());
        // All members beyond the two seeds are configured alike, and share it.
        let mut shared: Vec<Option<Arc<GroupConfig>>> = vec![None; self.groups.len()];
        for (places, node) in self.places().into_iter().zip((0..).map(NodeIx)) {
            let groups = places.iter().map(|&place| {
                let is_seed = self.members(place).iter().take(2).any(|&seed| seed == node);
                let known = shared.get_mut(place).filter(|_| !is_seed);
                known.map_or_else(
                    || self.config(&world, place, node, &timing),
                    |known| {
                        let made = || self.config(&world, place, node, &timing);
                        Arc::clone(known.get_or_insert_with(made))
                    },
                )
            });
            let groups: Vec<_> = groups.collect();
            let added = world.add(REALM, |config| {
                if groups.len() > 1 {
                    config.roles = Roles::REFLECTOR;
                    config.on_demand_max = 512;
                }
                config.groups = groups;
                change(node, config);
            });
            debug_assert_eq!(added, node);
        }
        world
    }

    /// A world of this shape with default links, every node started within the first 100 ms.
    pub fn start(&self, seed: u64) -> World {
        let mut world = self.build(WorldConfig::new(seed), |_, _| {});
        start_all(&mut world);
        world
    }

    /// A group as one of its members is configured for it.
    pub fn config(
        &self,
        world: &World,
        place: usize,
        node: NodeIx,
        timing: &Arc<Timing>,
    ) -> Arc<GroupConfig> {
        let (name, members) = &self.groups[place];
        let seeds = if members.first() == Some(&node) {
            Vec::new()
        } else {
            let others = members.iter().take(2).filter(|&&seed| seed != node);
            others.map(|&seed| self::seed(world, seed)).collect()
        };
        Arc::new(GroupConfig {
            realm: REALM.into(),
            name: name.as_str().into(),
            cookies: Some(cookies(&format!("cookie of {name}"))),
            seeds,
            size: 0,
            members_max: 1_024,
            is_closed: false,
            timing: Arc::clone(timing),
            place: Place::default(),
        })
    }
}

/// A node as a seed.
pub fn seed(world: &World, node: NodeIx) -> Seed {
    Seed {
        address: world.address(node),
        node: Some(world.id(node)),
    }
}

/// A cookie with no predecessor.
pub fn cookies(secret: &str) -> Cookies {
    Cookies {
        current: secret.as_bytes().into(),
        previous: None,
    }
}

/// Starts every node, in an order of chance within 100 ms.
///
/// # Panics
/// When a node's configuration cannot work.
pub fn start_all(world: &mut World) {
    let mut nodes = world.nodes();
    world.random().shuffle(&mut nodes);
    let pause = Duration::from_millis(100) / u32::try_from(nodes.len().max(1)).unwrap_or(1);
    for node in nodes {
        world
            .start(node)
            .expect("topologies make working configurations");
        world.run_for(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backbone_has_the_first_members_of_each_group() {
        let topology = Topology::backbone(3, 4, 2);
        assert_eq!(topology.members(3).len(), 6);
        assert_eq!(topology.reflectors().len(), 6);
        assert_eq!(topology.groups_of(NodeIx(4)), [1, 3]);
        assert_eq!(topology.groups_of(NodeIx(6)), [1]);
    }

    #[test]
    fn neighbours_in_a_chain_share_their_bridges_and_nothing_else() {
        let topology = Topology::chain(5, 4, 1);
        assert!((0..5).all(|group| topology.members(group).len() == 4));
        assert_eq!(topology.reflectors().len(), 4);
        assert!(
            topology
                .reflectors()
                .iter()
                .all(|&node| topology.groups_of(node).len() == 2)
        );
        assert_eq!(Topology::ring(5, 4, 1).reflectors().len(), 5);
    }
}
