//! The real protocol at rest: every session, timer and table of every node, and nobody says anything
//! but the machines themselves.
//!
//! Forms N nodes in groups of a size, then lets them rest for some virtual seconds:
//! `cargo bench -p archipelago-sim --bench idle -- --nodes 100000 --group 20 --seconds 20 --threads 2`.
//! The world keeps no log and hashes no contents here. Processor time is what counts on a machine
//! that others use too.

mod support;

use std::time::Duration;

use archipelago_sim::topology::Topology;
use archipelago_sim::{World, WorldConfig};
use support::{option, processor_seconds, resident_bytes};

/// Between the starts of two groups: what is measured is rest and not the rush of a start.
const STAGGER: Duration = Duration::from_millis(2);

fn main() {
    let nodes = option("--nodes", 10_000);
    let group = option("--group", 20).max(1);
    let seconds = Duration::from_secs(option("--seconds", 20).into());
    let threads = option("--threads", 1) as usize;
    let before = resident_bytes();
    let mut world = formed(nodes, group, threads);
    let (events, messages) = (world.trace().events(), world.tally().total());
    #[allow(clippy::disallowed_types, reason = "a benchmark reads the clock")]
    let (start, busy) = (std::time::Instant::now(), processor_seconds());
    world.run_for(seconds);
    let took = start.elapsed().as_secs_f64();
    let busy = processor_seconds() - busy;
    let events = (world.trace().events() - events) as f64;
    let messages = (world.tally().total() - messages) as f64;
    let bytes = resident_bytes().saturating_sub(before) / u64::from(nodes);
    println!(
        "idle nodes={nodes} group={group} threads={threads}: {:.0} k messages/s, {:.0} k events/s \
         (per second of processor time {:.0} k and {:.0} k), {:.1} x real time, {:.2} messages a \
         node and second, {bytes} B/node, digest {:016x}",
        messages / took / 1e3,
        events / took / 1e3,
        messages / busy / 1e3,
        events / busy / 1e3,
        seconds.as_secs_f64() / took,
        messages / f64::from(nodes) / seconds.as_secs_f64(),
        world.trace().hash(),
    );
}

fn formed(nodes: u32, group: u32, threads: usize) -> World {
    let mut topology = Topology::new();
    for number in 0..nodes / group {
        let members = topology.take(group);
        topology.push(&format!("g{number}"), members);
    }
    let config = WorldConfig {
        threads,
        ..WorldConfig::large(1)
    };
    let mut world = topology.build(config, |_, _| {});
    for place in 0..topology.groups.len() {
        for &node in topology.members(place) {
            let started = world.start(node);
            started.expect("topologies make working configurations");
        }
        world.run_for(STAGGER);
    }
    world.run_for(Duration::from_secs(10));
    world
}
