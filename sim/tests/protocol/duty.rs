//! What every member of a group runs: kept by the group, on every member, present and future (U12).

use crate::support::{formed, ms, restart, s, within};
use archipelago_core::GroupId;
use archipelago_sgroup::duty::{DutyCommand, RunEnd};
use archipelago_sim::check::views;
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, ProcessState, World};
use bytes::Bytes;

const NODES: u32 = 5;

fn name() -> Bytes {
    Bytes::from_static(b"collector")
}

fn declare(arguments: &'static [u8]) -> DutyCommand {
    DutyCommand::Declare {
        name: name(),
        arguments: Bytes::from_static(arguments),
    }
}

fn add_factory(world: &mut World, node: NodeIx, group: GroupId) {
    let said = DutyCommand::AddFactory { name: name() };
    world.duty(node, group, said).expect("it is in the group");
}

/// Whether exactly the running nodes run it, once each, with these arguments.
fn all_run(world: &World, arguments: &[u8]) -> bool {
    world.running().into_iter().all(|node| {
        let runs = world.runs(node);
        runs.len() == 1 && runs[0].arguments == arguments
    })
}

/// U12: the declarer goes, then all keepers one after the other, and who comes new still runs it.
#[test]
fn u12_a_duty_outlives_whoever_declared_it() {
    crate::support::seeds("u12_a_duty_outlives", 40, |seed| {
        let topology = Topology::group(NODES);
        let group = topology.id(0);
        let mut world = formed(&topology, seed);
        for node in world.nodes() {
            add_factory(&mut world, node, group);
        }
        let declarer = NodeIx(u32::try_from(seed).unwrap() % NODES);
        world.duty(declarer, group, declare(b"1")).unwrap();
        within(&mut world, "running", s(3), |world| all_run(world, b"1"));
        // Each in turn is the only one that was not there before.
        for offset in 0..NODES {
            let node = NodeIx((declarer.0 + offset) % NODES);
            world.crash(node);
            world.run_for(ms(300));
            assert_eq!(world.runs(node), []);
            restart(&mut world, node);
            within(&mut world, "coming back", s(20), views::all_agree);
            add_factory(&mut world, node, group);
            within(&mut world, "running again", s(10), |world| {
                all_run(world, b"1")
            });
        }
    });
}

/// U12: declarations and withdrawals on both sides of splits, failures and restarts: after the heal
/// and a while everybody runs the same, or nobody anything.
#[test]
fn u12_after_a_heal_all_members_run_the_same() {
    crate::support::seeds("u12_after_a_heal", 100, |seed| {
        let topology = Topology::group(NODES);
        let group = topology.id(0);
        let mut world = formed(&topology, seed);
        for node in world.nodes() {
            add_factory(&mut world, node, group);
        }
        for _ in 0..30 {
            step(&mut world, group);
            let pause = world.random().below(500);
            world.run_for(ms(pause));
        }
        world.heal();
        for node in world.nodes() {
            if world.state(node) == ProcessState::Down {
                restart(&mut world, node);
            }
        }
        within(&mut world, "agreeing on members", s(60), views::all_agree);
        for node in world.nodes() {
            add_factory(&mut world, node, group);
        }
        world.run_for(s(40));
        let runs = |node| {
            let runs: Vec<_> = world.runs(node).iter().map(|run| &run.arguments).collect();
            assert!(runs.len() <= 1, "{node:?} runs {runs:?}");
            runs
        };
        let first = runs(NodeIx(0));
        assert!(world.nodes().into_iter().all(|node| runs(node) == first));
    });
}

fn step(world: &mut World, group: GroupId) {
    let node = NodeIx(u32::try_from(world.random().below(NODES.into())).expect("a small number"));
    let is_running = world.state(node) == ProcessState::Running;
    match world.random().below(8) {
        0 if is_running && world.running().len() > 2 => world.crash(node),
        1 if !is_running => {
            restart(world, node);
            add_factory(world, node, group);
        }
        2 => {
            let (here, there) = world
                .nodes()
                .into_iter()
                .partition::<Vec<_>, _>(|n| n.0 <= node.0);
            world.partition(&[here, there]);
        }
        3 => world.heal(),
        4 if is_running => world
            .duty(node, group, declare(b"a"))
            .expect("a member declares"),
        5 if is_running => world
            .duty(node, group, declare(b"b"))
            .expect("a member declares"),
        6 if is_running => {
            // Nothing to withdraw is an error that changes nothing.
            let _ = world.duty(node, group, DutyCommand::Withdraw { name: name() });
        }
        7 if is_running => {
            if let Some(run) = world.runs(node).first().cloned() {
                world.end_run(node, &run, RunEnd::Failed);
            }
        }
        _ => {}
    }
}
