//! A scenario that is a workload on the engine alone: how fast virtual time is without machines.

use std::sync::atomic::Ordering;
use std::time::Duration;

use archipelago_core::Time;

use super::{Phase, Progress, RunOptions, RunResult, Stopwatch, resident_bytes};
use crate::scenario::{EngineLoad, EngineWorkload, Scenario};
use crate::w1::W1;

/// Looks at the progress, and at who wants to stop, in a run.
const LOOKS: u64 = 50;

/// Runs the workload to its end, or until it is stopped.
pub(super) fn run(
    scenario: &Scenario,
    load: EngineLoad,
    options: &RunOptions<'_>,
    progress: &mut dyn FnMut(Progress),
) -> RunResult {
    let (EngineWorkload::W1, threads) = (load.workload, options.threads.max(1));
    let before = resident_bytes();
    let mut workload = W1::new(scenario.seed, load.nodes, scenario.duration, threads);
    let (end, watch) = (workload.end(), Stopwatch::start());
    let step = Duration::from_micros(end.as_micros().div_ceil(LOOKS).max(1));
    while workload.now() < end && !options.stop.load(Ordering::Relaxed) {
        workload.run(workload.now().after(step).min(end), threads);
        progress(Progress {
            phase: Phase::Running,
            done: workload.now().since(Time::START),
            total: end.since(Time::START),
            events: 0,
        });
    }
    let wall_s = watch.elapsed().as_secs_f64();
    let resident = resident_bytes();
    let counted = workload.counted();
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = |count: u64| count as f64 / wall_s.max(1e-9);
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rss_mb = resident as f64 / 1e6;
    RunResult {
        name: scenario.name.clone(),
        about: scenario.about.clone(),
        command: options.command.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: scenario.seed,
        parameters: options.parameters.clone(),
        digest: format!("{:016x}", counted.digest),
        mode: "engine alone".to_owned(),
        start: "generated".to_owned(),
        nodes: u64::from(load.nodes),
        threads: threads as u64,
        virtual_s: workload.now().since(Time::START).as_secs_f64(),
        wall_s,
        events: counted.events,
        events_per_s: rate(counted.events),
        messages: counted.heartbeats,
        messages_per_s: rate(counted.heartbeats),
        rss_mb,
        bytes_per_node: resident.saturating_sub(before) / u64::from(load.nodes),
        interrupted: workload.now() < end,
        ..RunResult::default()
    }
}
