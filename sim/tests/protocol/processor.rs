//! Nodes whose processor takes time for each packet: they answer late, wait their turn, and lose with
//! a crash what they had not come to.

use std::time::Duration;

use crate::support::{ms, none, restart, s, within};
use archipelago_sim::check::{self, views};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, World, WorldConfig};

fn group(members: u32, packet_time: Duration) -> (Topology, World) {
    let topology = Topology::group(members);
    let config = WorldConfig {
        packet_time,
        ..WorldConfig::new(1)
    };
    let mut world = topology.build(config, |_, _| {});
    world.generate().expect("a group of a size that is allowed");
    world.run_for(s(1));
    (topology, world)
}

/// Names registered in a second by each member, three at a time.
fn registered(members: u32, packet_time: Duration) -> u64 {
    let (topology, mut world) = group(members, packet_time);
    for node in world.nodes() {
        world.start_names(node, topology.id(0), 3, s(1));
    }
    world.run_for(s(2));
    let confirmed = |node| world.name_load(node).confirmed;
    world.nodes().into_iter().map(confirmed).sum::<u64>() / u64::from(members)
}

/// A registration is heard by every member: where that takes their time, each of them gets done the
/// fewer the more there are, and where it takes none, as many.
#[test]
fn work_of_a_larger_group_leaves_each_member_less() {
    let (few, many) = (registered(5, ms(1)), registered(20, ms(1)));
    assert!(many * 3 < few, "{many} of 20 each, {few} of 5 each");
    let (few, many) = (
        registered(5, Duration::ZERO),
        registered(20, Duration::ZERO),
    );
    assert!(many * 5 > few * 4, "{many} of 20 each, {few} of 5 each");
}

#[test]
fn a_crash_loses_what_was_not_worked_on_and_nothing_later() {
    let (topology, mut world) = group(10, ms(1));
    for node in world.nodes() {
        world.start_names(node, topology.id(0), 10, s(3));
    }
    world.run_for(s(1));
    world.crash(NodeIx(3));
    world.run_for(s(1));
    restart(&mut world, NodeIx(3));
    within(&mut world, "agreement", s(30), views::all_agree);
    none("safety", check::safety(&world));
}
