//! What an idle node and an idle session cost in memory, and how fast the world turns.
//!
//! Forms N nodes in groups of a size (or generates them formed, with the word `generated`), lets them
//! idle, and prints one line of figures for each N:
//! `cargo run --release -p archipelago-sim --example idle_memory -- 20 1000 10000 100000`, or
//! `... -- 100 generated idle=5 100000`.
//! Below them: the messages of a second of processor time, which is what counts on a machine that others
//! use too, and the bytes of an idle node by part, as the machines count their own tables; "shared and
//! allocator" is the rest up to the resident set. Resident memory is the kernel's own count; the
//! world keeps no log and hashes no contents here.

use std::time::Duration;

use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, World, WorldConfig};

/// Between the starts of two groups.
const STAGGER: Duration = Duration::from_millis(2);
/// How long a world idles once it has formed, where `idle=SECONDS` says nothing else.
const IDLE_S: u64 = 20;

/// How the nodes of a world begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// They join, message by message.
    Joined,
    /// They begin as if they had joined a while ago.
    Generated,
}

fn main() {
    let is_generated = std::env::args().any(|text| text == "generated");
    let start = if is_generated {
        Start::Generated
    } else {
        Start::Joined
    };
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse::<u32>().ok());
    let size = numbers.next().unwrap_or(20);
    let counts: Vec<u32> = numbers.collect();
    let counts = if counts.is_empty() {
        vec![1_000, 10_000]
    } else {
        counts
    };
    let idle = std::env::args().find_map(|text| text.strip_prefix("idle=")?.parse().ok());
    let idle = Duration::from_secs(idle.unwrap_or(IDLE_S));
    println!("groups of {size}, start: {start:?}, idle for {idle:?}");
    println!(
        "   nodes  sessions  B/node  B/session  sessions/node  form s  idle events/s  idle x real time"
    );
    for count in counts {
        measure(count, size, start, idle);
    }
}

fn measure(count: u32, size: u32, how: Start, idle: Duration) {
    let before = resident_bytes();
    let mut topology = Topology::new();
    for group in 0..count / size {
        let members = topology.take(size);
        topology.push(&format!("g{group}"), members);
    }
    #[allow(
        clippy::disallowed_types,
        reason = "the example measures wall-clock time"
    )]
    let start = std::time::Instant::now();
    let mut world = topology.build(WorldConfig::large(1), |_, _| {});
    if how == Start::Generated {
        world
            .generate()
            .expect("topologies make working configurations");
    } else {
        join(&topology, &mut world);
    }
    let formed = start.elapsed();
    check_formed(&world, size);
    let (events, messages) = (world.trace().events(), world.tally().total());
    let busy = processor_seconds();
    #[allow(
        clippy::disallowed_types,
        reason = "the example measures wall-clock time"
    )]
    let start = std::time::Instant::now();
    world.run_for(idle);
    let idled = start.elapsed();
    let busy = processor_seconds() - busy;
    let events = world.trace().events() - events;
    let messages = world.tally().total() - messages;
    let bytes = resident_bytes().saturating_sub(before);
    let ends: usize = world
        .nodes()
        .into_iter()
        .map(|node| world.connections(node).len())
        .sum();
    println!(
        "{count:8}  {:8}  {:6}  {:9}  {:13.1}  {:6.1}  {:13.0}  {:16.1}",
        ends / 2,
        bytes / u64::from(count),
        bytes / ends.max(1) as u64,
        ends as f64 / f64::from(count),
        formed.as_secs_f64(),
        events as f64 / idled.as_secs_f64(),
        idle.as_secs_f64() / idled.as_secs_f64(),
    );
    println!(
        "          {messages} messages in {busy:.2} s of processor time, {:.0} k a second of it; digest {:016x}",
        messages as f64 / busy.max(0.01) / 1e3,
        world.trace().hash(),
    );
    print_parts(&world, bytes, count, ends);
}

/// Starts one group after the other, so that what is measured is rest and not the rush of a start.
fn join(topology: &Topology, world: &mut World) {
    for place in 0..topology.groups.len() {
        for &node in topology.members(place) {
            world
                .start(node)
                .expect("topologies make working configurations");
        }
        world.run_for(STAGGER);
    }
    world.run_for(Duration::from_secs(10));
}

/// What a node takes, part by part.
fn print_parts(world: &World, bytes: u64, count: u32, ends: usize) {
    let footprint = world.footprint();
    let counted = footprint.total() as u64;
    let rest = [(
        "shared and allocator",
        bytes.saturating_sub(counted) as usize,
    )];
    println!("          part                    B/node  B/session end");
    for (part, bytes) in footprint.parts().iter().chain(&rest) {
        let a_node = *bytes as f64 / f64::from(count);
        let an_end = *bytes as f64 / ends.max(1) as f64;
        println!("          {part:22} {a_node:7.0}  {an_end:13.1}");
    }
}

/// Every node sees its whole group: what is measured is a formed world.
fn check_formed(world: &World, size: u32) {
    for node in world.nodes() {
        let group = world
            .node_config(node)
            .groups
            .first()
            .map(|group| group.id());
        let machine = world.node(node).expect("every node runs");
        let members = group
            .and_then(|group| machine.members(group))
            .unwrap_or_default();
        assert_eq!(
            members.len(),
            size as usize,
            "node {} has not formed",
            NodeIx(node.0).0
        );
    }
}

/// Processor time of this process, as the kernel counts it.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.filter_map(|word| word.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Resident memory of this process, as the kernel counts it.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
