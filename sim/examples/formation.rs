//! What forming a cluster takes, and what it says when it rests: messages, signatures, dials.
//!
//! Groups of 20 with two reflectors each, bridged by one backbone group, as the demo has them.
//! `cargo run --release -p archipelago-sim --example formation -- 10 60 120 240 480` starts a node
//! every 10 ms (a live machine is busy while it forms), and prints the figures of each size.

use std::time::Duration;

use archipelago_sim::tally::Tally;
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, World, WorldConfig};

/// Members of a group.
const SIZE: u32 = 20;
/// Reflectors of a group.
const REFLECTORS: usize = 2;
/// What the counts at rest are taken over.
const REST: Duration = Duration::from_secs(20);

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse::<u32>().ok());
    let pause = Duration::from_millis(u64::from(numbers.next().unwrap_or(10)));
    let counts: Vec<u32> = numbers.collect();
    let counts = if counts.is_empty() {
        vec![60, 120, 240]
    } else {
        counts
    };
    for count in counts {
        measure(count, pause);
    }
}

fn measure(count: u32, pause: Duration) {
    let topology = Topology::backbone(count / SIZE, SIZE, REFLECTORS);
    let mut world = topology.build(WorldConfig::new(1), |_, _| {});
    for node in starting_order(&topology) {
        world
            .start(node)
            .expect("topologies make working configurations");
        world.run_for(pause);
    }
    let starting = pause * count;
    let formed = world.run_until(Duration::from_secs(60), |world| is_formed(world, &topology));
    let Some(formed) = formed else {
        return println!("{count} nodes have not formed");
    };
    println!(
        "{count} nodes formed {formed:?} after the last start, {:?} after the first",
        starting + formed
    );
    let forming = world.tally();
    show("  forming, a node", &forming, f64::from(count));
    world.run_for(REST);
    let settling = world.tally();
    show(
        "  the next 20 s, a node and second",
        &settling.since(&forming),
        f64::from(count) * REST.as_secs_f64(),
    );
    world.run_for(REST);
    show(
        "  at rest, a node and second",
        &world.tally().since(&settling),
        f64::from(count) * REST.as_secs_f64(),
    );
}

/// The first of each group, then all others by chance.
fn starting_order(topology: &Topology) -> Vec<NodeIx> {
    let founders: Vec<NodeIx> = (0..topology.groups.len())
        .filter_map(|group| topology.members(group).first().copied())
        .collect();
    let mut others: Vec<NodeIx> = topology
        .groups
        .iter()
        .flat_map(|(_, members)| members.iter().copied())
        .filter(|node| !founders.contains(node))
        .collect();
    others.sort_unstable();
    others.dedup();
    archipelago_sim::Random::new(1).shuffle(&mut others);
    let mut order = founders;
    order.dedup();
    let mut seen = std::collections::BTreeSet::new();
    order.extend(others);
    order.retain(|&node| seen.insert(node));
    order
}

/// Everybody sees its whole groups, and every reflector a way to every group.
fn is_formed(world: &World, topology: &Topology) -> bool {
    let sees_all = |node: NodeIx, group: usize| {
        let machine = world.node(node);
        let members = machine.and_then(|machine| machine.members(topology.id(group)));
        members.is_some_and(|members| members.len() == topology.members(group).len())
    };
    let all_see = (0..topology.groups.len())
        .all(|group| topology.members(group).iter().all(|&n| sees_all(n, group)));
    let routes_max = topology.groups.len();
    let knows = |node: &NodeIx| {
        let machine = world.node(*node);
        machine.is_some_and(|machine| machine.routes().len() == routes_max)
    };
    let meshed = || {
        let ends = |node: NodeIx| world.connections(node).len();
        world.nodes().into_iter().all(|node| {
            let groups = topology.groups_of(node);
            let sizes = groups
                .iter()
                .map(|&group| topology.members(group).len() - 1);
            // A reflector meets the other reflectors of its group in the backbone too.
            let twice = if groups.len() > 1 { REFLECTORS - 1 } else { 0 };
            ends(node) == sizes.sum::<usize>() - twice
        })
    };
    all_see && topology.reflectors().iter().all(knows) && meshed()
}

fn show(what: &str, tally: &Tally, share: f64) {
    let of = |count: u64| count as f64 / share;
    println!(
        "{what}: {:.2} messages, {:.2} signed, {:.2} verified, {:.2} dials",
        of(tally.total()),
        of(tally.signed),
        of(tally.verified),
        of(tally.dials),
    );
    let kinds = tally
        .kinds()
        .map(|(kind, count)| format!("{kind:?} {:.2}", of(count)));
    println!("      {}", kinds.collect::<Vec<_>>().join(", "));
}
