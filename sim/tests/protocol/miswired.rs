//! F8 by the thousand: hierarchies and flat overlays wired at random, most of them wrong (cycles of
//! parents, equal tiers, groups above themselves or above nothing, reflectors between the same two
//! groups twice, rings of bridges). Nothing circles, and tables stay bounded.
//!
//! Each seed is a small world over a short time: what may circle does so at once. All 10,000 take
//! three quarters of a minute of processor time.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{ms, none, s, seeds, within};
use archipelago_sim::check;
use archipelago_sim::check::views;
use archipelago_sim::tiers::Hierarchy;
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, Random, World};

/// Questions that one pair of leaves may cause.
const QUESTIONS_MAX: u64 = 60;
/// How often one version of a row may be sent to one neighbour, and one look-up handed on.
const PASSED_MAX: u8 = 10;

#[test]
fn f8_thousands_of_hierarchies_wired_at_random_let_nothing_circle() {
    hierarchies(
        "f8_thousands_of_hierarchies_wired_at_random_let_nothing_circle",
        8_000,
    );
}

#[test]
fn f8_thousands_of_flat_overlays_wired_at_random_let_nothing_circle() {
    overlays(
        "f8_thousands_of_flat_overlays_wired_at_random_let_nothing_circle",
        2_000,
    );
}

fn hierarchies(name: &str, count: u64) {
    let (cut, ran) = (AtomicU64::new(0), AtomicU64::new(0));
    seeds(name, count, |seed| {
        ran.fetch_add(1, Ordering::Relaxed);
        let hierarchy = random_hierarchy(seed);
        let mut world = hierarchy.start(seed);
        world.run_for(s(7));
        let leaves = hierarchy.leaves();
        let members = |&leaf: &usize| hierarchy.plans[leaf].members.clone();
        let ends: Vec<NodeIx> = leaves
            .iter()
            .filter_map(|leaf| members(leaf).pop())
            .collect();
        talk(&mut world, &ends);
        for node in world.running() {
            let machine = world.node(node).expect("it runs");
            cut.fetch_add(machine.up_counters().cut, Ordering::Relaxed);
            for tier in machine.tiers() {
                assert!(tier.below.len() <= hierarchy.plans.len(), "bounded");
                assert!(tier.ancestors.len() <= hierarchy.plans.len(), "bounded");
                assert!(!tier.ancestors.contains(&tier.group), "above itself");
            }
        }
        for &leaf in &leaves {
            let group = hierarchy.id(leaf);
            within(&mut world, "agreement", s(30), |world| {
                views::agree(world, group)
            });
        }
        none("safety", check::safety(&world));
    });
    let (cut, ran) = (cut.into_inner(), ran.into_inner());
    println!("{cut} edges were cut");
    // One world alone may be wired well by chance.
    assert!(
        ran < 100 || cut > ran / 10,
        "hardly any was wired wrong: {cut}"
    );
}

fn overlays(name: &str, count: u64) {
    seeds(name, count, |seed| {
        let mut random = Random::split(seed, 78);
        let (nodes, groups) = (9 + random.index(6), 2 + random.index(3));
        let overlaps = groups + random.index(2 * groups);
        let count = u32::try_from(nodes).expect("a few");
        let topology = Topology::overlapping(count, groups, overlaps, &mut random);
        let mut world = topology.start(seed);
        world.run_for(s(7));
        let ends = [NodeIx(0), NodeIx(count - 1), NodeIx(count / 2)];
        talk(&mut world, &ends);
        for node in world.running() {
            let routes = world.node(node).expect("it runs").routes().len();
            assert!(routes <= groups, "{routes} routes to {groups} groups");
        }
        within(&mut world, "agreement", s(30), views::all_agree);
        none("safety", check::safety(&world));
    });
}

/// Everybody of `ends` sends to everybody else; what that may cost is bounded.
fn talk(world: &mut World, ends: &[NodeIx]) {
    let mut pairs = 0;
    for &from in ends {
        for &to in ends.iter().filter(|&&to| to != from) {
            world.flow(from, to, (2, ms(50), 200));
            pairs += 1;
        }
    }
    let before = world.row_tap().lookups();
    world.run_for(s(3));
    let asked = world.row_tap().lookups() - before;
    assert!(asked <= QUESTIONS_MAX * pairs, "{asked} of {pairs} pairs");
    let passed = world.row_tap().passed_max();
    assert!(passed <= PASSED_MAX, "{passed} times");
}

/// Two or three leaves of three and two to four parents, wired by chance alone.
fn random_hierarchy(seed: u64) -> Hierarchy {
    let mut random = Random::split(seed, 77);
    let mut hierarchy = Hierarchy::default();
    let parents: Vec<usize> = (0..2 + random.index(3))
        .map(|index| {
            let tier = 1 + u8::try_from(random.below(3)).unwrap_or(0);
            hierarchy.parent(&format!("p{index}"), tier, &[])
        })
        .collect();
    let leaves: Vec<usize> = (0..2 + random.index(2))
        .map(|index| hierarchy.leaf(&format!("l{index}"), 3, &[]))
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
