//! U23: a live cluster of 240 nodes in 12 groups, brought up by the program that a user runs.
//!
//! It waits for the program's own end and reads its report, which has every property that was
//! checked; what failed is in `failures`, in words.

use std::process::Command;

use serde_json::Value;

/// What the demo saw, by the names of its JSON object.
struct Report(Value);

impl Report {
    fn of(arguments: &[&str]) -> Self {
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
