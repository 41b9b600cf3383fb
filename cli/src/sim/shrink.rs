//! `archipelago sim shrink FILE`: a failing run made small.

use std::sync::atomic::AtomicBool;

use archipelago_sim::run::{RunOptions, shrink};

use super::{SimError, files, run, table};

pub(super) fn main(options: &run::Options, stop: &AtomicBool) -> Result<bool, SimError> {
    let mut scenario = files::scenario(&options.file, &options.set)?;
    scenario.seed = options.seed.unwrap_or(scenario.seed);
    let mut run_options = RunOptions::new(stop);
    run_options.threads = options.threads.max(1);
    run_options.command = run::command("shrink", options, &scenario);
    let mut show = |runs, faults| eprintln!("{runs} runs, {faults} faults left");
    let shrunk = shrink(&scenario, &run_options, &mut show);
    let Some(shrunk) = shrunk.map_err(SimError::scenario(&options.file))? else {
        println!("nothing fails with seed {}", scenario.seed);
        return Ok(true);
    };
    if options.json {
        println!("{}", serde_json::to_string(&shrunk.result)?);
        return Ok(false);
    }
    table::print(&shrunk.result);
    println!(
        "{} fails with {} of {} faults, found in {} runs:",
        shrunk.invariant,
        shrunk.causes - shrunk.without.len(),
        shrunk.causes,
        shrunk.runs
    );
    for step in &shrunk.steps {
        println!(
            "  at {:>9.3} s  {}",
            step.at.as_secs_f64(),
            step.action.describe()
        );
    }
    Ok(false)
}
