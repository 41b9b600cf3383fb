//! Runs a scenario over many seeds, and says how to run a failing one again.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of it"
)]

pub mod puppet;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use archipelago_sim::check::{Violation, sessions, views};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, World};

/// Seconds, as short as they are often.
pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs `scenario` with the seeds of this run: one named by `ARCHIPELAGO_SEED`, else as many as
/// `ARCHIPELAGO_SEEDS` says, else `count`. Prints the number.
pub fn seeds(test: &str, count: u64, scenario: impl Fn(u64) + Sync) {
    let range = range(count);
    let (first, len) = (range.start, range.end - range.start);
    for seed in range {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scenario(seed))) {
            eprintln!("seed={seed} command={}", command(test, seed));
            resume_unwind(panic);
        }
    }
    println!("{test}: {len} seeds from {first}");
}

/// Fails with everything that was found.
pub fn none(what: &str, found: Vec<Violation>) {
    let lines: Vec<String> = found.iter().take(8).map(ToString::to_string).collect();
    assert!(
        found.is_empty(),
        "{what}: {} violations\n{}",
        found.len(),
        lines.join("\n")
    );
}

/// Runs until `is_done`, and fails with `what` if that takes longer than `limit`.
pub fn within(
    world: &mut World,
    what: &str,
    limit: Duration,
    is_done: impl FnMut(&World) -> bool,
) -> Duration {
    let took = world.run_until(limit, is_done);
    took.unwrap_or_else(|| panic!("{what} took longer than {limit:?}"))
}

/// Starts a node again.
pub fn restart(world: &mut World, node: NodeIx) {
    let started = world.restart(node);
    started.expect("a configuration that worked before works again");
}

/// Starts a node.
pub fn start(world: &mut World, node: NodeIx) {
    let started = world.start(node);
    started.expect("topologies make working configurations");
}

/// A world of this shape in which every group has formed and is quiet.
pub fn formed(topology: &Topology, seed: u64) -> World {
    let mut world = topology.start(seed);
    within(&mut world, "forming", s(20), |world| {
        views::all_agree(world) && sessions::mesh(world).is_empty()
    });
    world.run_for(s(3));
    world
}

fn range(count: u64) -> Range<u64> {
    if let Some(seed) = number("ARCHIPELAGO_SEED") {
        return seed..seed + 1;
    }
    let count = number("ARCHIPELAGO_SEEDS").unwrap_or(count);
    1..count + 1
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn command(test: &str, seed: u64) -> String {
    let binary = env!("CARGO_CRATE_NAME");
    format!("ARCHIPELAGO_SEED={seed} cargo test -p archipelago-sim --test {binary} {test}")
}
