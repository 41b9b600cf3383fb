//! Monitors: exactly one word of every end, in a group, across groups and across tiers, and no
//! session held for it (U8, I9, F1, A9).
//!
//! `ARCHIPELAGO_SEEDS` sets how many seeds the random schedules take, `ARCHIPELAGO_SEED` runs one.

#[allow(clippy::disallowed_types, reason = "seeds may run on several threads")]
use std::sync::Mutex;
use std::time::Duration;

use crate::support::{formed, ms, none, restart, s, seeds, within};
use archipelago_core::wire::Exit;
use archipelago_core::{LocalId, Pid, Time};
use archipelago_router::watch::{EndReason, MonitorRef, Target};
use archipelago_router::{Command, Event};
use archipelago_sim::check::{monitors, sessions, views};
use archipelago_sim::tiers::{Hierarchy, forming_limit, is_formed};
use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, Observation, World};

const SEEDS: u64 = 1_000;

/// What a monitor heard, and when.
fn heard(world: &World, at: NodeIx, monitor: MonitorRef) -> Vec<(Time, EndReason)> {
    let log = world.log().iter().filter(|seen| seen.node == at.0);
    log.filter_map(|seen| match &seen.what {
        Observation::Event(Event::Down {
            monitor: of,
            reason,
        }) if *of == monitor => Some((seen.time, reason.clone())),
        _ => None,
    })
    .collect()
}

fn one(world: &World, at: NodeIx, monitor: MonitorRef) -> (Time, EndReason) {
    let mut all = heard(world, at, monitor);
    assert_eq!(all.len(), 1, "n{} {monitor:?}: {all:?}", at.0);
    all.remove(0)
}

fn watch(world: &mut World, at: NodeIx, pid: Pid) -> MonitorRef {
    let begun = world.monitor(at, Target::Process(pid));
    begun.expect("far below the limit")
}

/// Three groups of five with two reflectors each: the last of a group is a plain member.
fn backbone(seed: u64) -> World {
    formed(&Topology::backbone(3, 5, 2), seed)
}

/// U8: the end of a process is told once with its reason, in the group and across.
#[test]
fn u8_the_end_of_a_process_is_told_once_with_its_reason() {
    let mut world = backbone(1);
    let target = NodeIx(4);
    let exits = [
        Exit::Normal,
        Exit::failed("no disk"),
        Exit::panicked("index out of range"),
        Exit::Killed,
    ];
    for exit in exits {
        let pid = world.another_pid(target).expect("it runs");
        let watchers = [NodeIx(4), NodeIx(3), NodeIx(0), NodeIx(9), NodeIx(14)];
        let monitors = watchers.map(|at| (at, watch(&mut world, at, pid)));
        world.run_for(s(25));
        let ended = world.now();
        world.end_process(pid, exit.clone());
        world.run_for(s(2));
        for (at, monitor) in monitors {
            let (time, reason) = one(&world, at, monitor);
            assert_eq!(reason, EndReason::Exited(exit.clone()), "n{}", at.0);
            assert!(
                time.since(ended) < s(1),
                "n{}: {:?}",
                at.0,
                time.since(ended)
            );
        }
    }
}

/// A pid that is nobody's says so at once: of no mailbox, of an earlier start, of a later one.
#[test]
fn u8_f1_a_pid_that_is_nobodys_says_no_proc() {
    let mut world = backbone(2);
    let (target, old) = (NodeIx(4), world.pid(NodeIx(4)).expect("it runs"));
    world.crash(target);
    world.run_for(s(1));
    restart(&mut world, target);
    world.run_for(s(10));
    let new = world.pid(target).expect("it runs");
    let nobody = Pid {
        local: LocalId(7),
        ..new
    };
    for at in [NodeIx(3), NodeIx(4), NodeIx(9)] {
        for pid in [old, nobody] {
            let monitor = watch(&mut world, at, pid);
            world.run_for(s(2));
            assert_eq!(one(&world, at, monitor).1, EndReason::NoProc, "n{}", at.0);
        }
    }
}

/// U8: across groups no session exists between the two during the watch, nor with those who tell;
/// the death of the node is told within 3 s all the same.
#[test]
fn u8_across_groups_no_session_is_held_for_a_watch() {
    let mut world = backbone(3);
    let (at, target) = (NodeIx(9), NodeIx(4));
    let pid = world.pid(target).expect("it runs");
    let monitor = watch(&mut world, at, pid);
    for _ in 0..60 {
        world.run_for(s(1));
        assert!(sessions::beyond_groups(&world).is_empty());
    }
    let wardens = world.node(at).expect("it runs").wardens_of(&pid.node);
    assert_eq!(wardens.len(), 2, "{wardens:?}");
    let ended = world.now();
    world.crash(target);
    world.run_for(s(3));
    assert_eq!(one(&world, at, monitor).1, EndReason::NodeDown);
    println!("told after {:?}", one(&world, at, monitor).0.since(ended));
    world.run_for(s(40));
    for node in world.running() {
        let leases = world.node(node).expect("it runs").watch_leases();
        assert_eq!(leases, (0, 0), "n{} keeps nothing", node.0);
    }
}

/// A reflector that tells of a node's end is lost: another is asked at once, and when both are
/// lost with the node, its lease tells.
#[test]
fn u8_a_lost_warden_is_replaced() {
    for both in [false, true] {
        let mut world = formed(&Topology::backbone(3, 7, 4), 4);
        let (at, target) = (NodeIx(13), NodeIx(6));
        let pid = world.pid(target).expect("it runs");
        let monitor = watch(&mut world, at, pid);
        world.run_for(s(5));
        let before = world.node(at).expect("it runs").wardens_of(&pid.node);
        let lost: Vec<NodeIx> = before.iter().map(|id| world.node_of(id)).collect();
        for &warden in &lost[..if both { 2 } else { 1 }] {
            world.crash(warden);
        }
        world.run_for(if both { s(20) } else { s(6) });
        let after = world.node(at).expect("it runs").wardens_of(&pid.node);
        assert_eq!(after.len(), 2, "{after:?}");
        assert!(!after.contains(&before[0]));
        let ended = world.now();
        world.crash(target);
        world.run_for(s(3));
        let (time, reason) = one(&world, at, monitor);
        assert_eq!(reason, EndReason::NodeDown);
        println!("both {both}: told after {:?}", time.since(ended));
    }
}

/// What the process sent before it ended arrives before its end is told: nothing of it after.
#[test]
fn u8_nothing_of_a_process_is_delivered_after_its_end_is_told() {
    let mut world = backbone(5);
    for (at, target) in [(NodeIx(3), NodeIx(4)), (NodeIx(9), NodeIx(4))] {
        let pid = world.pid(target).expect("it runs");
        let monitor = watch(&mut world, at, pid);
        world.run_for(s(2));
        // More than fits a window, so that much of it still waits when the process ends.
        let flow = world.flow(target, at, (300, ms(0), 3_000));
        world.run_for(Duration::from_micros(1));
        world.end_process(pid, Exit::Normal);
        world.run_for(s(5));
        let (told, reason) = one(&world, at, monitor);
        assert_eq!(reason, EndReason::Exited(Exit::Normal));
        let received = world.received(at, target, flow);
        assert_eq!(received.delivered, 300);
        assert!(received.last <= told, "{:?} after {told:?}", received.last);
    }
}

/// A9: one node may watch so many processes of another and no more; the rest is refused by name,
/// and other watchers are served.
#[test]
fn a9_too_many_watches_of_one_peer_are_refused() {
    let mut world = formed(&Topology::group(3), 6);
    for node in world.nodes() {
        world.configure(node, |config| {
            let watch = std::sync::Arc::make_mut(&mut config.watch);
            watch.watches_per_peer_max = 10;
        });
        world.crash(node);
        restart(&mut world, node);
    }
    within(&mut world, "coming back", s(30), views::all_agree);
    let pids: Vec<Pid> = (0..15)
        .map(|_| world.another_pid(NodeIx(0)).expect("it runs"))
        .collect();
    let refs = pids.iter().map(|&pid| watch(&mut world, NodeIx(1), pid));
    let refs: Vec<MonitorRef> = refs.collect();
    let other = watch(&mut world, NodeIx(2), pids[14]);
    world.run_for(s(2));
    for (index, &monitor) in refs.iter().enumerate() {
        let heard = heard(&world, NodeIx(1), monitor);
        let reasons: Vec<EndReason> = heard.into_iter().map(|(_, reason)| reason).collect();
        let expected = if index < 10 {
            Vec::new()
        } else {
            vec![EndReason::Refused]
        };
        assert_eq!(reasons, expected, "{index}");
    }
    assert!(heard(&world, NodeIx(2), other).is_empty());
}

/// A monitor that was ended says nothing, and leaves nothing behind.
#[test]
fn u8_an_ended_monitor_is_silent_and_leaves_nothing() {
    let mut world = backbone(7);
    let pid = world.pid(NodeIx(4)).expect("it runs");
    let monitor = watch(&mut world, NodeIx(9), pid);
    world.run_for(s(3));
    world.demonitor(NodeIx(9), monitor).expect("it runs");
    world.run_for(s(3));
    for node in world.running() {
        let leases = world.node(node).expect("it runs").watch_leases();
        assert_eq!(leases, (0, 0), "n{} keeps nothing", node.0);
    }
    world.end_process(pid, Exit::Normal);
    world.crash(NodeIx(4));
    world.run_for(s(30));
    assert!(heard(&world, NodeIx(9), monitor).is_empty());
}

/// A node that shuts down ends its own monitors, and is told down at others.
#[test]
fn u8_a_shutdown_is_told_on_both_sides() {
    let mut world = backbone(8);
    let pid = world.pid(NodeIx(4)).expect("it runs");
    let theirs = [NodeIx(3), NodeIx(9)].map(|at| (at, watch(&mut world, at, pid)));
    let other = world.pid(NodeIx(9)).expect("it runs");
    let own = watch(&mut world, NodeIx(4), other);
    world.run_for(s(5));
    let ended = world.now();
    world
        .command(NodeIx(4), Command::Shutdown)
        .expect("it runs");
    world.run_for(s(3));
    assert_eq!(one(&world, NodeIx(4), own).1, EndReason::Reset);
    for (at, monitor) in theirs {
        let (time, reason) = one(&world, at, monitor);
        assert_eq!(reason, EndReason::NodeDown, "n{}", at.0);
        println!("n{}: told after {:?}", at.0, time.since(ended));
    }
}

/// How long words took, by what was told.
#[derive(Default)]
#[allow(clippy::disallowed_types, reason = "seeds may run on several threads")]
struct Waits(Mutex<Vec<(Duration, String)>>);

impl Waits {
    fn add(&self, wait: Duration, what: &str) {
        let mut all = self.0.lock().expect("no panic holds it");
        all.push((wait, what.to_owned()));
    }

    fn show(&self, what: &str) -> Duration {
        let mut all = self.0.lock().expect("no panic holds it");
        all.sort_unstable();
        let at = |percent: usize| all.get((all.len() * percent / 100).min(all.len() - 1));
        let wait = |percent| at(percent).map_or(Duration::ZERO, |(wait, _)| *wait);
        let [p50, p99, max] = [50, 99, 100].map(wait);
        println!(
            "{what}: {} words, p50 {p50:?}, p99 {p99:?}, max {max:?}: {:?}",
            all.len(),
            all.last()
        );
        p99
    }
}

/// A monitor of a random schedule.
struct Begun {
    at: NodeIx,
    monitor: MonitorRef,
    target: NodeIx,
    pid: Option<Pid>,
}

fn begin(world: &mut World, count: usize) -> Vec<Begun> {
    let nodes = world.running();
    (0..count)
        .map(|_| {
            let at = nodes[world.random().index(nodes.len())];
            let target = nodes[world.random().index(nodes.len())];
            let is_process = world.random().index(3) > 0;
            let pid = is_process.then(|| world.another_pid(target).expect("it runs"));
            let monitor = match pid {
                Some(pid) => watch(world, at, pid),
                None => world.monitor_node(at, target).expect("below the limit"),
            };
            Begun {
                at,
                monitor,
                target,
                pid,
            }
        })
        .collect()
}

/// I9, F1: kills, lost power, restarts, shutdowns and exits at random: each monitor whose target
/// ended fires once with the right reason and in time, all others are silent.
fn schedule(
    world: &mut World,
    waits: &[Waits; 2],
    is_across: impl Fn(&World, NodeIx, NodeIx) -> bool,
) {
    world.attach(s(3_600), monitors::Once::default());
    let begun = begin(world, 24);
    let pause = ms(1_000 + world.random().index(14_000) as u64);
    world.run_for(pause);
    let nodes = world.running();
    let victim = nodes[world.random().index(nodes.len())];
    let fault = world.random().index(5);
    let ended = world.now();
    match fault {
        0 | 1 => world.crash(victim),
        2 => world.power_off(victim),
        3 => {
            world.crash(victim);
            world.run_for(ms(50));
            restart(world, victim);
        }
        _ => {
            let _ = world.command(victim, Command::Shutdown);
        }
    }
    let mut exited = Vec::new();
    for one in begun.iter().filter(|one| one.target != victim) {
        if let Some(pid) = one.pid
            && world.random().index(2) == 0
        {
            world.end_process(pid, Exit::Normal);
            exited.push((one.monitor, one.at, world.now()));
        }
    }
    world.run_for(s(30));
    for one in begun.iter().filter(|one| one.at != victim) {
        let heard = heard(world, one.at, one.monitor);
        let exit = exited
            .iter()
            .find(|(monitor, at, _)| (*monitor, *at) == (one.monitor, one.at));
        let class = usize::from(is_across(world, one.at, one.target));
        let what = format!(
            "seed {} fault {fault} at n{}: n{} {} n{}: {heard:?}",
            world.config().seed,
            victim.0,
            one.at.0,
            if one.pid.is_some() {
                "a process of"
            } else {
                "the node"
            },
            one.target.0
        );
        match (one.target == victim, exit) {
            (true, _) => {
                assert_eq!(heard.len(), 1, "{what}");
                assert_eq!(heard[0].1, EndReason::NodeDown, "{what}");
                waits[class].add(heard[0].0.since(ended), &what);
            }
            (false, Some((_, _, at))) => {
                assert_eq!(heard.len(), 1, "{what}");
                assert_eq!(heard[0].1, EndReason::Exited(Exit::Normal), "{what}");
                waits[class].add(heard[0].0.since(*at), &what);
            }
            (false, None) => assert!(heard.is_empty(), "{what}"),
        }
    }
    assert!(world.violations().is_empty(), "{:?}", world.violations());
}

fn share_no_group(world: &World, a: NodeIx, b: NodeIx) -> bool {
    let groups = |node| world.node_config(node).groups.clone();
    let of_b = groups(b);
    let shares = |group: &std::sync::Arc<archipelago_sgroup::GroupConfig>| {
        of_b.iter().any(|other| other.id() == group.id())
    };
    !groups(a).iter().any(shares)
}

#[test]
fn i9_f1_every_monitor_fires_once_in_groups_and_across() {
    let waits = [Waits::default(), Waits::default()];
    seeds(
        "i9_f1_every_monitor_fires_once_in_groups_and_across",
        SEEDS,
        |seed| {
            let topology = match seed % 3 {
                0 => Topology::group(6),
                1 => Topology::backbone(2, 4, 2),
                _ => Topology::backbone(3, 5, 3),
            };
            let mut world = formed(&topology, seed);
            schedule(&mut world, &waits, share_no_group);
        },
    );
    let in_group = waits[0].show("in the group");
    let across = waits[1].show("across groups");
    assert!(in_group <= ms(2_500), "{in_group:?}");
    assert!(across <= s(3), "{across:?}");
}

#[test]
fn i9_f1_every_monitor_fires_once_across_tiers() {
    let waits = [Waits::default(), Waits::default()];
    seeds("i9_f1_every_monitor_fires_once_across_tiers", 60, |seed| {
        let hierarchy = if seed % 2 == 0 {
            Hierarchy::tree(&[3], 6)
        } else {
            Hierarchy::tree(&[2, 2], 5)
        };
        let mut world = hierarchy.start(seed);
        within(&mut world, "forming", forming_limit(&hierarchy), |world| {
            is_formed(world, &hierarchy) && views::all_agree(world)
        });
        world.run_for(s(5));
        schedule(&mut world, &waits, share_no_group);
    });
    waits[0].show("in the group");
    let across = waits[1].show("across tiers");
    assert!(across <= s(3), "{across:?}");
}

/// I9: a split, and a node that stands still: no monitor fires twice, none of a node of the same
/// side fires, and all of the other side fire.
#[test]
fn i9_f6_a_split_ends_each_watch_across_it_once() {
    seeds(
        "i9_f6_a_split_ends_each_watch_across_it_once",
        100,
        |seed| {
            let topology = Topology::backbone(2, 5, 2);
            let mut world = formed(&topology, seed);
            world.attach(s(3_600), monitors::Once::default());
            let begun = begin(&mut world, 24);
            world.run_for(s(3));
            let is_left = |node: NodeIx| node.0 < 5;
            let (left, right) = world.nodes().into_iter().partition(|&node| is_left(node));
            world.partition(&[left, right]);
            world.run_for(s(30));
            for one in &begun {
                let heard = heard(&world, one.at, one.monitor);
                let is_split = is_left(one.at) != is_left(one.target);
                assert_eq!(
                    heard.len(),
                    usize::from(is_split),
                    "n{} n{} {heard:?}",
                    one.at.0,
                    one.target.0
                );
                let is_expected = heard
                    .iter()
                    .all(|(_, why)| matches!(why, EndReason::NodeDown | EndReason::Unreachable));
                assert!(is_expected, "{heard:?}");
            }
            world.heal();
            world.run_for(s(60));
            none(
                "I9",
                world
                    .violations()
                    .iter()
                    .map(|v| v.violation.clone())
                    .collect(),
            );
        },
    );
}
