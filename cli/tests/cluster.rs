//! U20 to U23, U25: live clusters of 200 and more nodes, brought up by the program that a user runs.
//!
//! It waits for the program's own end and reads its report, which has every property that was
//! checked; what failed is in `failures`, in words.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// One cluster at a time: each has the machine to itself, as its bounds assume.
static ALONE: Mutex<()> = Mutex::new(());

/// What the demo saw, by the names of its JSON object.
struct Report(Value);

impl Report {
    fn of(arguments: &[&str]) -> Self {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let output = Command::new(env!("CARGO_BIN_EXE_archipelago"))
            .args(arguments)
            .output()
            .expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let report = serde_json::from_str(&text).unwrap_or_else(|error| {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!(
                "no report ({error}), status {}: {text}{said}",
                output.status
            )
        });
        Self(report)
    }

    fn number(&self, name: &str) -> f64 {
        let value = self.0.get(name).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("no number {name} in {}", self.0))
    }
}

#[test]
fn u23_240_live_nodes_in_12_groups_hold_every_property() {
    let report = Report::of(&["demo", "--nodes", "240", "--groups", "12", "--json"]);
    let failures = report.0.get("failures");
    assert_eq!(report.0.get("ok"), Some(&Value::Bool(true)), "{failures:?}");
    assert_eq!(report.number("nodes"), 240.0);
    // A member has its group of 20; a reflector the 24 of the backbone too.
    assert!(report.number("sessions_min") >= 19.0);
    assert!(report.number("sessions_max") <= 19.0 + 23.0);
    assert!(report.number("sessions_total") * 10.0 < report.number("full_mesh_total"));
    for none in [
        "messages_lost",
        "messages_reordered",
        "messages_duplicated",
        "reflector_kill_lookup_failures",
        "false_deaths",
    ] {
        assert_eq!(report.number(none), 0.0, "{none}");
    }
    let opened = report.number("on_demand_opened");
    assert!(opened >= 1_000.0, "{opened} on-demand sessions");
    assert_eq!(report.number("on_demand_closed"), opened);
}

/// Nothing was lost, nobody died who lived, look-ups went on while so many reflectors were killed, of
/// each group one, and nobody has more sessions than so many.
fn holds(report: &Report, reflectors_killed: f64, sessions_max: f64) {
    let failures = report.0.get("failures");
    assert_eq!(report.0.get("ok"), Some(&Value::Bool(true)), "{failures:?}");
    assert_eq!(report.number("nodes"), 200.0);
    assert!(
        report.number("sessions_max") <= sessions_max,
        "{}",
        report.0
    );
    assert_eq!(report.number("pairs_direct"), report.number("pairs"));
    assert_eq!(report.number("reflectors_killed"), reflectors_killed);
    assert!(report.number("reflector_kill_lookups") > 0.0);
    assert!(report.number("reflector_kill_gap_ms_max") <= 2_000.0);
    for none in ["messages_lost", "messages_duplicated", "false_deaths"] {
        assert_eq!(report.number(none), 0.0, "{none}");
    }
}

/// U20, U21, U23, U25: ten groups of twenty below one parent.
#[test]
fn u25_200_live_nodes_under_two_tiers() {
    let tiers = ["--nodes", "200", "--groups", "10", "--tiers", "2"];
    let report = Report::of(&[&["demo", "--pairs", "300", "--json"], &tiers[..]].concat());
    holds(&report, 10.0, 3.0 * 20.0);
}

/// The same below two rows of parents: whoever stands at the top stands at every level.
#[test]
fn u25_200_live_nodes_under_three_tiers() {
    let tiers = ["--nodes", "200", "--groups", "10", "--tiers", "3"];
    let report = Report::of(&[&["demo", "--pairs", "300", "--json"], &tiers[..]].concat());
    holds(&report, 10.0, 4.0 * 20.0);
}

/// U20, U22: ten groups in a ring, each bridged twice to the next: messages go half round it and
/// then direct, and at rest nothing circles.
#[test]
fn u22_200_live_nodes_in_a_ring_bridged_twice() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ring.toml");
    std::fs::write(&path, ring(10)).expect("the temporary folder is writable");
    let path = path.to_str().expect("the path is UTF-8");
    let report = Report::of(&["demo", "--pairs", "300", "--json", "--cluster", path]);
    // Each that bridges is one of two groups.
    holds(&report, 5.0, 2.0 * 21.0);
    let said = report.number("idle_control_messages_per_node_per_s");
    // Four heartbeats a second in each group of a node's, and little else.
    assert!(said < 6.5, "{said} control messages a node and second");
}

fn ring(groups: usize) -> String {
    let mut text = "realm = \"ring\"\n".to_owned();
    for group in 0..groups {
        let (before, next) = ((group + groups - 1) % groups, (group + 1) % groups);
        let written = write!(
            text,
            "[groups.g{group}]\nopen = true\nreflectors = [\"b{before}\", \"b{group}\"]\n\
             [nodes.n{group}]\ncount = 18\ngroups = [\"g{group}\"]\n\
             [nodes.b{group}]\ncount = 2\ngroups = [\"g{group}\", \"g{next}\"]\n"
        );
        written.expect("writing into a text cannot fail");
    }
    text
}
