//! Benchmarks as a user runs them, small: they end, lose nothing, and say what was measured.

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_archipelago"))
        .arg("bench")
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn small(more: &[&str]) -> Value {
    let small = [
        "workers",
        "--members",
        "3",
        "--keys",
        "300",
        "--rate",
        "200",
        "--bodies",
        "20",
        "--seconds",
        "2",
        "--json",
    ];
    let output = bench(&[&small[..], more].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    serde_json::from_str(&said).expect("one object")
}

/// U32: both ways in, with nothing lost; all figures are there.
#[test]
fn u32_workers_are_measured_behind_proxies_and_behind_any_node() {
    for entry in ["proxy", "any"] {
        let report = small(&["--entry", entry]);
        assert_eq!(
            (&report["lost"], &report["asked"]),
            (&0.into(), &400.into())
        );
        assert_eq!(report["answered"], report["asked"]);
        assert_eq!(report["entry"], entry);
        for figure in [
            "/answered_per_s",
            "/small/p50_ms",
            "/small/p99_ms",
            "/small/p999_ms",
            "/body/p50_ms",
            "/body/p999_ms",
            "/small_alone/p99_ms",
            "/control_round/p99_ms",
            "/cores",
            "/memory_peak_mb",
            "/activations_per_s",
        ] {
            let found = report.pointer(figure).and_then(Value::as_f64);
            assert!(found > Some(0.0), "{figure} of {report}");
        }
        // So few workers may fit into memory that was there before.
        assert!(report["bytes_per_idle_worker"].is_number(), "{report}");
    }
}

/// U11: a host dies in the middle and another one comes; every request is answered in the end.
#[test]
fn u11_workers_are_measured_through_a_death() {
    let report = small(&["--kill"]);
    assert_eq!(report["lost"], 0, "{report}");
    assert_eq!(report["answered"], report["asked"]);
}

#[test]
fn impossible_loads_are_refused_with_a_remedy() {
    let output = bench(&["workers", "--rate", "5", "--bodies", "6"]);
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("--bodies at most --rate"), "{errors}");
    let output = bench(&["workers", "--members", "1"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("2 to 256"), "{errors}");
}
