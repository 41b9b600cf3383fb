//! What tiers cost: sessions, records held, forming, and the time until a lost reflector is replaced,
//! for the same nodes under one, two and three rows of parents; and then what they cost at sizes
//! given as arguments, from a generated start. Deterministic: virtual time.
//!
//! Run: `cargo run --release -p archipelago-sim --example tiers_cost -- 200 2000 20000 200000`; with
//! `size=50` for other groups than those of 100 that the design reckons with, and `seconds=2` for
//! another time than ten virtual seconds.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use archipelago_sim::check::{sessions, views};
use archipelago_sim::run::{Experiment, RunOptions};
use archipelago_sim::scenario::Scenario;
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
    let sizes = std::env::args().filter_map(|text| text.parse::<u32>().ok());
    let sizes: Vec<u32> = sizes.collect();
    if sizes.is_empty() {
        return;
    }
    let size = std::env::args().find_map(|text| text.strip_prefix("size=")?.parse().ok());
    println!(
        "\n{:>9} {:>7} {:>5} {:>13} {:>13} {:>14} {:>12} {:>12} {:>8}",
        "nodes",
        "groups",
        "tiers",
        "sessions avg",
        "sessions max",
        "control /s",
        "records max",
        "records avg",
        "B/node"
    );
    let seconds = std::env::args().find_map(|text| text.strip_prefix("seconds=")?.parse().ok());
    for nodes in sizes {
        at_size(nodes, size.unwrap_or(100), seconds.unwrap_or(10));
    }
}

/// Some idle seconds of so many nodes, and what each has then. Orders of messages alone are checked:
/// safety needs a log of everything, which takes as much memory as the nodes.
fn at_size(nodes: u32, size: u32, seconds: u32) {
    let text = format!(
        "name = 'tiers'\nstart = 'generated'\nduration = '{seconds}s'\n[topology.hierarchy]\n\
         groups = {}\nsize = {size}\nreflectors = 3\nparent_size = 100\n\
         [hold]\ninvariants = ['order']\n",
        nodes.div_ceil(size)
    );
    let scenario = Scenario::parse(&text).expect("a right scenario");
    let stop = AtomicBool::new(false);
    let mut experiment =
        Experiment::new(&scenario, RunOptions::new(&stop)).expect("it names what is there");
    experiment.form(&mut |_| {});
    experiment.run(&mut |_| {});
    let world = experiment.world();
    let held = world.nodes().into_iter().map(|node| records(world, node));
    let (sum, most) = held.fold((0, 0), |(sum, most), held| (sum + held, most.max(held)));
    let result = experiment.finish();
    println!(
        "{nodes:>9} {:>7} {:>5} {:>13.1} {:>13} {:>14.2} {:>12} {:>12.1} {:>8}",
        result.groups,
        result.tiers,
        result.sessions_mean,
        result.sessions_max,
        result
            .control
            .map_or(f64::NAN, |control| control.per_node_per_s),
        most,
        sum as f64 / f64::from(nodes),
        result.bytes_per_node,
    );
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
