//! What reflection costs, flat and in tiers: sessions, tables, messages to form and after the loss of
//! one reflector, for the same leaves of twenty nodes with two reflectors each.
//!
//! Flat: all reflectors are one group and flood rows (RFC 4456 without hierarchy). Tiers: the leaves'
//! reflectors join parents of about ten children each, these one above (RFC 4456 section 7).
//! Deterministic: virtual time. Run: `cargo run --release -p archipelago-sim --example reflection_cost`

use std::time::Duration;

use archipelago_sim::check::{sessions, views};
use archipelago_sim::tally::{Kind, Tally};
use archipelago_sim::tiers::{Hierarchy, forming_limit, is_formed};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, World};

const LEAF_LEN: u32 = 20;
const REFLECTORS: u8 = 2;
/// How long a lost reflector is listened for.
const WATCH: Duration = Duration::from_secs(10);

fn main() {
    println!(
        "nodes  export  formed ms  sessions mean, max  tables max  updates to form, a node  \
         replaced ms  updates for a lost reflector, in all"
    );
    let limit: usize = std::env::args()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(2_000);
    for (parents, children) in [(2, 5), (5, 5), (5, 10), (10, 10)] {
        let leaves = parents * children;
        if leaves * LEAF_LEN as usize <= limit {
            flat(leaves);
            tiers(parents, children);
        }
    }
}

fn flat(leaves: usize) {
    let count = u32::try_from(leaves).expect("a hundred");
    let topology = Topology::backbone(count, LEAF_LEN, REFLECTORS.into());
    let mut world = topology.start(1);
    let is_settled = |world: &World| {
        let mut nodes = topology.reflectors().into_iter();
        views::all_agree(world) && nodes.all(|node| routes(world, node) + 2 > leaves)
    };
    let formed = await_for(&mut world, Duration::from_secs(120), is_settled);
    let victim = topology.reflectors()[1];
    report(&mut world, "flat", formed, victim, views::all_agree);
}

fn tiers(parents: usize, children: usize) {
    let mut hierarchy = Hierarchy::tree(&[parents, children], LEAF_LEN);
    hierarchy.reflectors = REFLECTORS;
    let mut world = hierarchy.start(1);
    let is_settled = |world: &World| is_formed(world, &hierarchy) && views::all_agree(world);
    let formed = await_for(&mut world, forming_limit(&hierarchy), is_settled);
    // Not a seed of the parent: seeds come first among those elected.
    let parent = hierarchy.children(0)[0];
    let victim = world.members_of(hierarchy.id(parent)).last().copied();
    report(
        &mut world,
        "tiers",
        formed,
        victim.unwrap_or(NodeIx(0)),
        is_settled,
    );
}

/// One line: the world as it is, and what the loss of `victim` leads to.
fn report(
    world: &mut World,
    export: &str,
    formed: Duration,
    victim: NodeIx,
    is_settled: impl Fn(&World) -> bool,
) {
    let to_form = updates(&world.tally());
    world.run_for(Duration::from_secs(5));
    let nodes = world.nodes();
    let counts: Vec<usize> = nodes.iter().map(|&n| sessions::count(world, n)).collect();
    let tables = nodes.iter().map(|&node| table(world, node)).max();
    let quiet = during(world, |world| world.run_for(WATCH));
    let mut replaced = Duration::ZERO;
    let busy = during(world, |world| {
        world.crash(victim);
        replaced = await_for(world, Duration::from_secs(60), &is_settled);
        world.run_for(WATCH.saturating_sub(replaced));
    });
    println!(
        "{:>5}  {export:<6}  {:>9}  {:>8.1}, {:<9}  {:>10}  {:>23.1}  {:>11}  {:>32}",
        nodes.len(),
        formed.as_millis(),
        counts.iter().sum::<usize>() as f64 / counts.len() as f64,
        counts.iter().max().copied().unwrap_or(0),
        tables.unwrap_or(0),
        to_form as f64 / nodes.len() as f64,
        replaced.as_millis(),
        busy.saturating_sub(quiet),
    );
}

/// Messages that carry what reflection says: rows, and the owner-logs that tiers ride in.
fn updates(tally: &Tally) -> u64 {
    [Kind::Row, Kind::RowDigest, Kind::Log, Kind::LogDigest]
        .map(|kind| tally.of(kind))
        .iter()
        .sum()
}

fn during(world: &mut World, call: impl FnOnce(&mut World)) -> u64 {
    let before = world.tally();
    call(world);
    updates(&world.tally().since(&before))
}

/// Groups that one node knows of: by rows, and above and below it.
fn table(world: &World, node: NodeIx) -> usize {
    let tiers = world.node(node).map(|node| node.tiers());
    let below = tiers.iter().flatten().map(|tier| tier.below.len());
    routes(world, node) + below.sum::<usize>()
}

fn routes(world: &World, node: NodeIx) -> usize {
    world.node(node).map_or(0, |node| node.routes().len())
}

fn await_for(world: &mut World, limit: Duration, is_settled: impl Fn(&World) -> bool) -> Duration {
    let took = world.run_until(limit, is_settled);
    took.expect("it settles within its limit")
}
