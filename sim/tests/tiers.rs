//! Tiers of reflectors: groups under groups, look-ups that climb and descend, and what may be lost
//! (U20 to U22 across tiers, U25, F7, F8, F9).

mod support;

use std::time::Duration;

use archipelago_core::GroupId;
use archipelago_router::Unreachable;
use archipelago_sim::check::{self, sessions, views};
use archipelago_sim::tiers::{Hierarchy, forming_limit, is_formed};
use archipelago_sim::{NodeIx, Observation, World};
use support::{ms, none, s, within};

/// A world in which every tier has formed and is quiet.
fn formed(hierarchy: &Hierarchy, seed: u64) -> World {
    let mut world = hierarchy.start(seed);
    within(&mut world, "forming", forming_limit(hierarchy), |world| {
        is_formed(world, hierarchy) && views::all_agree(world) && sessions::mesh(world).is_empty()
    });
    world.run_for(s(5));
    world
}

/// Any-to-any between plain members: first by relay through the tiers, then direct.
#[test]
fn two_tiers_form_and_lead_from_any_leaf_to_any() {
    let hierarchy = Hierarchy::tree(&[3], 8);
    let mut world = formed(&hierarchy, 1);
    any_to_any(&mut world, &hierarchy);
}

#[test]
fn three_tiers_form_and_lead_from_any_leaf_to_any() {
    let hierarchy = Hierarchy::tree(&[2, 3], 6);
    let mut world = formed(&hierarchy, 1);
    any_to_any(&mut world, &hierarchy);
}

#[test]
fn four_tiers_form_and_lead_from_any_leaf_to_any() {
    let hierarchy = Hierarchy::tree(&[2, 2, 2], 5);
    let mut world = formed(&hierarchy, 1);
    any_to_any(&mut world, &hierarchy);
}

fn any_to_any(world: &mut World, hierarchy: &Hierarchy) {
    let last = |place: &usize| *hierarchy.plans[*place].members.last().expect("a leaf");
    let ends: Vec<NodeIx> = hierarchy.leaves().iter().map(last).collect();
    let mut flows = Vec::new();
    for &from in &ends {
        for &to in ends.iter().filter(|&&to| to != from) {
            flows.push((from, to, world.flow(from, to, (30, ms(20), 500))));
        }
    }
    world.run_for(s(4));
    for (from, to, flow) in flows {
        let received = world.received(to, from, flow);
        assert_eq!(received.delivered, 30, "n{} to n{}", from.0, to.0);
        assert!(world.is_path_direct(from, to), "n{} to n{}", from.0, to.0);
        assert!(
            received.latency_first < s(1),
            "{:?}",
            received.latency_first
        );
    }
    none("safety", check::safety(world));
}

/// What each running node has of the hierarchy, for a failing test.
#[allow(dead_code, reason = "for whoever looks into a failure")]
fn show(world: &World, hierarchy: &Hierarchy) -> String {
    let name = |id| {
        let mut plans = (0..hierarchy.plans.len()).filter(|&place| hierarchy.id(place) == id);
        plans
            .next()
            .map_or("?", |place| &hierarchy.plans[place].name)
    };
    let names = |ids: &[GroupId]| ids.iter().map(|&id| name(id)).collect::<Vec<_>>().join(" ");
    let mut text = String::new();
    for node in world.running() {
        for tier in world.node(node).expect("it runs").tiers() {
            let reflectors: Vec<u32> = tier.reflectors.iter().map(|r| world.node_of(r).0).collect();
            text += &format!(
                "n{} {} in [{}] by {reflectors:?} below [{}] above [{}], {} below\n",
                node.0,
                name(tier.group),
                names(&tier.parents),
                tier.is_elected,
                names(&tier.ancestors),
                tier.below.len(),
            );
        }
    }
    text
}

/// Sends one message between each of `pairs` and says which arrived, and the longest wait.
fn probe(world: &mut World, pairs: &[(NodeIx, NodeIx)], limit: Duration) -> (usize, Duration) {
    let flows: Vec<_> = pairs
        .iter()
        .map(|&(from, to)| (from, to, world.flow(from, to, (1, s(1), 100))))
        .collect();
    world.run_for(limit);
    let received = |&(from, to, flow): &(NodeIx, NodeIx, u32)| world.received(to, from, flow);
    let arrived = flows.iter().map(received).filter(|r| r.delivered == 1);
    let worst = arrived.clone().map(|r| r.latency_max).max();
    (arrived.count(), worst.unwrap_or_default())
}

/// Plain members of different leaves, in pairs.
fn pairs(hierarchy: &Hierarchy) -> Vec<(NodeIx, NodeIx)> {
    let last = |place: &usize| *hierarchy.plans[*place].members.last().expect("a leaf");
    let ends: Vec<NodeIx> = hierarchy.leaves().iter().map(last).collect();
    let next = ends.iter().skip(1).chain(ends.first());
    ends.iter().copied().zip(next.copied()).collect()
}

/// U25: one node is lost, whichever it is and whatever it does at any level: look-ups that begin
/// at that instant are answered, none waits for longer than 2 s; and everything heals.
#[test]
fn u25_the_loss_of_any_one_node_at_any_level_costs_no_reachability() {
    let hierarchy = Hierarchy::tree(&[2, 2], 6);
    let pairs = pairs(&hierarchy);
    let mut worst = Duration::ZERO;
    let mut victims = 0;
    let plain: Vec<NodeIx> = pairs.iter().map(|&(from, _)| from).collect();
    let count = formed(&hierarchy, 1).nodes().len();
    for victim in (0..count).map(|ix| NodeIx(ix as u32)) {
        if plain.contains(&victim) {
            continue;
        }
        let mut world = formed(&hierarchy, 1 + u64::from(victim.0) % 3);
        world.crash(victim);
        let (arrived, wait) = probe(&mut world, &pairs, s(3));
        assert_eq!(arrived, pairs.len(), "n{} lost", victim.0);
        assert!(wait <= s(2), "n{} lost: {wait:?}", victim.0);
        within(&mut world, "healing", s(30), |world| {
            is_formed(world, &hierarchy)
        });
        none("safety", check::safety(&world));
        worst = worst.max(wait);
        victims += 1;
    }
    println!("u25: {victims} nodes lost one by one, longest wait of a first message {worst:?}");
}

/// F7, U21: all reflectors of a leaf are lost. Its inside works on, look-ups of others for it fail
/// fast with `NoRoute`, and it recovers by itself, since other members are elected.
#[test]
fn f7_all_reflectors_of_a_leaf_lost() {
    support::seeds("f7_all_reflectors_of_a_leaf_lost", 8, |seed| {
        let mut hierarchy = Hierarchy::tree(&[3], 8);
        hierarchy.capable = 8;
        let mut world = formed(&hierarchy, seed);
        let leaf = hierarchy.leaves()[1];
        let members = hierarchy.plans[leaf].members.clone();
        let lost = reflectors(&world, &hierarchy, leaf);
        let plain: Vec<_> = members.iter().filter(|node| !lost.contains(node)).collect();
        let (inside, outside) = ((*plain[0], *plain[1]), NodeIx(7));
        for victim in lost {
            world.crash(victim);
        }
        let (arrived, _) = probe(&mut world, &[inside], s(1));
        assert_eq!(arrived, 1, "the inside is untouched");
        within(&mut world, "recovery", s(20), |world| {
            is_formed(world, &hierarchy)
        });
        let (arrived, wait) = probe(&mut world, &[(outside, inside.1)], s(5));
        assert_eq!(
            (arrived, wait < s(1)),
            (1, true),
            "recovered by itself: {wait:?}"
        );
    });
}

/// F7: as above, and nobody else can become a reflector.
#[test]
fn f7_a_leaf_without_any_reflector_is_unreachable_fast_until_one_returns() {
    let mut hierarchy = Hierarchy::tree(&[2], 6);
    hierarchy.capable = 3;
    let mut world = formed(&hierarchy, 1);
    let leaf = hierarchy.leaves()[1];
    let lost = reflectors(&world, &hierarchy, leaf);
    assert_eq!(lost.len(), 3);
    for &victim in &lost {
        world.crash(victim);
    }
    world.run_for(s(6));
    let before = world.now();
    let to = hierarchy.plans[leaf].members[5];
    world.flow(NodeIx(5), to, (1, s(1), 100));
    world.flow(to, NodeIx(5), (1, s(1), 100));
    world.run_for(ms(500));
    let failed = world.log().iter().filter(|seen| {
        let is_no_route = |what: &Observation| {
            matches!(
                what,
                Observation::Unreachable {
                    reason: Unreachable::NoRoute,
                    ..
                }
            )
        };
        seen.time >= before && is_no_route(&seen.what)
    });
    assert_eq!(failed.count(), 2, "both fail within half a second");
    for &victim in &lost {
        support::restart(&mut world, victim);
    }
    within(&mut world, "recovery", s(30), |world| {
        is_formed(world, &hierarchy)
    });
    let (arrived, _) = probe(&mut world, &[(NodeIx(5), to), (to, NodeIx(5))], s(5));
    assert_eq!(arrived, 2);
}

/// Who leads a leaf up.
fn reflectors(world: &World, hierarchy: &Hierarchy, leaf: usize) -> Vec<NodeIx> {
    let group = hierarchy.id(leaf);
    let any = *hierarchy.plans[leaf].members.last().expect("a leaf");
    let tiers = world.node(any).expect("it runs").tiers();
    let tier = tiers.into_iter().find(|tier| tier.group == group);
    let reflectors = tier.expect("a leaf has parents").reflectors;
    reflectors.iter().map(|id| world.node_of(id)).collect()
}
