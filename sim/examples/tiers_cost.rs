//! What tiers cost: sessions, records held, forming, and the time until a lost reflector is replaced,
//! for the same nodes under one, two and three rows of parents. Deterministic: virtual time.
//!
//! Run: `cargo run --release -p archipelago-sim --example tiers_cost`

use std::time::Duration;

use archipelago_sim::check::{sessions, views};
use archipelago_sim::tiers::{Hierarchy, forming_limit, is_formed};
use archipelago_sim::{NodeIx, World};

fn main() {
    println!(
        "{:>5} {:>6} {:>13} {:>13} {:>12} {:>12} {:>12}",
        "rows", "groups", "sessions avg", "sessions max", "records max", "formed ms", "replaced ms"
    );
    for children in [&[12][..], &[3, 4], &[2, 2, 3]] {
        row(children);
    }
}

fn row(children: &[usize]) {
    let hierarchy = Hierarchy::tree(children, 10);
    let mut world = hierarchy.start(1);
    let formed = await_formed(&mut world, &hierarchy);
    world.run_for(Duration::from_secs(5));
    let nodes = world.nodes();
    let counts: Vec<usize> = nodes.iter().map(|&n| sessions::count(&world, n)).collect();
    let records = nodes.iter().map(|&node| records(&world, node)).max();
    let top = world.members_of(hierarchy.id(0));
    // Not a seed of it: seeds come first among those elected.
    let victim = top.last().copied().unwrap_or(NodeIx(0));
    world.crash(victim);
    let replaced = await_formed(&mut world, &hierarchy);
    println!(
        "{:>5} {:>6} {:>13.1} {:>13} {:>12} {:>12} {:>12}",
        children.len(),
        hierarchy.plans.len(),
        counts.iter().sum::<usize>() as f64 / counts.len() as f64,
        counts.iter().max().copied().unwrap_or(0),
        records.unwrap_or(0),
        formed.as_millis(),
        replaced.as_millis(),
    );
}

fn await_formed(world: &mut World, hierarchy: &Hierarchy) -> Duration {
    let limit = forming_limit(hierarchy);
    let took = world.run_until(limit, |world| {
        is_formed(world, hierarchy) && views::all_agree(world)
    });
    took.expect("a hierarchy forms within its limit")
}

/// Records of groups that one node holds, over all groups that it is in.
fn records(world: &World, node: NodeIx) -> usize {
    let tiers = world.node(node).map(|node| node.tiers());
    tiers
        .unwrap_or_default()
        .iter()
        .map(|tier| tier.below.len())
        .sum()
}
