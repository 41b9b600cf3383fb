//! Worlds with a hierarchy: groups whose reflectors join parent groups at run time.
//!
//! Nobody is a member of a parent by configuration: the leaves' nodes know how to join it, and an
//! election decides who does. The first members of the first children are a parent's seeds.
//! Source of the shapes: regions, sites, racks (acceptance U25); DESIGN section 11 for the sizes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::Standard;
use archipelago_core::{GroupId, Roles};
use archipelago_router::NodeConfig;
use archipelago_sgroup::{Cookies, GroupConfig, Place, Seed, Timing};

use crate::topology::{REALM, cookies, seed, start_all};
use crate::world::{NodeIx, World, WorldConfig};

/// One group of a hierarchy.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// Its tier; leaves have 0.
    pub tier: u8,
    /// The places of its parents.
    pub parents: Vec<usize>,
    /// Its members, where it is a leaf.
    pub members: Vec<NodeIx>,
}

/// Groups, and what stands above them.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    /// Every group of it, by place.
    pub plans: Vec<Plan>,
    /// How many of each leaf's first members can become reflectors. Default 5.
    pub capable: usize,
    /// How many join each parent. Default 3.
    pub reflectors: u8,
    /// What the program keeps all groups at, who share one cookie then. Default nothing.
    pub standard: Option<Arc<Standard>>,
    nodes: u32,
}

impl Default for Hierarchy {
    fn default() -> Self {
        Self {
            plans: Vec::new(),
            capable: 5,
            reflectors: 3,
            standard: None,
            nodes: 0,
        }
    }
}

impl Hierarchy {
    /// A tree: one group at the top, with so many children at each step down; the last ones are
    /// leaves of `size` nodes.
    pub fn tree(children: &[usize], size: u32) -> Self {
        let mut hierarchy = Self::default();
        let top = u8::try_from(children.len()).unwrap_or(u8::MAX);
        let mut row = vec![hierarchy.parent("t", top, &[])];
        for (step, &count) in children.iter().enumerate() {
            let tier = top - u8::try_from(step + 1).unwrap_or(top);
            let mut next = Vec::new();
            for &above in &row {
                for index in 0..count {
                    let name = format!("{}.{index}", hierarchy.plans[above].name);
                    next.push(if tier == 0 {
                        hierarchy.leaf(&name, size, &[above])
                    } else {
                        hierarchy.parent(&name, tier, &[above])
                    });
                }
            }
            row = next;
        }
        hierarchy
    }

    /// One more parent group; its place.
    pub fn parent(&mut self, name: &str, tier: u8, parents: &[usize]) -> usize {
        self.plans.push(Plan {
            name: name.to_owned(),
            tier,
            parents: parents.to_vec(),
            members: Vec::new(),
        });
        self.plans.len() - 1
    }

    /// One more leaf of `size` new nodes; its place.
    pub fn leaf(&mut self, name: &str, size: u32, parents: &[usize]) -> usize {
        let place = self.parent(name, 0, parents);
        self.plans[place].members = (self.nodes..self.nodes + size).map(NodeIx).collect();
        self.nodes += size;
        place
    }

    /// The id of a group, by its place.
    pub fn id(&self, place: usize) -> GroupId {
        GroupId::new(REALM, &self.plans[place].name)
    }

    /// Of a group by its name; where the program groups, all have the same.
    fn cookies(&self, name: &str) -> Cookies {
        let name = if self.standard.is_some() { "all" } else { name };
        cookies(&format!("cookie of {name}"))
    }

    /// The leaves' places.
    pub fn leaves(&self) -> Vec<usize> {
        let plans = self.plans.iter().enumerate();
        let leaves = plans.filter(|(_, plan)| !plan.members.is_empty());
        leaves.map(|(place, _)| place).collect()
    }

    /// The children's places.
    pub fn children(&self, place: usize) -> Vec<usize> {
        let plans = self.plans.iter().enumerate();
        let children = plans.filter(|(_, plan)| plan.parents.contains(&place));
        children.map(|(child, _)| child).collect()
    }

    /// A world of this shape, no node started yet. `change` adjusts each node's configuration.
    pub fn build(
        &self,
        config: WorldConfig,
        mut change: impl FnMut(NodeIx, &mut NodeConfig),
    ) -> World {
        let mut world = World::new(config);
        let timing = Arc::new(Timing::default());
        let mut maker = Maker::new(self, &timing);
        for place in self.leaves() {
            let leaf = maker.config(&world, place, (0, 0));
            for (index, &node) in self.plans[place].members.iter().enumerate() {
                let added = world.add(REALM, |config| {
                    config.groups = vec![Arc::clone(&leaf)];
                    if index < self.capable {
                        config.roles = Roles::REFLECTOR;
                        config.on_demand_max = 512;
                    }
                    change(node, config);
                });
                debug_assert_eq!(added, node);
            }
        }
        world
    }

    /// A world of this shape with default links, every node started within the first 100 ms.
    pub fn start(&self, seed: u64) -> World {
        let mut world = self.build(WorldConfig::new(seed), |_, _| {});
        start_all(&mut world);
        world
    }

    /// A group as everybody who may be in it is configured for it, its parents within.
    ///
    /// However groups are wired here, each configuration alone is sound: a parent that is planned
    /// too low, even the group itself, is said to stand at `tier_min` at least, and beyond five
    /// steps nothing is said. So nodes contradict each other where the plan does.
    pub fn config(
        &self,
        world: &World,
        place: usize,
        timing: &Arc<Timing>,
        (depth, tier_min): (usize, u8),
    ) -> Arc<GroupConfig> {
        Maker::new(self, timing).config(world, place, (depth, tier_min))
    }

    /// The first two members of a leaf, or the first seeds of the first two children.
    pub fn seed_nodes(&self, place: usize, depth: usize) -> Vec<NodeIx> {
        let members = &self.plans[place].members;
        if !members.is_empty() || depth > 5 {
            return members.iter().take(2).copied().collect();
        }
        let children = self.children(place).into_iter().take(2);
        let first = |child| self.seed_nodes(child, depth + 1).into_iter().take(1);
        children.flat_map(first).collect()
    }
}

/// Makes configurations, each once: leaves under one parent share the parent's.
struct Maker<'a> {
    hierarchy: &'a Hierarchy,
    timing: &'a Arc<Timing>,
    /// By place, depth and least tier.
    made: BTreeMap<(usize, usize, u8), Arc<GroupConfig>>,
    /// By place.
    seeds: BTreeMap<usize, Vec<Seed>>,
}

impl<'a> Maker<'a> {
    const fn new(hierarchy: &'a Hierarchy, timing: &'a Arc<Timing>) -> Self {
        Self {
            hierarchy,
            timing,
            made: BTreeMap::new(),
            seeds: BTreeMap::new(),
        }
    }

    fn config(
        &mut self,
        world: &World,
        place: usize,
        (depth, tier_min): (usize, u8),
    ) -> Arc<GroupConfig> {
        if let Some(made) = self.made.get(&(place, depth, tier_min)) {
            return Arc::clone(made);
        }
        let plan = &self.hierarchy.plans[place];
        let tier = plan.tier.max(tier_min);
        let step = (depth + 1, tier.saturating_add(1));
        let parents = plan.parents.iter().filter(|_| depth < 5);
        let parents = parents.map(|&above| self.config(world, above, step));
        let place_above = Place {
            tier,
            parents: parents.collect(),
            reflectors: self.hierarchy.reflectors,
            standard: self.hierarchy.standard.clone(),
            ..Place::default()
        };
        let config = Arc::new(GroupConfig {
            realm: REALM.into(),
            name: plan.name.as_str().into(),
            cookies: Some(self.hierarchy.cookies(&plan.name)),
            seeds: self.seeds(world, place),
            size: 0,
            members_max: 1_024,
            is_closed: false,
            timing: Arc::clone(self.timing),
            place: place_above,
        });
        self.made
            .insert((place, depth, tier_min), Arc::clone(&config));
        config
    }

    fn seeds(&mut self, world: &World, place: usize) -> Vec<Seed> {
        let hierarchy = self.hierarchy;
        let made = self.seeds.entry(place).or_insert_with(|| {
            let nodes = hierarchy.seed_nodes(place, 0);
            nodes.into_iter().map(|node| seed(world, node)).collect()
        });
        made.clone()
    }
}

/// Whether everything that should stand stands: views agree, and every leaf's members know of
/// enough reflectors and of all groups above.
pub fn is_formed(world: &World, hierarchy: &Hierarchy) -> bool {
    hierarchy.leaves().into_iter().all(|leaf| {
        let above = ancestors(hierarchy, leaf);
        let group = hierarchy.id(leaf);
        // Each parent has its own, who may or may not be the same.
        let each = usize::from(hierarchy.reflectors);
        let wanted = each..=each * hierarchy.plans[leaf].parents.len().max(1);
        let members = hierarchy.plans[leaf].members.iter();
        let mut running = members.filter(|&&node| world.node(node).is_some());
        running.all(|&node| {
            let tiers = world
                .node(node)
                .map(|node| node.tiers())
                .unwrap_or_default();
            let mut tiers = tiers.into_iter().filter(|tier| tier.group == group);
            tiers.any(|tier| {
                let knows = |place: &usize| tier.ancestors.contains(&hierarchy.id(*place));
                wanted.contains(&tier.reflectors.len()) && above.iter().all(knows)
            })
        })
    })
}

/// The places of all groups above one, each once.
pub fn ancestors(hierarchy: &Hierarchy, place: usize) -> Vec<usize> {
    let mut found: Vec<usize> = hierarchy.plans[place].parents.clone();
    let mut next = 0;
    while let Some(&above) = found.get(next) {
        for &parent in &hierarchy.plans[above].parents {
            if !found.contains(&parent) {
                found.push(parent);
            }
        }
        next += 1;
    }
    found
}

/// How long a hierarchy may take to form, by its tiers: an election and a join at each.
pub fn forming_limit(hierarchy: &Hierarchy) -> Duration {
    let tiers = hierarchy.plans.iter().map(|plan| plan.tier).max();
    Duration::from_secs(10 + 10 * u64::from(tiers.unwrap_or(0)))
}
