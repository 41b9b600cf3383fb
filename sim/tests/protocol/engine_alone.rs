//! Scenarios of the engine alone, and taps on single messages.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::support::{formed, s};
use archipelago_core::Time;
use archipelago_sim::report::{ToldKind, messages, sequence_page};
use archipelago_sim::run::{Experiment, RunOptions, run};
use archipelago_sim::scenario::Scenario;
use archipelago_sim::tally::Kind;
use archipelago_sim::topology::Topology;
use archipelago_sim::w1::W1;
use archipelago_sim::{Tap, World};

const W1_TEXT: &str = "duration = \"2s\"\n[engine]\nworkload = \"w1\"\nnodes = 500\n";

#[test]
fn a_scenario_of_the_engine_alone_is_the_workload() {
    let scenario = Scenario::parse(W1_TEXT).expect("it is well-formed");
    let stop = AtomicBool::new(false);
    let mut alone = W1::new(1, 500, Duration::from_secs(2), 1);
    alone.run(alone.end(), 1);
    for threads in [1, 2] {
        let mut options = RunOptions::new(&stop);
        options.threads = threads;
        let result = run(&scenario, options, &mut |_| {}).expect("nothing is missing");
        let counted = alone.counted();
        assert_eq!(result.digest, format!("{:016x}", counted.digest));
        assert_eq!((result.events, result.nodes), (counted.events, 500));
        assert_eq!(result.messages, 10_000, "ten each, twice");
        assert_eq!((result.virtual_s, result.interrupted), (2.2, false));
    }
    let refused = Experiment::new(&scenario, RunOptions::new(&stop));
    assert!(refused.is_err(), "there is no world in it");
}

#[test]
fn an_engine_and_a_world_in_one_file_are_refused_with_the_line() {
    let text = format!("{W1_TEXT}\n[topology.flat]\ngroups = 1\nsize = 3\n");
    let error = Scenario::parse(&text).expect_err("one or the other");
    let said = error.to_string();
    assert!(said.contains("topology") && said.contains('6'), "{said}");
    let error = Scenario::parse(&W1_TEXT.replace("\"w1\"", "\"w2\"")).expect_err("unknown");
    assert!(error.to_string().contains("w1"), "{error}");
}

/// The messages to and from node 2 in two seconds, at most so many; and the world after them.
fn tapped(len_max: usize) -> World {
    let mut world = formed(&Topology::backbone(2, 5, 2), 1);
    let nodes = BTreeSet::from([2]);
    let (from, until) = (world.now(), world.now().after(s(2)));
    world.tap(Tap {
        nodes,
        from,
        until,
        len_max,
    });
    world.run_for(s(4));
    world
}

#[test]
fn a_tap_shows_single_messages_of_chosen_nodes_and_counts_the_rest() {
    let world = tapped(1_000);
    let (all, count) = world.tapped();
    assert_eq!(all.len() as u64, count, "all are kept");
    assert!(all.iter().all(|seen| seen.from == 2 || seen.to == 2));
    assert!(all.is_sorted_by_key(|seen| seen.time));
    let beats = all.iter().filter(|seen| seen.kind == Kind::Heartbeat);
    assert!(beats.clone().all(|seen| seen.group.is_some()));
    assert!(beats.count() >= 12, "a member says and hears four a second");
    let few = tapped(5);
    let (some, same) = few.tapped();
    assert_eq!((some, same), (&all[..5], count));
    let nodes = BTreeSet::from([2]);
    let lines = messages(&few, &nodes, Time::START);
    assert!(lines.iter().all(|line| line.node == 2));
    assert!(lines.iter().all(|line| line.kind != ToldKind::Report));
    let page = sequence_page("a tap", "replay", &nodes, (&lines, count - 5));
    assert!(page.contains(&format!("And {} more messages.", count - 5)));
    assert!(page.contains("Heartbeat in "), "{page}");
}

#[test]
fn a_tap_changes_nothing() {
    let mut plain = formed(&Topology::backbone(2, 5, 2), 1);
    plain.run_for(s(4));
    assert_eq!(tapped(3).trace().hash(), plain.trace().hash());
}
