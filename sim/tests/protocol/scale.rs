//! The shipped scenarios of very many nodes, run small: the same tiers, faults and sends across groups.

use std::sync::atomic::AtomicBool;

use archipelago_sim::run::{RunOptions, RunResult, run};
use archipelago_sim::scenario::Scenario;

/// A shipped scenario with forty groups of six under three tiers.
fn small(file: &str, threads: usize) -> RunResult {
    let path = format!(
        "{}/../examples/scenarios/{file}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).expect("it ships");
    let set = [
        ("topology.hierarchy.groups", "40"),
        ("topology.hierarchy.size", "6"),
        ("topology.hierarchy.parent_size", "12"),
        ("duration", "'20s'"),
    ];
    let set = set.map(|(path, value)| (path.to_owned(), value.to_owned()));
    let scenario = Scenario::parse_with(&text, &set).expect("it is right");
    let stop = AtomicBool::new(false);
    let options = RunOptions {
        threads,
        ..RunOptions::new(&stop)
    };
    run(&scenario, options, &mut |_| {}).expect("it names what is there")
}

fn holds(result: &RunResult) {
    assert_eq!(result.violations, [], "seed={}", result.seed);
    assert_eq!((result.nodes, result.tiers), (240, 3));
    assert_eq!(result.start, "generated");
    assert!(result.mode.contains("generated"), "{}", result.mode);
    // Most of a thousand pairs share no group, and all found each other.
    let lookups = result.lookups.as_ref().expect("all is measured");
    assert!(lookups.asked >= 500, "{lookups:?}");
    // But for those who looked for one that crashed.
    let failed: Vec<&String> = lookups.failed.keys().collect();
    assert_eq!(failed, ["Gone"]);
    assert!(result.delivery.delivered * 100 >= result.delivery.sent * 99);
    assert!(result.detection.count > 0);
}

#[test]
fn a_hundred_thousand_nodes_run_small_whoever_runs_them() {
    let result = small("hundred-thousand.toml", 1);
    holds(&result);
    assert_eq!(result.digest, small("hundred-thousand.toml", 2).digest);
}

#[test]
fn a_million_nodes_run_small() {
    holds(&small("million.toml", 1));
}
