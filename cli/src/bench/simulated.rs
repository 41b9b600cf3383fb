//! Names of simulated groups: the same machines in virtual time, over links of half a millisecond. What
//! a processor takes is counted only where it was said, so the figures are else those of the protocol alone.

use std::time::Duration;

use archipelago_core::LocalId;
use archipelago_sgroup::names::Registration;
use archipelago_sim::check::{names, views};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, World, WorldConfig};

use super::names::{BenchError, Options};
use super::report::Report;
use crate::live::latency::Latency;

/// Names that both sides of a split register.
const NAMES: u32 = 100;

/// Longest time to agree that is waited for.
const AGREE_MAX: Duration = Duration::from_secs(60);

/// Measures a group of so many members.
pub(crate) fn run(members: u32, options: &Options) -> Result<Report, BenchError> {
    let mut topology = Topology::new();
    for range in options.divided(members) {
        let name = format!("names{}", range.start);
        let members = topology.take(range.end - range.start);
        topology.push(&name, members);
    }
    let config = WorldConfig {
        packet_time: Duration::from_micros(u64::from(options.packet_us)),
        ..WorldConfig::large(options.seed)
    };
    let mut world = topology.build(config, |_, _| {});
    world.generate()?;
    world.run_for(Duration::from_secs(1));
    let before = world.tally();
    for group in 0..options.groups(members) as usize {
        for &node in topology.members(group) {
            let (workers, duration) = (options.workers, options.duration());
            world.start_names(node, topology.id(group), workers, duration);
        }
    }
    world.run_for(options.duration());
    let said = world.tally().since(&before).total();
    world.run_for(Duration::from_secs(1));
    let mut report = conclude(&world, members, options);
    report.control_messages_per_registration = said as f64 / report.registrations.max(1) as f64;
    Ok(report)
}

fn conclude(world: &World, members: u32, options: &Options) -> Report {
    let loads = world.nodes().into_iter().map(|node| world.name_load(node));
    let loads: Vec<_> = loads.collect();
    let mut latency = Latency::new();
    for took in loads.iter().flat_map(|load| &load.took) {
        latency.record(*took);
    }
    let registrations: u64 = loads.iter().map(|load| load.confirmed).sum();
    let least = loads.iter().map(|load| load.confirmed).min();
    let mean = registrations as f64 / f64::from(members);
    Report {
        members,
        groups: options.groups(members),
        workers_per_member: options.workers,
        simulated: true,
        packet_us: options.packet_us,
        registrations,
        registrations_failed: loads.iter().map(|load| load.failed).sum(),
        registrations_per_s: registrations as f64 / options.duration().as_secs_f64(),
        register_p50_us: latency.micros(50.0),
        register_p99_us: latency.micros(99.0),
        register_p999_us: latency.micros(99.9),
        register_max_us: latency.micros(100.0),
        least_served_share: least.unwrap_or_default() as f64 / mean.max(1.0),
        ..Report::default()
    }
}

/// Splits a group into halves that register the same names, heals it, and says how long it takes,
/// in ms, until all members agree on all names; `None` if they do not within a minute.
pub(crate) fn heal(members: u32, seed: u64) -> Result<Option<f64>, BenchError> {
    let topology = Topology::group(members);
    let mut world = topology.build(WorldConfig::new(seed), |_, _| {});
    world.generate()?;
    world.run_for(Duration::from_secs(1));
    let nodes = world.nodes();
    let (one, other) = nodes.split_at(nodes.len() / 2);
    world.partition(&[one.to_vec(), other.to_vec()]);
    world.run_for(Duration::from_secs(6));
    for side in [one, other] {
        for number in 0..NAMES {
            let node = side.get(number as usize % side.len().max(1));
            let asked = Registration::new(format!("n{number}"), LocalId(1));
            world.register(node.copied().unwrap_or(NodeIx(0)), topology.id(0), asked);
        }
    }
    world.run_for(Duration::from_secs(4));
    world.heal();
    let agree = |world: &World| views::all_agree(world) && names::quiet(world).is_empty();
    let took = world.run_until(AGREE_MAX, agree);
    Ok(took.map(|took| took.as_secs_f64() * 1_000.0))
}
