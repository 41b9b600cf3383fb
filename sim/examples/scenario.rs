//! Runs scenario files from Rust, without the program: the table that `archipelago sim run` prints, and
//! on request the bytes of a node by part.
//!
//! `cargo run --release -p archipelago-sim --example scenario -- examples/scenarios/tiers.toml seed=3`:
//! `PATH=VALUE` replaces a value of the file, `threads=N` says how many threads run the world, and
//! `parts` prints what a node takes.

use std::sync::atomic::AtomicBool;

use archipelago_sim::report;
use archipelago_sim::run::{Experiment, RunOptions};
use archipelago_sim::scenario::{Scenario, ScenarioError};

fn main() -> Result<(), ScenarioError> {
    let (files, rest): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|text| text.ends_with(".toml"));
    let values = rest.iter().filter_map(|text| text.split_once('='));
    let (threads, set): (Vec<_>, Vec<_>) = values.partition(|&(key, _)| key == "threads");
    let set: Vec<(String, String)> = set
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let threads = threads.first().and_then(|(_, value)| value.parse().ok());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("the scenario can be read");
        let scenario = Scenario::parse_with(&text, &set)?;
        let stop = AtomicBool::new(false);
        let options = RunOptions {
            threads: threads.unwrap_or(1),
            ..RunOptions::new(&stop)
        };
        let mut experiment = Experiment::new(&scenario, options)?;
        experiment.form(&mut |_| {});
        experiment.run(&mut |_| {});
        if rest.iter().any(|text| text == "parts") {
            print_parts(&experiment);
        }
        let result = experiment.finish();
        for (label, value) in report::rows(&result) {
            println!("{label:>24}  {value}");
        }
        for violated in &result.violations {
            println!("{:>24}  {}", violated.invariant, violated.text);
        }
    }
    Ok(())
}

/// What the nodes' tables take, as they count themselves.
fn print_parts(experiment: &Experiment<'_>) {
    let world = experiment.world();
    let nodes = world.nodes().len().max(1);
    for (part, bytes) in world.footprint().parts() {
        println!("{part:>24}  {} B a node", bytes / nodes);
    }
}
