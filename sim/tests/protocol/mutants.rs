//! Checkers look while a world runs, and find every mutant within a few seeds.

use crate::support::{formed, ms, s};
use archipelago_sim::check::{self, Violation};
use archipelago_sim::topology::Topology;
use archipelago_sim::{Checker, Mutant, NodeIx, Observed, World, WorldConfig};

/// Seeds within which each mutant must be found.
const SEEDS: u64 = 3;

/// Two groups and their reflectors, a conversation inside a group and one across, with one node
/// broken: a member that is spoken to, or a reflector.
fn run(seed: u64, mutant: Option<(usize, Mutant)>) -> World {
    let topology = Topology::backbone(2, 4, 2);
    let mut world = formed(&topology, seed);
    world.attach(ms(500), check::safety);
    let nodes = world.nodes();
    for node in nodes.iter().copied() {
        let is_it = |(place, _): &(usize, Mutant)| nodes[*place] == node;
        world.mutate(node, mutant.filter(is_it).map(|(_, mutant)| mutant));
    }
    world.flow(nodes[3], nodes[2], (20, ms(20), 100));
    world.flow(nodes[6], nodes[2], (20, ms(20), 100));
    world.crash(nodes[7]);
    world.run_for(s(5));
    crate::support::restart(&mut world, nodes[7]);
    world.run_for(s(10));
    world
}

fn is_found(place: usize, mutant: Mutant, invariant: &str) -> bool {
    (1..=SEEDS).any(|seed| {
        let world = run(seed, Some((place, mutant)));
        let found = world.violations();
        found
            .iter()
            .any(|violated| violated.violation.invariant == invariant)
    })
}

#[test]
fn nothing_is_found_where_nothing_is_broken() {
    for seed in 1..=SEEDS {
        let world = run(seed, None);
        assert_eq!(world.violations(), [], "seed={seed}");
    }
}

#[test]
fn i7_a_message_delivered_twice_is_found() {
    assert!(is_found(2, Mutant::DeliverTwice, "I7"));
}

#[test]
fn i7_a_gap_is_found() {
    assert!(is_found(2, Mutant::DeliverLess, "I7"));
}

#[test]
fn i10_a_storm_of_rows_is_found() {
    let found = (1..=SEEDS).any(|seed| {
        let config = WorldConfig::new(seed);
        let mut world = Topology::backbone(2, 4, 2).build(config, |_, _| {});
        world.attach(ms(500), check::safety);
        for node in world.nodes() {
            crate::support::start(&mut world, node);
            world.mutate(node, Some(Mutant::RowStorm));
        }
        world.run_for(s(10));
        let found = world.violations().iter();
        found
            .map(|violated| violated.violation.invariant)
            .any(|name| name == "I10")
    });
    assert!(found);
}

#[test]
fn i2_a_member_that_comes_up_twice_is_found() {
    assert!(is_found(4, Mutant::UpTwice, "I2"));
}

/// Counts what it is shown, and finds fault with the tenth.
struct Tenth(usize);

impl Checker for Tenth {
    fn on_observed(&mut self, observed: &Observed) -> Vec<Violation> {
        self.0 += 1;
        let text = format!("n{}", observed.node);
        if self.0 == 10 {
            vec![Violation::new("tenth", text)]
        } else {
            Vec::new()
        }
    }
}

/// The same is found at the same time on any number of shards and threads, log or no log.
#[test]
fn checkers_see_the_same_on_many_threads() {
    let found = |threads: usize, log: bool| {
        let config = WorldConfig {
            threads,
            log,
            stripe_len: 1,
            ..WorldConfig::new(1)
        };
        let mut world = Topology::backbone(2, 4, 2).build(config, |_, _| {});
        world.attach(s(1), Tenth(0));
        world.attach(ms(700), |world: &World| {
            let count = world.running().len();
            vec![Violation::new("running", format!("{count} nodes run"))]
        });
        for node in world.nodes() {
            crate::support::start(&mut world, node);
        }
        world.run_for(s(2));
        world.crash(NodeIx(1));
        world.run_for(s(2));
        world.violations().to_vec()
    };
    let alone = found(1, true);
    assert_eq!(alone.len(), 3, "{alone:?}");
    assert_eq!(found(3, true), alone);
    assert_eq!(found(2, false), alone);
}
