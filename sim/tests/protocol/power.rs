//! F1: the difference between a process that dies and a machine that loses its power. Of the
//! first its kernel tells at once; of the second nobody tells, and heartbeats find out.
//!
//! `ARCHIPELAGO_SEEDS` sets how many seeds each takes, `ARCHIPELAGO_SEED` runs one.

use std::time::Duration;

use crate::support::{formed, ms, none, restart, s, seeds, within};
use archipelago_core::Time;
use archipelago_sgroup::DownReason;
use archipelago_sim::check::{self, deaths, views};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, World};

/// The bound of detection.
const T_D: Duration = ms(2_500);
/// No heartbeat is missed so soon.
const UNNOTICED: Duration = ms(900);
const SEEDS: u64 = 100;

#[test]
fn f1_peers_of_a_killed_process_know_at_once_and_of_a_dark_machine_by_heartbeats() {
    let test = "f1_peers_of_a_killed_process_know_at_once_and_of_a_dark_machine_by_heartbeats";
    seeds(test, SEEDS, |seed| {
        let mut world = formed(&Topology::group(8), seed);
        let (killed, dark) = (NodeIx(3), NodeIx(6));
        world.crash(killed);
        world.run_for(ms(50));
        assert_eq!(holders(&world, killed), [], "their kernel closed all");

        let ended = world.now();
        world.power_off(dark);
        world.run_for(UNNOTICED);
        assert_eq!(holders(&world, dark).len(), 6, "six hear nothing");
        none("told too early", told_since(&world, ended, &[dark]));
        world.run_for(T_D);
        told(&world, dark, ended);
        within(&mut world, "the transport gives up", s(25), |world| {
            holders(world, dark).is_empty()
        });
    });
}

/// A region of every group's members loses its power: the others see silence, know all of them
/// dead within the bound and nobody else, and agree again when the power is back.
#[test]
fn f1_a_region_without_power_is_silent_and_found_dead_by_heartbeats() {
    let test = "f1_a_region_without_power_is_silent_and_found_dead_by_heartbeats";
    seeds(test, SEEDS, |seed| {
        let mut world = formed(&Topology::backbone(3, 6, 2), seed);
        let region: Vec<NodeIx> = [1, 4, 7, 10, 13, 16].map(NodeIx).into();
        let ended = world.now();
        for &node in &region {
            world.power_off(node);
        }
        world.run_for(UNNOTICED);
        none("told too early", told_since(&world, ended, &region));
        world.run_for(T_D);
        for &node in &region {
            told(&world, node, ended);
        }
        none("another's death", deaths::none_but(&world, ended, &region));
        for &node in &region {
            restart(&mut world, node);
        }
        within(&mut world, "coming back", s(10), views::all_agree);
        world.run_for(s(5));
        none("after the return", check::quiet(&world));
    });
}

/// No heartbeat watches a session on demand: what is sent on it to a machine without power is
/// never acknowledged, and the transport's time-out ends it, whether it was under way when the
/// power went or sent later.
#[test]
fn f1_a_session_on_demand_with_a_dark_machine_ends_by_the_transports_timeout() {
    let test = "f1_a_session_on_demand_with_a_dark_machine_ends_by_the_transports_timeout";
    seeds(test, SEEDS, |seed| {
        let mut world = formed(&Topology::backbone(2, 4, 2), seed);
        let (from, to) = (NodeIx(3), NodeIx(7));
        world.flow(from, to, (300, ms(100), 100));
        world.run_for(s(3));
        assert!(world.is_path_direct(from, to), "the flow went over");
        let phase = world.random().duration(ms(0), ms(100));
        world.run_for(phase);
        world.power_off(to);
        let ended = world.now();
        let is_over = |world: &World| !holders(world, to).contains(&from);
        let took = within(&mut world, "giving up", s(25), is_over);
        assert!(took > UNNOTICED, "after {took:?} of {ended:?}");
    });
}

/// The transport tells nothing while a machine is dark; with power and without its old sessions it
/// resets what still comes on them.
#[test]
fn f1_a_machine_that_is_back_resets_old_sessions() {
    let test = "f1_a_machine_that_is_back_resets_old_sessions";
    seeds(test, SEEDS, |seed| {
        let mut world = formed(&Topology::group(5), seed);
        let node = NodeIx(2);
        world.power_off(node);
        world.run_for(ms(500));
        assert_eq!(holders(&world, node).len(), 4, "nobody noticed yet");
        restart(&mut world, node);
        within(&mut world, "coming back", s(10), views::all_agree);
        world.run_for(s(5));
        none("after the return", check::quiet(&world));
    });
}

/// Nodes with an open session to this one.
fn holders(world: &World, peer: NodeIx) -> Vec<NodeIx> {
    let has_session = |node: &NodeIx| {
        let connections = world.connections(*node);
        connections.iter().any(|&(_, other)| other == peer)
    };
    world.running().into_iter().filter(has_session).collect()
}

/// Deaths of `victims` that anybody was told of since `start`.
fn told_since(world: &World, start: Time, victims: &[NodeIx]) -> Vec<check::Violation> {
    let told = deaths::since(world, start).into_iter();
    told.filter(|death| victims.contains(&death.member))
        .map(|death| check::Violation::new("too early", death.to_string()))
        .collect()
}

/// Everybody who runs and shares a group with `victim` was told that it is dead, in time.
fn told(world: &World, victim: NodeIx, ended: Time) {
    let found = deaths::within(world, victim, ended, T_D);
    found.unwrap_or_else(|found| panic!("{} were not told: {}", found.len(), found[0]));
    let of_victim = deaths::since(world, ended).into_iter();
    let mut reasons = of_victim.filter(|death| death.member == victim);
    assert!(reasons.all(|death| death.reason == DownReason::Dead));
}
