//! What it takes a group to form: time without waiting for a timer, and one connection a pair.

use std::time::Duration;

use crate::support::ms;
use archipelago_sim::check::views;
use archipelago_sim::topology::Topology;
use archipelago_sim::{LinkProfile, World, WorldConfig};

/// A founder, and soon after it all others within `spread`.
fn start(size: u32, spread: Duration, seed: u64) -> World {
    let topology = Topology::group(size);
    let mut config = WorldConfig::new(seed);
    config.link = LinkProfile::with_latency(ms(1));
    let mut world = topology.build(config, |_, _| {});
    let mut nodes = world.nodes();
    crate::support::start(&mut world, nodes.remove(0));
    world.run_for(ms(5));
    world.random().shuffle(&mut nodes);
    for node in nodes {
        crate::support::start(&mut world, node);
        world.run_for(spread / size);
    }
    world
}

/// G1: nobody waits for a timer where everybody is there. No pair of nodes connects twice, but for
/// a joiner that dials its second seed while that one dials it.
#[test]
fn g1_a_group_forms_in_a_few_round_trips_with_one_connection_a_pair() {
    crate::support::seeds("g1_a_group_forms", 100, |seed| {
        let spread = [0, 2, 10, 50, 100][(seed % 5) as usize];
        let size = [3, 12, 20, 40][(seed / 5 % 4) as usize];
        let mut world = start(size, ms(spread), seed);
        let took = world.run_until(ms(300), views::all_agree);
        assert!(took.is_some(), "{size} within {spread} ms wait for a timer");
        let (dials, pairs) = (world.tally().dials, u64::from(size * (size - 1) / 2));
        let dials_max = pairs + u64::from(size);
        assert!(dials <= dials_max, "{dials} dials for {pairs} pairs");
    });
}

/// G1: where sessions take long to open, because links are long or machines busy, the one that
/// waits for the other's dial waits long enough.
#[test]
fn g1_slow_sessions_are_not_opened_twice() {
    for (latency, jitter) in [(20, 20), (100, 100), (100, 500)] {
        let topology = Topology::backbone(6, 20, 2);
        let mut config = WorldConfig::new(1);
        config.link = LinkProfile {
            latency: ms(latency),
            jitter: ms(jitter),
            ..LinkProfile::default()
        };
        let mut world = topology.build(config, |_, _| {});
        let (founders, others): (Vec<_>, Vec<_>) =
            world.nodes().into_iter().partition(|node| node.0 % 20 == 0);
        for node in founders.into_iter().chain(others) {
            crate::support::start(&mut world, node);
        }
        let took = world.run_until(crate::support::s(30), views::all_agree);
        assert!(took.is_some(), "not formed over {latency} + {jitter} ms");
        let (dials, pairs) = (world.tally().dials, 6 * 190 + 12 * 11 / 2 - 6);
        assert!(dials <= pairs + 120, "{dials} dials for {pairs} pairs");
    }
}
