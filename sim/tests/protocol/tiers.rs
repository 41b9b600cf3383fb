//! Tiers of reflectors: groups under groups, look-ups that climb and descend, and what may be lost
//! (U20 to U22 across tiers, U25, F7, F8, F9).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{ms, none, s, within};
use archipelago_core::GroupId;
use archipelago_router::{Command, Unreachable};
use archipelago_sgroup::Timing;
use archipelago_sim::check::{self, sessions, views};
use archipelago_sim::tiers::{Hierarchy, forming_limit, is_formed};
use archipelago_sim::topology::start_all;
use archipelago_sim::{NodeIx, Observation, Random, World, WorldConfig};

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

/// U25: a reflector is stopped, so that its sessions are silent and not closed: a look-up that had
/// gone to it goes to the next after a moment, none fails, and what is sent by way of it goes
/// another way.
#[test]
fn u25_silent_reflectors_at_each_level_are_gone_round() {
    let hierarchy = Hierarchy::tree(&[2, 2], 6);
    let pairs = pairs(&hierarchy);
    let mut waits = Vec::new();
    for seed in 1..29 {
        let mut world = formed(&hierarchy, seed);
        // Of each group one reflector; the others carry everything.
        let place = (seed % 7) as usize;
        let members = match hierarchy.plans[place].members.is_empty() {
            true => world.members_of(hierarchy.id(place)),
            false => reflectors(&world, &hierarchy, place),
        };
        let victim = members[world.random().index(members.len())];
        world.stop(victim);
        let before = world.now();
        let (arrived, wait) = probe(&mut world, &pairs, s(10));
        assert_eq!(arrived, pairs.len(), "seed {seed}: n{} silent", victim.0);
        let gave_up = world.log().iter().filter(|seen| {
            seen.time >= before && matches!(seen.what, Observation::Unreachable { .. })
        });
        assert_eq!(gave_up.count(), 0, "seed {seed}: no look-up failed");
        waits.push(wait);
        assert!(wait <= s(5), "seed {seed}: {wait:?}");
        none("safety", check::safety(&world));
    }
    waits.sort_unstable();
    println!("u25: waits of first messages past a silent reflector {waits:?}");
}

/// F7, U21: all reflectors of a leaf are lost. Its inside works on, look-ups of others for it fail
/// fast with `NoRoute`, and it recovers by itself, since other members are elected.
#[test]
fn f7_all_reflectors_of_a_leaf_lost() {
    crate::support::seeds("f7_all_reflectors_of_a_leaf_lost", 8, |seed| {
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
        crate::support::restart(&mut world, victim);
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

/// U25: one reflector of every group, at every level at once: the other one alone carries all.
#[test]
fn u25_one_of_two_reflectors_of_every_group_lost_at_once() {
    crate::support::seeds(
        "u25_one_of_two_reflectors_of_every_group_lost_at_once",
        6,
        |seed| {
            let mut hierarchy = Hierarchy::tree(&[2, 2, 2], 6);
            (hierarchy.reflectors, hierarchy.capable) = (2, 2);
            let mut world = formed(&hierarchy, seed);
            for place in 0..hierarchy.plans.len() {
                let leading = leading(&world, &hierarchy, place);
                // One that does not stand for any other group alone by now.
                let spare = leading.iter().rev().find(|&&victim| {
                    (0..hierarchy.plans.len()).all(|other| {
                        let others = self::leading(&world, &hierarchy, other);
                        !others.contains(&victim) || others.len() > 1
                    })
                });
                if let Some(&victim) = spare {
                    world.crash(victim);
                    world.run_for(ms(50));
                }
            }
            world.run_for(s(3));
            let pairs = pairs(&hierarchy);
            let (arrived, wait) = probe(&mut world, &pairs, s(3));
            assert_eq!(
                arrived,
                pairs.len(),
                "{wait:?}\n{}",
                show(&world, &hierarchy)
            );
        },
    );
}

/// Running nodes that lead a group up, as they say themselves.
fn leading(world: &World, hierarchy: &Hierarchy, place: usize) -> Vec<NodeIx> {
    let group = hierarchy.id(place);
    let leads = |node: &NodeIx| {
        let tiers = world.node(*node).expect("it runs").tiers();
        let mut tiers = tiers.iter().filter(|tier| tier.group == group);
        tiers.any(|tier| !tier.parents.is_empty())
    };
    world.running().into_iter().filter(leads).collect()
}

/// Several parents: one of them loses everybody that stands for others there, and look-ups go by
/// the other one.
#[test]
fn u25_a_second_parent_serves_when_the_first_is_lost() {
    let mut hierarchy = Hierarchy::default();
    let parents = ["left", "right"].map(|name| hierarchy.parent(name, 1, &[]));
    let leaves = ["a", "b"].map(|name| hierarchy.leaf(name, 6, &parents));
    let mut world = formed(&hierarchy, 1);
    for leaf in leaves {
        let any = world.node(NodeIx(5)).expect("it runs").tiers();
        assert_eq!(any[0].ancestors.len(), 2, "{leaf}: both parents are known");
    }
    // All links within one parent fail at once: its sessions are the same nodes' as the other's,
    // so what is lost is the group, by leaving it for good.
    for node in world.members_of(hierarchy.id(parents[0])) {
        world
            .command(node, Command::Leave(hierarchy.id(parents[0])))
            .expect("it is in");
    }
    let (arrived, wait) = probe(&mut world, &[(NodeIx(5), NodeIx(11))], s(2));
    assert_eq!(arrived, 1, "{wait:?}");
}

/// A leaf moves from one parent to another while others talk to it: no message is lost, and it is
/// known under its new parent only.
#[test]
fn a_leaf_gets_another_parent_under_traffic() {
    crate::support::seeds("a_leaf_gets_another_parent_under_traffic", 5, |seed| {
        let mut hierarchy = Hierarchy::default();
        let top = hierarchy.parent("top", 2, &[]);
        let [left, right] = ["left", "right"].map(|name| hierarchy.parent(name, 1, &[top]));
        let moving = hierarchy.leaf("moving", 6, &[left]);
        hierarchy.leaf("a", 6, &[left]);
        hierarchy.leaf("b", 6, &[right]);
        let mut world = formed(&hierarchy, seed);
        hierarchy.plans[moving].parents = vec![right];
        let timing = Arc::new(Timing::default());
        let mut config = (*hierarchy.config(&world, moving, &timing, (0, 0))).clone();
        config.place.epoch = 1;
        // Those who know the new parent are told; all others hear of the charter.
        for node in hierarchy.plans[moving].members[..5].iter().copied() {
            let command = Command::Recharter(Arc::new(config.clone()));
            world.command(node, command).expect("it is in");
        }
        let (outside, inside) = ((6..18).map(NodeIx).collect::<Vec<_>>(), NodeIx(5));
        let mut flows = Vec::new();
        for round in 0..60 {
            let from = outside[round % outside.len()];
            for (from, to) in [(from, inside), (inside, from)] {
                flows.push((from, to, world.flow(from, to, (1, s(1), 100))));
            }
            world.run_for(ms(250));
        }
        within(&mut world, "moving", s(30), |world| {
            is_formed(world, &hierarchy)
        });
        world.run_for(s(40));
        // A relay that was under way to who just left is repeated, and goes round after 3 s.
        for (from, to, flow) in flows {
            let received = world.received(to, from, flow);
            assert_eq!(received.delivered, 1, "n{} to n{}", from.0, to.0);
            assert!(received.latency_max <= s(4), "{:?}", received.latency_max);
        }
        let knows = |node: NodeIx, place: usize| {
            let tiers = world.node(node).expect("it runs").tiers();
            let group = hierarchy.id(place);
            let mut of_place = tiers.into_iter().filter(|tier| tier.group == group);
            of_place.any(|tier| tier.below.contains(&hierarchy.id(moving)))
        };
        let under = |place: usize| {
            let members = world.members_of(hierarchy.id(place)).into_iter();
            members.filter(|&node| knows(node, place)).count()
        };
        assert_eq!(
            (under(left), under(right)),
            (0, 6),
            "{}",
            show(&world, &hierarchy)
        );
        none("safety", check::safety(&world));
    });
}

/// Both exports: a node in two leaves reflects between them as ever, and nothing of that goes up.
#[test]
fn nothing_of_the_full_export_goes_up() {
    let mut hierarchy = Hierarchy::default();
    let parent = hierarchy.parent("parent", 1, &[]);
    hierarchy.leaf("a", 6, &[parent]);
    hierarchy.leaf("c", 6, &[parent]);
    let alone = hierarchy.leaf("alone", 6, &[]);
    let mut world = hierarchy.build(WorldConfig::new(1), |_, _| {});
    // The last that can be a reflector of `a` is in `alone` too.
    let timing = Arc::new(Timing::default());
    let second = hierarchy.config(&world, alone, &timing, (0, 0));
    for bridge in [3, 4].map(NodeIx) {
        let second = Arc::clone(&second);
        world.configure(bridge, |config| config.groups.push(second));
    }
    start_all(&mut world);
    world.run_for(s(20));
    assert!(views::all_agree(&world));
    let both = [
        (NodeIx(5), NodeIx(17)),
        (NodeIx(17), NodeIx(5)),
        (NodeIx(5), NodeIx(11)),
    ];
    assert_eq!(
        probe(&mut world, &both, s(3)).0,
        3,
        "beside, and by the parent"
    );
    let before = world.now();
    assert_eq!(probe(&mut world, &[(NodeIx(11), NodeIx(17))], s(3)).0, 0);
    let is_no_route = |what: &Observation| {
        matches!(
            what,
            Observation::Unreachable {
                reason: Unreachable::NoRoute,
                ..
            }
        )
    };
    let log = world.log().iter();
    assert!(
        log.filter(|seen| seen.time >= before)
            .any(|seen| is_no_route(&seen.what))
    );
}

/// F8: hierarchies wired at random, most of them wrong (cycles of parents, equal tiers, groups
/// above themselves, two parents): nothing circles, tables stay bounded, and the groups work.
#[test]
fn f8_hierarchies_wired_at_random_let_nothing_circle() {
    let cut = AtomicU64::new(0);
    crate::support::seeds(
        "f8_hierarchies_wired_at_random_let_nothing_circle",
        30,
        |seed| {
            let hierarchy = random_hierarchy(seed);
            let mut world = hierarchy.start(seed);
            world.run_for(s(20));
            let leaves = hierarchy.leaves();
            let last = |place: usize| *hierarchy.plans[place].members.last().expect("a leaf");
            for &from in &leaves {
                for &to in leaves.iter().filter(|&&to| to != from) {
                    world.flow(last(from), last(to), (5, ms(50), 200));
                }
            }
            let asked = world.row_tap().lookups();
            world.run_for(s(10));
            let pairs = leaves.len() * (leaves.len() - 1);
            let asked = world.row_tap().lookups() - asked;
            assert!(
                asked <= 60 * pairs as u64,
                "{asked} questions for {pairs} pairs"
            );
            assert!(
                world.row_tap().passed_max() <= 10,
                "{}",
                world.row_tap().passed_max()
            );
            for node in world.running() {
                let counters = world.node(node).expect("it runs").up_counters();
                cut.fetch_add(counters.cut, Ordering::Relaxed);
                for tier in world.node(node).expect("it runs").tiers() {
                    assert!(tier.below.len() <= hierarchy.plans.len());
                    assert!(tier.ancestors.len() <= 16);
                    assert!(
                        !tier.ancestors.contains(&tier.group),
                        "{}",
                        show(&world, &hierarchy)
                    );
                }
            }
            for leaf in leaves {
                assert!(views::agree(&world, hierarchy.id(leaf)));
            }
            none("safety", check::safety(&world));
        },
    );
    println!("f8: {} edges cut", cut.load(Ordering::Relaxed));
}

/// Some leaves and parents, wired by chance alone.
fn random_hierarchy(seed: u64) -> Hierarchy {
    let mut random = Random::split(seed, 77);
    let mut hierarchy = Hierarchy::default();
    let parents: Vec<usize> = (0..2 + random.index(3))
        .map(|index| {
            let tier = 1 + random.index(3) as u8;
            hierarchy.parent(&format!("p{index}"), tier, &[])
        })
        .collect();
    let leaves: Vec<usize> = (0..2 + random.index(2))
        .map(|index| hierarchy.leaf(&format!("l{index}"), 4, &[]))
        .collect();
    for &place in parents.iter().chain(&leaves) {
        for _ in 0..random.index(3) {
            // Itself, a leaf, or anything else.
            let above = random.index(hierarchy.plans.len());
            let mine = &mut hierarchy.plans[place].parents;
            if !mine.contains(&above) {
                mine.push(above);
            }
        }
    }
    hierarchy
}

/// F9: nodes come and go at every tier for a while; then everything forms again by itself.
#[test]
fn f9_churn_at_every_tier_heals() {
    crate::support::seeds("f9_churn_at_every_tier_heals", 4, |seed| {
        let mut hierarchy = Hierarchy::tree(&[2, 2], 7);
        hierarchy.capable = 6;
        let mut world = formed(&hierarchy, seed);
        let mut down: Vec<NodeIx> = Vec::new();
        for _ in 0..40 {
            let running = world.running();
            let victim = running[world.random().index(running.len())];
            world.crash(victim);
            down.push(victim);
            let wait = world.random().duration(ms(200), s(2));
            world.run_for(wait);
            if down.len() > 4 {
                let back = down.remove(0);
                crate::support::restart(&mut world, back);
            }
        }
        for node in down {
            crate::support::restart(&mut world, node);
        }
        within(&mut world, "healing", s(60), |world| {
            is_formed(world, &hierarchy) && views::all_agree(world)
        });
        world.run_for(s(5));
        let pairs = pairs(&hierarchy);
        let (arrived, wait) = probe(&mut world, &pairs, s(3));
        assert_eq!(arrived, pairs.len(), "{wait:?}");
        none("safety", check::safety(&world));
    });
}

/// DESIGN section 11: a member holds its group, a reflector one group more for each tier.
#[test]
fn i14_sessions_grow_with_tiers_and_not_with_nodes() {
    let hierarchy = Hierarchy::tree(&[12], 20);
    let world = formed(&hierarchy, 1);
    let counts: Vec<usize> = world
        .nodes()
        .iter()
        .map(|&n| sessions::count(&world, n))
        .collect();
    let (worst, total) = (counts.iter().max().copied(), counts.iter().sum::<usize>());
    // The three of one leaf have each other already.
    assert_eq!(worst, Some(19 + 35 - 2));
    assert_eq!(total, 240 * 19 + 36 * (35 - 2));
    let reflector = world.members_of(hierarchy.id(0))[0];
    let tiers = world.node(reflector).expect("it runs").tiers();
    let top = tiers
        .iter()
        .find(|tier| tier.group == hierarchy.id(0))
        .expect("it is in");
    assert_eq!(top.below.len(), 12, "one record a group");
    none("a quiet world", check::quiet(&world));
    println!(
        "240 nodes: {} sessions on average, {worst:?} at worst",
        total / 240
    );
}
