//! What is drawn: discs, reflectors, bridges. Which groups become one disc is decided here.

use std::collections::{BTreeMap, VecDeque};

use super::DISCS_MAX;
use crate::topology::Overlay;

/// Between two dots in a disc.
pub(super) const DOT_SPACING: f64 = 4.8;
/// More nodes than this are told by a number.
pub(super) const DOTS_MAX: usize = 150;

/// Discs and what connects them.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub(super) discs: Vec<Disc>,
    /// Single nodes of several groups, where groups are drawn one by one.
    pub(super) reflectors: Vec<Reflector>,
    /// How many nodes two discs share, where they are stacks; else for placing only.
    pub(super) bridges: BTreeMap<(usize, usize), usize>,
    /// Lower disc, upper disc.
    pub(super) parents: Vec<(usize, usize)>,
    pub(super) tiers: u8,
    /// Whether discs stand for several groups.
    pub(super) is_stacked: bool,
    /// The highest tier that is part of a stack.
    pub(super) stacked_tier: u8,
    pub(super) shape: Shape,
    /// Of the whole plan.
    pub(super) totals: Totals,
}

/// How discs were placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    Forces,
    Layers,
    Rings,
    Map,
}

/// Counts for the legend.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) nodes: usize,
    pub(super) groups: usize,
    pub(super) reflectors: usize,
}

/// A group, or a stack of them.
#[derive(Debug, Default)]
pub(super) struct Disc {
    pub(super) name: String,
    pub(super) tier: u8,
    /// How many groups it stands for.
    pub(super) groups: usize,
    /// Nodes in them.
    pub(super) nodes: usize,
    /// Nodes that are drawn inside: in this group first, and in no other.
    pub(super) dots: usize,
    /// Places of the groups in the plan.
    pub(super) places: Vec<usize>,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) radius: f64,
}

/// A node of several groups.
#[derive(Debug)]
pub(super) struct Reflector {
    pub(super) node: u32,
    pub(super) home: usize,
    pub(super) others: Vec<usize>,
    /// From disc to disc.
    pub(super) steps: Vec<(usize, usize)>,
}

impl Scene {
    pub(super) fn of(overlay: &Overlay) -> Self {
        let of_group = if overlay.groups.len() <= DISCS_MAX {
            (0..overlay.groups.len()).collect()
        } else if overlay.tier_max() > 0 {
            under_tiers(overlay)
        } else {
            by_neighbourhood(overlay)
        };
        let mut scene = Self {
            is_stacked: overlay.groups.len() > DISCS_MAX,
            tiers: overlay.tier_max(),
            ..Self::default()
        };
        scene.add_discs(overlay, &of_group);
        scene.add_nodes(overlay, &of_group);
        scene.add_parents(overlay, &of_group);
        for disc in &mut scene.discs {
            disc.radius = radius(disc);
        }
        scene.totals.nodes = overlay.nodes as usize;
        scene.totals.groups = overlay.groups.len();
        scene
    }

    fn add_discs(&mut self, overlay: &Overlay, of_group: &[usize]) {
        let count = of_group.iter().max().map_or(0, |most| most + 1);
        self.discs.resize_with(count, Disc::default);
        for (place, group) in overlay.groups.iter().enumerate() {
            let disc = &mut self.discs[of_group[place]];
            if disc.groups == 0 {
                disc.name.clone_from(&group.name);
                disc.tier = group.tier;
            }
            disc.groups += 1;
            disc.tier = disc.tier.min(group.tier);
            if disc.groups > 1 {
                self.stacked_tier = self.stacked_tier.max(group.tier);
            }
            disc.places.push(place);
        }
    }

    fn add_nodes(&mut self, overlay: &Overlay, of_group: &[usize]) {
        for (mut places, node) in overlay.places().into_iter().zip(0u32..) {
            // Tiers rise from home; among equals the plan's order.
            places.sort_by_key(|&place| overlay.groups[place].tier);
            self.totals.reflectors += usize::from(places.len() > 1);
            let mut discs: Vec<usize> = Vec::new();
            for place in places {
                if !discs.contains(&of_group[place]) {
                    discs.push(of_group[place]);
                }
            }
            let Some((&home, others)) = discs.split_first() else {
                continue;
            };
            self.discs[home].nodes += 1;
            self.discs[home].dots += usize::from(others.is_empty());
            for &other in others {
                self.discs[other].nodes += 1;
            }
            for (one, other) in self.steps(&discs) {
                let pair = (one.min(other), one.max(other));
                *self.bridges.entry(pair).or_default() += 1;
            }
            if !others.is_empty() && !self.is_stacked {
                let steps = self.steps(&discs);
                let others = others.to_vec();
                self.reflectors.push(Reflector {
                    node,
                    home,
                    others,
                    steps,
                });
            }
        }
    }

    /// The lines of a node in these discs, home first: up from tier to tier where each is above the
    /// last, else from home to each.
    pub(super) fn steps(&self, discs: &[usize]) -> Vec<(usize, usize)> {
        let tier = |disc: usize| self.discs[disc].tier;
        let is_climbing = discs.windows(2).all(|pair| tier(pair[0]) < tier(pair[1]));
        let rest = discs.iter().skip(1).copied();
        if is_climbing {
            return discs.iter().copied().zip(rest).collect();
        }
        let home = discs.first().copied().unwrap_or(0);
        rest.map(|other| (home, other)).collect()
    }

    fn add_parents(&mut self, overlay: &Overlay, of_group: &[usize]) {
        for (place, group) in overlay.groups.iter().enumerate() {
            for &parent in &group.parents {
                if let Some(&above) = of_group.get(parent)
                    && above != of_group[place]
                {
                    self.parents.push((of_group[place], above));
                }
            }
        }
        self.parents.sort_unstable();
        self.parents.dedup();
    }
}

fn radius(disc: &Disc) -> f64 {
    let dots = disc.dots.max(disc.nodes / 3).clamp(1, DOTS_MAX) as f64;
    let stack = if disc.groups > 1 { 14.0 } else { 0.0 };
    (DOT_SPACING * libm::sqrt(dots) + 9.0 + stack).max(20.0)
}

/// By group: its disc. The upper tiers are drawn one by one, as many as there is room for; what is
/// below a group of the lowest of them becomes one stack.
fn under_tiers(overlay: &Overlay) -> Vec<usize> {
    let mut lowest = overlay.tier_max();
    let above = |tier: u8| overlay.groups.iter().filter(|it| it.tier >= tier).count();
    while lowest > 1 && above(lowest - 1) * 2 <= DISCS_MAX {
        lowest -= 1;
    }
    if above(lowest) * 2 > DISCS_MAX {
        return by_neighbourhood(overlay);
    }
    let mut disc = vec![usize::MAX; overlay.groups.len()];
    let mut count = 0;
    let mut stacks = BTreeMap::new();
    // From the top down, so that a parent has its disc before its children.
    let mut places: Vec<usize> = (0..overlay.groups.len()).collect();
    places.sort_by_key(|&place| std::cmp::Reverse(overlay.groups[place].tier));
    for place in places {
        let group = &overlay.groups[place];
        let parent = group.parents.first().copied().unwrap_or(usize::MAX);
        let stack = if group.tier >= lowest {
            None
        } else if group.tier + 1 == lowest || parent == usize::MAX {
            Some(parent)
        } else {
            // Deeper: with its parent.
            disc[place] = disc.get(parent).copied().unwrap_or(0);
            continue;
        };
        let mut next = || {
            count += 1;
            count - 1
        };
        disc[place] = match stack {
            None => next(),
            Some(parent) => *stacks.entry(parent).or_insert_with(next),
        };
    }
    disc
}

/// By group: its disc. Groups that a breadth-first walk meets one after the other share one.
fn by_neighbourhood(overlay: &Overlay) -> Vec<usize> {
    let places = overlay.places();
    let mut order = Vec::with_capacity(overlay.groups.len());
    let mut is_seen = vec![false; overlay.groups.len()];
    let mut is_met = vec![false; places.len()];
    for start in 0..overlay.groups.len() {
        let mut open = VecDeque::from([start]);
        while let Some(place) = open.pop_front() {
            if std::mem::replace(&mut is_seen[place], true) {
                continue;
            }
            order.push(place);
            for &member in &overlay.groups[place].members {
                // A node leads to its groups once.
                if let Some(is_met) = is_met.get_mut(member as usize)
                    && !std::mem::replace(is_met, true)
                {
                    open.extend(&places[member as usize]);
                }
            }
        }
    }
    let each = order.len().div_ceil(DISCS_MAX * 2 / 3).max(1);
    let mut disc = vec![0; order.len()];
    for (rank, place) in order.into_iter().enumerate() {
        disc[place] = rank / each;
    }
    disc
}
