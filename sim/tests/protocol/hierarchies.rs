//! Hierarchies drawn at random and wired well (two to four tiers, of any breadth, some groups under
//! two parents): whatever is lost at whichever tier, it forms again by itself (F7, F9, U25).
//!
//! `miswired` draws the others, those that are wired wrong.

use std::time::Duration;

use crate::support::{ms, none, restart, s, seeds, within};
use archipelago_sim::check::{self, sessions, views};
use archipelago_sim::tiers::{Hierarchy, forming_limit, is_formed};
use archipelago_sim::{NodeIx, Random, World};

const SEEDS: u64 = 100;

/// F7: all reflectors of one group at one tier are lost at once. Inside every leaf messages go on
/// at once; others are elected, and everybody reaches everybody again; those who return disturb
/// nothing.
#[test]
fn f7_all_reflectors_of_any_group_at_any_tier_lost() {
    let name = "f7_all_reflectors_of_any_group_at_any_tier_lost";
    seeds(name, SEEDS, |seed| {
        let hierarchy = draw(seed);
        let mut world = formed(&hierarchy, seed);
        // The top has nobody above it, so nobody leads it up.
        let below_top = hierarchy.plans.len() - 1;
        let place = 1 + world.random().index(below_top);
        let lost = leading(&world, &hierarchy, place);
        assert!(!lost.is_empty(), "somebody leads group {place} up");
        for &victim in &lost {
            world.crash(victim);
        }
        let inside: Vec<_> = hierarchy
            .leaves()
            .into_iter()
            .map(|leaf| last_two(&hierarchy, leaf))
            .collect();
        assert_eq!(arrived(&mut world, &inside, s(2)), inside.len(), "inside");
        within(&mut world, "recovery", s(30), |world| {
            is_formed(world, &hierarchy)
        });
        let pairs = round(&hierarchy);
        if !is_seedless(&hierarchy, &lost) {
            let count = arrived(&mut world, &pairs, s(5));
            assert_eq!(count, pairs.len(), "any to any");
        }
        for &victim in &lost {
            restart(&mut world, victim);
        }
        within(&mut world, "their return", s(30), |world| {
            is_formed(world, &hierarchy) && views::all_agree(world)
        });
        world.run_for(s(5));
        let count = arrived(&mut world, &pairs, s(5));
        assert_eq!(count, pairs.len(), "any to any, after their return");
        none("safety", check::safety(&world));
    });
}

/// F9: nodes come and go, more of them the higher up they lead; then everything forms again.
#[test]
fn f9_churn_in_any_hierarchy_heals() {
    seeds("f9_churn_in_any_hierarchy_heals", SEEDS, |seed| {
        let hierarchy = draw(seed);
        let mut world = formed(&hierarchy, seed);
        let mut down: Vec<NodeIx> = Vec::new();
        for _ in 0..30 {
            if let Some(victim) = victim(&mut world, &hierarchy) {
                world.crash(victim);
                down.push(victim);
            }
            let wait = world.random().duration(ms(200), s(2));
            world.run_for(wait);
            if down.len() > 3 {
                restart(&mut world, down.remove(0));
            }
        }
        for node in down {
            restart(&mut world, node);
        }
        within(&mut world, "healing", s(60), |world| {
            is_formed(world, &hierarchy) && views::all_agree(world)
        });
        world.run_for(s(5));
        let pairs = round(&hierarchy);
        let count = arrived(&mut world, &pairs, s(3));
        assert_eq!(count, pairs.len(), "any to any");
        none("safety", check::safety(&world));
    });
}

/// One group at the top, as many at each tier below as above it or one more, at least two leaves; a
/// third of the groups has a second parent.
fn draw(seed: u64) -> Hierarchy {
    let mut random = Random::split(seed, 79);
    let mut hierarchy = Hierarchy::default();
    let top = 1 + u8::try_from(random.below(3)).unwrap_or(0);
    let mut above = vec![hierarchy.parent("t", top, &[])];
    for tier in (0..top).rev() {
        let count = above.len() + random.index(2) + usize::from(tier == 0);
        let mut row = Vec::new();
        for index in 0..count {
            let name = format!("g{tier}.{index}");
            let parents = parents(&above, index, &mut random);
            row.push(match tier {
                0 => {
                    let size = 5 + u32::try_from(random.below(3)).unwrap_or(0);
                    hierarchy.leaf(&name, size, &parents)
                }
                _ => hierarchy.parent(&name, tier, &parents),
            });
        }
        above = row;
    }
    hierarchy.capable = usize::MAX;
    hierarchy.reflectors = 2;
    hierarchy
}

/// Each group above has a child: a parent of nobody would never form.
fn parents(above: &[usize], index: usize, random: &mut Random) -> Vec<usize> {
    let first = index % above.len();
    let mut parents = vec![above[first]];
    if above.len() > 1 && random.index(3) == 0 {
        parents.push(above[(first + 1) % above.len()]);
    }
    parents
}

fn formed(hierarchy: &Hierarchy, seed: u64) -> World {
    let mut world = hierarchy.start(seed);
    within(&mut world, "forming", forming_limit(hierarchy), |world| {
        is_formed(world, hierarchy) && views::all_agree(world) && sessions::mesh(world).is_empty()
    });
    world.run_for(s(5));
    world
}

/// Who leads a group up, as its members see it.
fn leading(world: &World, hierarchy: &Hierarchy, place: usize) -> Vec<NodeIx> {
    let group = hierarchy.id(place);
    let tiers = world
        .running()
        .into_iter()
        .filter_map(|node| world.node(node))
        .flat_map(|node| node.tiers());
    let found = tiers.into_iter().find(|tier| tier.group == group);
    let reflectors = found.map(|tier| tier.reflectors).unwrap_or_default();
    reflectors.iter().map(|id| world.node_of(id)).collect()
}

/// Of a group drawn by chance, one that leads it up; half the time anybody at all.
fn victim(world: &mut World, hierarchy: &Hierarchy) -> Option<NodeIx> {
    let place = world.random().index(hierarchy.plans.len());
    let mut from = leading(world, hierarchy, place);
    if from.is_empty() || world.random().index(2) == 0 {
        from = world.running();
    }
    from.retain(|&node| world.node(node).is_some());
    if from.is_empty() {
        return None;
    }
    let index = world.random().index(from.len());
    Some(from[index])
}

/// Whether a group above lost all its configured seeds: groups below it that share no member may
/// then begin it twice, until a seed is back.
fn is_seedless(hierarchy: &Hierarchy, lost: &[NodeIx]) -> bool {
    let mut above = (0..hierarchy.plans.len()).filter(|&place| {
        let plan = &hierarchy.plans[place];
        plan.members.is_empty() && hierarchy.children(place).len() > 1
    });
    above.any(|place| {
        let seeds = hierarchy.seed_nodes(place, 0);
        seeds.iter().all(|seed| lost.contains(seed))
    })
}

fn last_two(hierarchy: &Hierarchy, leaf: usize) -> (NodeIx, NodeIx) {
    let members = &hierarchy.plans[leaf].members;
    (members[members.len() - 1], members[members.len() - 2])
}

/// The last members of the leaves, each to the next.
fn round(hierarchy: &Hierarchy) -> Vec<(NodeIx, NodeIx)> {
    let leaves = hierarchy.leaves().into_iter();
    let ends: Vec<NodeIx> = leaves.map(|leaf| last_two(hierarchy, leaf).0).collect();
    let next = ends.iter().skip(1).chain(ends.first());
    ends.iter().copied().zip(next.copied()).collect()
}

/// How many of `pairs` got a message over within `limit`.
fn arrived(world: &mut World, pairs: &[(NodeIx, NodeIx)], limit: Duration) -> usize {
    let running = |world: &World, node| world.node(node).is_some();
    let mut flows = Vec::new();
    let mut skipped = 0;
    for &(from, to) in pairs {
        if running(world, from) && running(world, to) {
            flows.push((from, to, world.flow(from, to, (1, s(1), 100))));
        } else {
            skipped += 1;
        }
    }
    world.run_for(limit);
    let received =
        |&&(from, to, flow): &&(NodeIx, NodeIx, u32)| world.received(to, from, flow).delivered == 1;
    skipped + flows.iter().filter(received).count()
}
