//! Runs of small scenarios: the same seed gives the same, faults are seen, and what is asked to
//! hold is checked.

use std::sync::atomic::AtomicBool;

use super::*;

const SMALL: &str = r#"
name = "small"
seed = 3
duration = "20s"

[topology.flat]
groups = 3
size = 5
reflectors = 2

[node]
idle_timeout = "3s"

[[workload]]
at = "1s"
between = "across"
pairs = 6
messages = 20
every = "100ms"

[[fault]]
kind = "crash"
at = "5s"
lasting = "6s"
count = 1
role = "member"

[hold]
invariants = ["safety", "quiet", "no-false-death", "no-failed-lookup"]
detection = "2.5s"
sessions_max = 20
"#;

fn result(text: &str) -> RunResult {
    let scenario = Scenario::parse(text).expect("the scenario is right");
    let stop = AtomicBool::new(false);
    run(&scenario, RunOptions::new(&stop), &mut |_| {}).expect("the plan is possible")
}

#[test]
fn a_run_measures_what_happened_and_finds_nothing_wrong() {
    let result = result(SMALL);
    assert_eq!(result.violations, []);
    assert_eq!((result.nodes, result.groups, result.reflectors), (15, 4, 6));
    assert!(result.formed_s.is_some_and(|seconds| seconds < 10.0));
    // Founders have nobody to join.
    assert_eq!(result.join.count, 15 + 6 - 4);
    assert_eq!(result.rejoin.count, 1);
    assert!(result.detection.count == 4 && result.detection.max_ms < 2_500.0);
    assert!(result.delivery.flows == 6 && result.delivery.delivered > 100);
    assert!(
        result.delivery.stretch.p50 >= 0.9,
        "{:?}",
        result.delivery.stretch
    );
    let on_demand = result.on_demand.expect("all is measured");
    assert!(
        on_demand.opened >= 3 && on_demand.opened == on_demand.closed,
        "{on_demand:?} {:?}",
        result.delivery.flows_skipped
    );
    let lookups = result.lookups.expect("all is measured");
    let answered: u64 = lookups.hops.iter().map(|&(_, count)| count).sum();
    assert_eq!(answered, lookups.asked, "{lookups:?}");
    assert!(lookups.asked > 0 && (1.0..=2.0).contains(&lookups.hops_mean));
    let control = result.control.expect("all is measured");
    assert!(control.per_node_per_s > 3.0 && control.per_node_per_s < 20.0);
    assert!(result.series.len() > 50);
    // A reflector's group and backbone, and on demand at most one for each stream.
    assert!(
        (8..=8 + 6).contains(&result.sessions_max),
        "{}",
        result.sessions_max
    );
}

#[test]
fn the_same_seed_gives_the_same_digest_and_another_another() {
    let digest = |text: &str| result(text).digest;
    assert_eq!(digest(SMALL), digest(SMALL));
    assert_ne!(
        digest(SMALL),
        digest(&SMALL.replace("seed = 3", "seed = 4"))
    );
}

#[test]
fn what_does_not_hold_is_a_violation() {
    let text = SMALL.replace("sessions_max = 20", "sessions_max = 4\ndelivered = 1.0");
    let result = result(&text);
    let names: Vec<_> = result
        .violations
        .iter()
        .map(|v| v.invariant.as_str())
        .collect();
    assert!(names.contains(&"sessions"), "{names:?}");
}

#[test]
fn every_kind_of_fault_is_survived() {
    let faults = r#"
[[fault]]
kind = "partition"
at = "6s"
lasting = "3s"
share = 0.4
[[fault]]
kind = "partition"
at = "7s"
lasting = "1s"
group = "g1"
one_way = true
[[fault]]
kind = "cut"
at = "10s"
lasting = "500ms"
pairs = 3
[[fault]]
kind = "stop"
at = "11s"
lasting = "4s"
count = 1
[[fault]]
kind = "slow"
at = "12s"
lasting = "3s"
count = 2
[[fault]]
kind = "power-off"
at = "13s"
lasting = "6s"
racks = 1
rack_size = 2
[[fault]]
kind = "leave"
at = "14s"
lasting = "2s"
count = 1
role = "member"
[[fault]]
kind = "join"
at = "3s"
spread = "1s"
count = 2
[[fault]]
kind = "links"
at = "15s"
lasting = "3s"
latency = "20ms"
loss_percent = 1
[chaos]
every = "2s"
lasting = "1s"
until = "20s"
[churn]
law = "pareto"
up = "30s"
down = "3s"
until = "25s"
"#;
    let text = SMALL
        .replace("duration = \"20s\"", "duration = \"90s\"")
        .replace("detection = \"2.5s\"\nsessions_max = 20", "")
        .replace("\"no-false-death\", \"no-failed-lookup\"", "\"mesh\"");
    let result = result(&format!("{text}{faults}"));
    assert_eq!(result.violations, []);
    assert!(result.healed_s.is_some());
    assert!(result.rejoin.count > 3, "{:?}", result.rejoin);
}

#[test]
fn a_name_that_is_not_there_is_refused_with_its_line() {
    let text = SMALL.replace("count = 1", "count = 1\ngroup = \"g9\"");
    let scenario = Scenario::parse(&text).expect("it reads well");
    let stop = AtomicBool::new(false);
    let error = run(&scenario, RunOptions::new(&stop), &mut |_| {}).expect_err("no group g9");
    assert_eq!(
        error.to_string(),
        "21: there is no group \"g9\"; allowed: g0, g1, g2, backbone"
    );
}

#[test]
fn a_stopped_run_says_what_it_has() {
    let scenario = Scenario::parse(SMALL).expect("the scenario is right");
    let stop = AtomicBool::new(false);
    let mut options = RunOptions::new(&stop);
    options.command = "archipelago sim run small.toml".to_owned();
    let result = run(&scenario, options, &mut |progress| {
        if progress.phase == Phase::Running && progress.done > Duration::from_secs(4) {
            stop.store(true, Ordering::Relaxed);
        }
    });
    let result = result.expect("the plan is possible");
    assert!(result.interrupted && result.virtual_s < 15.0);
    assert!(!result.series.is_empty() && result.violations.is_empty());
}

#[test]
fn a_planned_topology_on_a_drawn_underlay_runs_and_says_what_is_wrong_with_it() {
    let planned = SMALL.replace(
        "[topology.flat]\ngroups = 3\nsize = 5\nreflectors = 2\n",
        "[topology.shaped]\nshape = { ring = { n = 4 } }\n\
         mapping = { groups = { size = 5, reflectors = 2 } }\n\
         [underlay]\nlatency = { lognormal = { median_ms = 2.0, sigma = 0.3 } }\n",
    );
    let result = result(&planned);
    assert_eq!(result.violations, []);
    assert_eq!((result.nodes, result.groups, result.reflectors), (20, 4, 8));
    let wrong = planned.replace("n = 4", "n = 2");
    let scenario = Scenario::parse(&wrong).expect("it can be read");
    let stop = AtomicBool::new(false);
    let error = run(&scenario, RunOptions::new(&stop), &mut |_| {}).map(drop);
    let error = error.expect_err("a ring of two").to_string();
    assert!(error.contains("n = 2: allowed is 3 to"), "{error}");
    let wrong = planned.replace("ring = { n", "rings = { n");
    let error = Scenario::parse(&wrong)
        .map(drop)
        .expect_err("no such shape");
    assert!(error.to_string().contains("watts-strogatz"), "{error}");
}

/// Of many faults, one breaks a bound on purpose: it alone is left.
#[test]
fn shrinking_finds_the_one_fault_that_fails() {
    let mut text = SMALL
        .replace("detection = \"2.5s\"", "detection = \"800ms\"")
        .replace(", \"quiet\", \"no-false-death\", \"no-failed-lookup\"", "");
    for at in [2, 4, 6, 8] {
        text = text.replace(
            "[hold]",
            &format!(
                "[[fault]]\nkind = \"crash\"\nat = \"{at}s\"\nlasting = \"4s\"\ncount = 1\n[hold]"
            ),
        );
    }
    // A stopped process is noticed by silence only, which takes longer than a reset.
    text = text.replace(
        "[hold]",
        "[[fault]]\nkind = \"stop\"\nat = \"14s\"\nnodes = [4]\n[hold]",
    );
    let scenario = Scenario::parse(&text).expect("the scenario is right");
    let stop = AtomicBool::new(false);
    let shrunk = shrink(&scenario, &RunOptions::new(&stop), &mut |_, _| {});
    let shrunk = shrunk.expect("the plan is possible").expect("it fails");
    assert_eq!(shrunk.invariant, "detection");
    let left: Vec<_> = shrunk
        .steps
        .iter()
        .map(|step| step.action.clone())
        .collect();
    assert_eq!(left, [Action::Stop(4)]);
    assert_eq!(shrunk.causes, 6);
    assert!(shrunk.result.violations_count > 0 && shrunk.runs < 30);
}

#[test]
fn only_what_is_asked_for_is_in_the_result() {
    let some = result(&format!("measure = [\"control\", \"join\"]\n{SMALL}"));
    let all = result(SMALL);
    assert_eq!(some.digest, all.digest, "what is measured changes nothing");
    assert_eq!(some.measured, ["control", "join"]);
    assert_eq!((&some.control, &some.join), (&all.control, &all.join));
    assert!(some.lookups.is_none() && some.on_demand.is_none());
    assert!(some.load.is_none() && some.robustness.is_none() && some.sessions.is_empty());
    let (delivery, detection) = (&some.delivery, &some.detection);
    assert_eq!((delivery.latency.count, delivery.stretch.count), (0, 0));
    assert_eq!(detection.count, 0);
    assert_eq!(delivery.delivered, all.delivery.delivered);
    assert_eq!(all.measured.len(), crate::scenario::MEASURES.len());
}

#[test]
fn the_same_world_takes_the_same_memory_whatever_ran_before_it() {
    let (first, second) = (result(SMALL), result(SMALL));
    assert!(first.bytes_per_node > 1_000);
    assert_eq!(first.bytes_per_node, second.bytes_per_node);
}

const TOOLBOX: &str = r#"
name = "toolbox"
seed = 5
duration = "10s"

[topology.flat]
groups = 2
size = 5
reflectors = 1

[[workload]]
kind = "calls"
at = "1s"
pairs = 4
messages = 10
deadline = "2s"

[[workload]]
kind = "names"
at = "1s"
lasting = "2s"
workers = 2

[[workload]]
kind = "groupcast"
at = "2s"
senders = 3
messages = 10
bytes = 300_000

[hold]
invariants = ["safety", "views", "mesh", "no-false-death"]
"#;

/// Calls, names and groupcasts are measured; where nothing breaks none of them fails, and the
/// result is the same on two threads.
#[test]
fn the_toolbox_is_measured_and_loses_nothing_where_nothing_breaks() {
    let one = result(TOOLBOX);
    assert_eq!(one.violations, []);
    let calls = one.toolbox.calls.clone().unwrap();
    assert_eq!(
        (calls.begun, calls.answered, calls.latency.count),
        (40, 40, 40)
    );
    let names = one.toolbox.names.clone().unwrap();
    assert!(names.registered > 100 && names.failed == 0, "{names:?}");
    assert!(
        names.least_served_share > 0.5 && names.per_s > 50.0,
        "{names:?}"
    );
    let casts = one.toolbox.groupcasts.clone().unwrap();
    assert_eq!((casts.sent, casts.missed), (30, 0));
    assert!(casts.expected >= 30 * 5, "{casts:?}");
    assert_eq!(casts.delivered, casts.expected);
    let scenario = Scenario::parse(TOOLBOX).unwrap();
    let stop = AtomicBool::new(false);
    let mut options = RunOptions::new(&stop);
    options.threads = 2;
    let two = run(&scenario, options, &mut |_| {}).unwrap();
    assert_eq!((&two.digest, &two.toolbox), (&one.digest, &one.toolbox));
}

/// Members that die, one of each group, miss groupcasts and end calls; both are counted.
#[test]
fn the_toolbox_counts_what_a_fault_takes() {
    let fault = "[[fault]]\nkind = \"crash\"\nat = \"2100ms\"\nnodes = [1, 6]\n\n[hold]";
    let result = result(&TOOLBOX.replacen("[hold]", fault, 1));
    let casts = result.toolbox.groupcasts.unwrap();
    assert!(
        casts.delivered < casts.expected && casts.delivered > 0,
        "{casts:?}"
    );
    let calls = result.toolbox.calls.unwrap();
    let ended = calls.answered + calls.timed_out + calls.lost + calls.refused;
    assert_eq!(ended, calls.begun);
}

/// U11, F6: leases in a scenario: through a split no key is active twice, and the half without the
/// council's majority refuses.
#[test]
fn u11_f6_keyed_workers_with_leases_are_active_once() {
    let file = "/../examples/scenarios/keyed-leases.toml";
    let text = std::fs::read_to_string([env!("CARGO_MANIFEST_DIR"), file].concat());
    let result = result(&text.expect("it ships"));
    assert_eq!(result.violations, []);
    let keyed = result.toolbox.keyed.expect("it has such a load");
    assert!(keyed.disordered == 0 && keyed.refused > 300, "{keyed:?}");
    assert!(keyed.answered * 10 > keyed.asked * 7, "{keyed:?}");
}
