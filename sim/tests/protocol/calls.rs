//! Calls under faults: each ends exactly once, by its deadline, with the right reason (U9), within a
//! group and across groups.
//!
//! `ARCHIPELAGO_SEEDS` sets how many seeds each takes, `ARCHIPELAGO_SEED` runs one.

use std::time::Duration;

use crate::support::{formed, ms, none, restart, s, seeds};
use archipelago_sim::check::{self, calls};
use archipelago_sim::topology::Topology;
use archipelago_sim::{CallReport, NodeIx, World};

const SEEDS: u64 = 60;

/// A flow of a hundred calls between two nodes drawn, and which.
fn drawn_calls(world: &mut World, nodes: u32) -> (NodeIx, u32) {
    let from = draw(world, nodes);
    let mut to = draw(world, nodes);
    while to == from {
        to = draw(world, nodes);
    }
    let lives = [ms(20), ms(300), s(2), s(8)];
    let life = lives[world.random().index(lives.len())];
    let pid = world.pid(to).expect("the receiver runs");
    (from, world.calls_to(from, pid, (100, ms(50), 300), life))
}

fn draw(world: &mut World, nodes: u32) -> NodeIx {
    let index = world.random().index(nodes as usize);
    NodeIx(u32::try_from(index).expect("few nodes"))
}

fn all_answered(report: &CallReport) {
    assert_eq!((report.begun, report.answered), (100, 100), "{report:?}");
}

/// U9: a kill, a pause and a cut while calls are in flight: none hangs, none ends twice, and after
/// the heal all are answered.
#[test]
fn u9_calls_end_once_and_in_time_whatever_happens() {
    seeds(
        "u9_calls_end_once_and_in_time_whatever_happens",
        SEEDS,
        |seed| {
            let mut world = formed(&Topology::group(8), seed);
            let flows: Vec<_> = (0..6).map(|_| drawn_calls(&mut world, 8)).collect();
            world.run_for(ms(700));
            let (killed, stopped) = (draw(&mut world, 8), draw(&mut world, 8));
            world.crash(killed);
            world.stop(stopped);
            let (a, b) = (draw(&mut world, 8), draw(&mut world, 8));
            if a != b {
                world.cut(a, b);
            }
            for _ in 0..30 {
                world.run_for(ms(100));
                none("under faults", calls::check(&world));
            }
            world.heal();
            world.resume(stopped);
            restart(&mut world, killed);
            world.run_for(s(30));
            none("healed", calls::check(&world));
            none("quiet", check::safety(&world));
            for (node, flow) in flows {
                let report = world.call_report(node, flow);
                assert_eq!(report.begun, report.ended(), "{report:?}");
            }
            let to = world.pid(NodeIx(1)).expect("it runs");
            let flow = world.calls_to(NodeIx(0), to, (100, ms(10), 300), s(5));
            world.run_for(s(10));
            all_answered(&world.call_report(NodeIx(0), flow));
        },
    );
}

/// U9: to a pid that is gone, and to a node that is: refused at once, or by the deadline.
#[test]
fn u9_a_dead_pid_refuses_and_a_dead_node_costs_the_deadline() {
    seeds(
        "u9_a_dead_pid_refuses_and_a_dead_node_costs_the_deadline",
        SEEDS,
        |seed| {
            let mut world = formed(&Topology::group(4), seed);
            let to = world.pid(NodeIx(1)).expect("it runs");
            let gone = archipelago_core::Pid {
                local: archipelago_core::LocalId(7),
                ..to
            };
            let refused = world.calls_to(NodeIx(0), gone, (100, Duration::ZERO, 300), s(5));
            world.run_for(s(2));
            let report = world.call_report(NodeIx(0), refused);
            assert_eq!((report.begun, report.refused), (100, 100), "{report:?}");

            world.crash(NodeIx(1));
            let dead = world.calls_to(NodeIx(0), to, (100, Duration::ZERO, 300), s(5));
            world.run_for(s(6));
            let report = world.call_report(NodeIx(0), dead);
            assert_eq!(
                (report.ended(), report.answered),
                (report.begun, 0),
                "{report:?}"
            );
            none("all", calls::check(&world));
        },
    );
}
