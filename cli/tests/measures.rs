//! Smaller benchmarks as a user runs them: they end, and every figure is there.

#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]
use std::process::Command;

use serde_json::Value;

/// The lines of JSON that a benchmark prints.
fn bench(arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_archipelago"));
    let output = command.arg("bench").args(arguments).arg("--json").output();
    let output = output.expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said = String::from_utf8_lossy(&output.stdout);
    let lines = said.lines().map(serde_json::from_str);
    lines.map(|line| line.expect("one object a line")).collect()
}

#[test]
fn a_directory_is_learnt_by_who_comes_last() {
    let reports = bench(&["directory", "--names", "2000", "--members", "3"]);
    let [report] = &reports[..] else {
        panic!("{reports:?}")
    };
    let figure = |name: &str| report[name].as_f64().expect(name);
    assert_eq!((figure("names"), figure("members")), (2_000.0, 3.0));
    assert!(figure("registrations_per_s") > 0.0);
    assert!(figure("joiner_has_names_ms") >= figure("joiner_in_ms"));
    // Every name came to the joiner: none of them is shorter than 30 bytes.
    assert!(figure("joiner_bytes_per_name") > 30.0, "{report}");
}

/// U8: each end is told once, in the group and across.
#[test]
fn u8_ends_are_timed_in_the_group_and_across() {
    let rows = bench(&["ends", "--exits", "3", "--kills", "1", "--members", "2"]);
    let seen = rows.iter().map(|row| {
        assert!(row["p50_ms"].as_f64() <= row["max_ms"].as_f64(), "{row}");
        let texts = (row["ended"].as_str(), row["watched_from"].as_str());
        (texts.0.unwrap(), texts.1.unwrap(), row["count"].as_u64())
    });
    let expected = [
        ("process", "its group", Some(3)),
        ("process", "another group", Some(3)),
        ("killed node", "its group", Some(1)),
        ("killed node", "another group", Some(1)),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[test]
fn impossible_sizes_are_refused_with_a_remedy() {
    for arguments in [["directory", "--members"], ["ends", "--members"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_archipelago"));
        let output = command.arg("bench").args(arguments).arg("1").output();
        let said = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
        assert!(said.contains("are measured"), "{said}");
    }
}
