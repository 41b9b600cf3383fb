//! `archipelago bench nodes` as a script uses it: every figure under its name, sessions as the
//! topology says, nobody dead who lived.

use std::process::{Command, Output};

use serde_json::Value;

/// What a row must have, and numbers in it.
const FIGURES: [&str; 14] = [
    "nodes",
    "formed_s",
    "sessions_min",
    "sessions_mean",
    "sessions_max",
    "sessions_total",
    "memory_mb_per_node",
    "idle_cpu_percent_per_node",
    "control_messages_per_node_per_s",
    "join_one_ms",
    "first_message_ms_p50",
    "killed_seen_ms_p99",
    "stopped_seen_ms_p99",
    "messages_per_s",
];

fn bench_nodes(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_archipelago"))
        .args(["bench", "nodes"])
        .args(arguments)
        .output()
        .expect("the program runs")
}

fn measured(arguments: &[&str]) -> Value {
    let output = bench_nodes(&[arguments, &["--json"]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}\n{errors}"))
}

/// U20, U23: three processes, two groups of 20 below one parent, and the mesh of the same nodes.
#[test]
fn u23_sessions_are_what_the_topology_says_and_every_figure_is_there() {
    let small = [
        "--nodes",
        "40",
        "--idle",
        "1",
        "--losses",
        "1",
        "--processes",
        "3",
    ];
    let report = measured(&small);
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2, "{report}");
    for row in rows {
        for figure in FIGURES {
            assert!(row[figure].as_f64() > Some(0.0), "{figure} of {row}");
        }
        assert_eq!(
            (&row["false_deaths"], &row["ok"]),
            (&0.into(), &true.into()),
            "{row}"
        );
        assert_eq!(row["processes"], 3, "{row}");
    }
    let sessions = |row: &Value| {
        [
            "sessions_min",
            "sessions_mean",
            "sessions_max",
            "sessions_total",
        ]
        .map(|name| row[name].as_f64().expect("a number"))
    };
    // Two reflectors of each group meet two others above.
    assert_eq!(rows[0]["topology"], "s-groups");
    assert_eq!(sessions(&rows[0]), [19.0, 19.2, 21.0, 384.0]);
    assert_eq!(rows[1]["topology"], "full-mesh");
    assert_eq!(sessions(&rows[1]), [39.0, 39.0, 39.0, 780.0]);
}

/// U32: heartbeats of all to all are what a mesh costs without our detector.
#[test]
fn heartbeats_between_all_pairs_are_as_many_as_there_are_pairs() {
    let mesh = [
        "--topology",
        "full-mesh,full-mesh-all-pairs",
        "--nodes",
        "12",
    ];
    let report = measured(&[&mesh[..], &["--idle", "3", "--losses", "0"]].concat());
    let said = |row: usize| {
        let said = &report["rows"][row]["control_messages_per_node_per_s"];
        said.as_f64().expect("a number")
    };
    assert!((3.0..6.0).contains(&said(0)), "{report}");
    assert!((9.0..14.0).contains(&said(1)), "{report}");
}

/// Many join through one seed at once: all get in where there is room, and where there is not the
/// others are told so.
#[test]
fn those_who_join_at_once_are_in_or_told_why_not() {
    let report = measured(&[
        "--nodes",
        "4",
        "--topology",
        "full-mesh",
        "--losses",
        "0",
        "--idle",
        "0.5",
        "--joins",
        "60",
    ]);
    let joins = report["joins"].as_array().expect("joins");
    assert_eq!(joins.len(), 2, "{report}");
    assert_eq!(
        (&joins[0]["joined"], &joins[0]["groups"]),
        (&60.into(), &4.into()),
        "{report}"
    );
    assert_eq!(
        (&joins[1]["joined"], &joins[1]["members_max"]),
        (&11.into(), &12.into()),
        "{report}"
    );
    assert_eq!(joins[1]["refused"]["GroupFull"], 49, "{report}");
    assert!(joins.iter().all(|one| one["ok"] == true), "{report}");
}

/// Numbers that cannot be a cluster are a row that says so, and the others are measured.
#[test]
fn a_size_that_fails_is_a_row_that_says_what_broke() {
    let impossible = [
        "--nodes",
        "1,4",
        "--topology",
        "full-mesh",
        "--losses",
        "0",
        "--idle",
        "0.5",
    ];
    let report = measured(&impossible);
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(
        (&rows[0]["ok"], &rows[1]["ok"]),
        (&false.into(), &true.into()),
        "{report}"
    );
    let failures = rows[0]["failures"].as_array().expect("failures");
    assert!(!failures.is_empty(), "{report}");
    assert!(rows[0]["formed_s"].is_null(), "{report}");
}

/// The same plan in virtual time has the same sessions, beside each other's figures; and the same
/// seed gives the same row.
#[test]
fn simulated_rows_lie_beside_live_ones_and_are_repeatable() {
    let both = [
        "--nodes",
        "40",
        "--simulate",
        "40,400",
        "--topology",
        "s-groups",
        "--idle",
        "2",
        "--losses",
        "2",
    ];
    let report = measured(&both);
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 3, "{report}");
    let [live, simulated, larger] = &rows[..] else {
        panic!("three rows: {report}");
    };
    assert_eq!(simulated["topology"], "s-groups, simulated");
    for row in [simulated, larger] {
        assert_eq!(row["ok"], true, "{row}");
        assert_eq!(row["sessions_total"], row["sessions_expected"], "{row}");
    }
    assert_eq!(simulated["sessions_total"], live["sessions_total"]);
    let deviations = report["deviations"].as_array().expect("deviations");
    let percent = |figure: &str| {
        let named = deviations.iter().find(|one| one["figure"] == figure);
        named.expect(figure)["percent"].as_f64().expect("a number")
    };
    assert_eq!(percent("sessions_mean"), 0.0);
    assert!(percent("control_messages_per_node_per_s").abs() < 20.0);
    let again = measured(&both[2..]);
    assert_eq!(again["rows"].as_array().expect("rows")[..], rows[1..]);
}
