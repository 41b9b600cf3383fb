//! `archipelago sim` as a user meets it: refusals, the keys of its JSON, sweeps that are stopped, split
//! over machines and put together.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SCENARIO: &str = r#"
name = "small"
duration = "4s"
[topology.flat]
groups = 2
size = 3
reflectors = 1
[[workload]]
between = "across"
pairs = 2
messages = 5
[sweep]
"topology.flat.size" = [3, 4]
seeds = 2
"#;

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_archipelago"))
        .arg("sim")
        .args(arguments)
        .output()
        .expect("the program runs")
}

/// A folder of this test's own, with the scenario in it.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    std::fs::write(folder.join("small.toml"), SCENARIO).expect("the folder is writable");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

/// The results of a sweep without what the machine's speed decides.
fn results(folder: &Path) -> Vec<String> {
    let csv = std::fs::read_to_string(folder.join("results.csv")).expect("the sweep wrote it");
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("there is a header");
    let digest = header
        .iter()
        .position(|name| *name == "digest")
        .expect("there is a digest");
    let events = header
        .iter()
        .position(|name| *name == "events")
        .expect("there are events");
    lines
        .map(|fields| format!("{} {} {}", fields[1], fields[digest], fields[events]))
        .collect()
}

#[test]
fn a_wrong_scenario_is_refused_with_its_line() {
    let folder = folder("sim-wrong");
    let path = folder.join("small.toml");
    std::fs::write(&path, SCENARIO.replace("pairs", "peers")).expect("the folder is writable");
    let output = sim(&["run", text(&path)]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        message.contains("small.toml:10: workload has no key `peers`; allowed: kind, at"),
        "{message}"
    );
}

#[test]
fn a_run_prints_one_object_with_the_promised_keys() {
    let folder = folder("sim-json");
    let path = folder.join("small.toml");
    let page = folder.join("report.html");
    let output = sim(&["run", text(&path), "--json", "--html", text(&page)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    for key in [
        "nodes",
        "groups",
        "tiers",
        "mode",
        "virtual_s",
        "wall_s",
        "events",
        "messages",
        "messages_per_s",
        "rss_mb",
        "bytes_per_node",
        "sessions_max",
        "digest",
        "violations",
    ] {
        assert!(json.get(key).is_some(), "{key} is missing");
    }
    assert_eq!(json["nodes"], 6);
    let page = std::fs::read_to_string(page).expect("the page was written");
    assert!(page.contains("<svg") && page.contains(json["digest"].as_str().unwrap_or("?")));
    // The same seed gives the same digest, and threads change nothing.
    let again = sim(&["run", text(&path), "--json", "--threads", "2"]);
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).expect("it is JSON");
    assert_eq!(again["digest"], json["digest"]);
}

#[test]
fn what_does_not_hold_fails_the_run() {
    let folder = folder("sim-violated");
    let path = folder.join("small.toml");
    let bounds = format!("{SCENARIO}\n[hold]\nsessions_max = 1\n");
    std::fs::write(&path, bounds).expect("the folder is writable");
    let output = sim(&["run", text(&path)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("VIOLATION sessions"));
}

#[test]
fn a_resumed_sweep_and_a_merged_one_equal_the_uninterrupted_one() {
    let folder = folder("sim-sweep");
    let path = folder.join("small.toml");
    let whole = folder.join("whole");
    let sweep = |out: &Path, more: &[&str]| {
        let mut arguments = vec!["sweep", text(&path), "--out", text(out)];
        arguments.extend(more);
        let output = sim(&arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    };
    sweep(&whole, &[]);
    let expected = results(&whole);
    assert_eq!(expected.len(), 4);

    // As if it had been stopped after two runs.
    let resumed = folder.join("resumed");
    sweep(&resumed, &[]);
    for number in [1, 2] {
        let run = resumed.join("runs").join(format!("{number:06}.json"));
        std::fs::remove_file(run).expect("the sweep wrote it");
    }
    sweep(&resumed, &[]);
    assert_eq!(results(&resumed), expected);

    let (one, two, merged) = (folder.join("1"), folder.join("2"), folder.join("merged"));
    sweep(&one, &["--shard", "1/2"]);
    sweep(&two, &["--shard", "2/2"]);
    assert_eq!((results(&one).len(), results(&two).len()), (2, 2));
    let output = sim(&["merge", text(&one), text(&two), "--out", text(&merged)]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(results(&merged), expected);
}

#[test]
fn a_replay_tells_what_its_nodes_reported_and_ends_with_the_same_digest() {
    let folder = folder("sim-replay");
    let path = folder.join("small.toml");
    let page = folder.join("replay.html");
    let again = sim(&[
        "replay",
        text(&path),
        "--nodes",
        "0,3",
        "--html",
        text(&page),
    ]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    let once = sim(&["run", text(&path), "--json"]);
    let once: serde_json::Value = serde_json::from_slice(&once.stdout).expect("it is JSON");
    let digest = once["digest"].as_str().unwrap_or("?");
    assert!(
        said.contains("session up (OnDemand)") && said.contains(digest),
        "{said}"
    );
    let page = std::fs::read_to_string(page).expect("the page was written");
    assert!(page.contains(">n3</text>"));
}

#[test]
fn a_topology_is_told_without_running_it() {
    let folder = folder("sim-topology");
    let output = sim(&["topology", text(&folder.join("small.toml")), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    // Two groups of three, whose two reflectors have a session.
    assert_eq!((&json["vertices"], &json["edges"]), (&6.into(), &7.into()));
}

/// The scenarios that ship can be read, and their topologies planned.
#[test]
fn shipped_scenarios_are_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/scenarios");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("they ship") {
        let path = entry.expect("the folder can be read").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let file = std::fs::read_to_string(&path).expect("it can be read");
            let scenario = archipelago_sim::scenario::Scenario::parse(&file);
            assert!(scenario.is_ok(), "{}:{:?}", path.display(), scenario.err());
            count += 1;
        }
    }
    assert!(count >= 9, "{count} scenarios");
}

/// What holds by construction holds on a busy machine too: the sessions, and that every figure was
/// measured on both sides. How far the others deviate is for a quiet machine to say.
#[test]
fn a_live_cluster_is_compared_with_its_simulation() {
    let small = ["--nodes", "10", "--groups", "2", "--repeat", "1"];
    let short = ["--stops", "1", "--rest", "1", "--json"];
    let output = sim(&[&["calibrate"][..], &small, &short].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let figures = json["figures"].as_array().expect("a list of figures");
    let names: Vec<_> = figures
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    let all = [
        "sessions",
        "control_forming",
        "control_idle",
        "join",
        "killed",
        "stopped",
        "first_message",
    ];
    assert_eq!(names, all, "{output:?}");
    for figure in figures {
        let (live, simulated) = (&figure["live"], &figure["simulated"]);
        assert!(live["mean"].as_f64() > Some(0.0), "{figure}");
        assert!(simulated["mean"].as_f64() > Some(0.0), "{figure}");
        assert!(live["trials"].as_u64() > Some(0) && simulated["trials"].as_u64() >= Some(10));
    }
    let sessions = &figures[0];
    let deviation = sessions["deviation_percent"].as_f64();
    assert!(
        deviation.is_some_and(|percent| percent.abs() < 1e-6),
        "{sessions}"
    );
    assert_eq!(sessions["live"]["worst"], sessions["simulated"]["worst"]);
    assert!(json["parameters"]["latency_us"].as_f64() > Some(0.0));
    assert_eq!(json["interrupted"], false);
}

#[test]
fn a_cluster_that_cannot_be_calibrated_is_refused() {
    let output = sim(&["calibrate", "--nodes", "10", "--groups", "10"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = sim(&["calibrate", "--nodes", "51"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
