//! `archipelago bench wire` as a script uses it: every figure under its name, and nothing lost.

use std::process::{Command, Output};

use serde_json::Value;

/// What must be there for all transports, and positive.
const FIGURES: [&str; 8] = [
    "rtt_64_p50_us",
    "rtt_64_p99_us",
    "requests_64_in_flight_per_s",
    "oneway_16_msgs_per_s",
    "oneway_64_msgs_per_s",
    "oneway_1k_msgs_per_s",
    "oneway_300k_mb_per_s",
    "mixed_small_p99_us",
];

fn bench_wire(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_archipelago"))
        .args(["bench", "wire"])
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn measured(arguments: &[&str]) -> Value {
    let output = bench_wire(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Both nodes of a pair in processes of their own, all workloads over all transports.
#[test]
fn every_figure_is_there_and_nothing_is_lost_or_reordered() {
    let figures = measured(&["--seconds", "0.2", "--json"]);
    for prefix in ["", "caller_", "raw_"] {
        for name in FIGURES {
            let figure = figures[format!("{prefix}{name}")].as_f64();
            assert!(figure > Some(0.0), "{prefix}{name}: {figure:?}");
        }
        for name in ["lost", "reordered"] {
            let figure = &figures[format!("{prefix}{name}")];
            assert_eq!(figure.as_f64(), Some(0.0), "{prefix}{name}");
        }
    }
}

#[test]
fn what_was_not_asked_for_is_null() {
    let figures = measured(&[
        "--seconds",
        "0.05",
        "--json",
        "--only",
        "oneway_64",
        "--threads",
        "caller",
    ]);
    assert!(figures["caller_oneway_64_msgs_per_s"].as_f64() > Some(0.0));
    assert!(figures["raw_oneway_64_msgs_per_s"].as_f64() > Some(0.0));
    assert!(figures["oneway_64_msgs_per_s"].is_null());
    assert!(figures["rtt_64_p50_us"].is_null());
    assert!(figures["raw_mixed_small_p99_us"].is_null());
}

#[test]
fn an_unknown_workload_says_which_there_are() {
    let output = bench_wire(&["--only", "oneway_17"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("oneway_16"), "{message}");
}
