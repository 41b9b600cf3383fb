//! Traffic between nodes with no common group: node 0 of group `a` and node 4 of group `b`, which
//! node 2 bridges.

use std::time::Duration;

use archipelago_core::channel::Path;
use archipelago_core::wire::ByeReason;
use archipelago_core::{GroupId, NodeId, Roles};
use archipelago_router::{
    CloseReason, Command, Event, NodeConfig, Output, SessionKind, Unreachable,
};
use bytes::Bytes;

use super::world::{MS, REALM, SECOND, World, config, group};

const IDLE: Duration = Duration::from_secs(10);

fn id(name: &str) -> GroupId {
    GroupId::new(REALM, name)
}

/// `a` is 0, 1, 2; `b` is 2, 3, 4.
fn bridged(change: impl Fn(usize, &mut NodeConfig)) -> World {
    let (a, b) = (group("a", &[2]), group("b", &[2]));
    let configs = (0..5).map(|index| {
        let groups = match index {
            0 | 1 => vec![a.clone()],
            2 => vec![a.clone(), b.clone()],
            _ => vec![b.clone()],
        };
        let mut config = config(index, &groups);
        config.idle_timeout = IDLE;
        if index == 2 {
            config.roles = Roles::REFLECTOR;
        }
        change(index, &mut config);
        config
    });
    let mut world = World::started(configs.collect());
    world.run_until(10 * SECOND, |world| {
        world.has_formed(id("a"), &[0, 1, 2]) && world.has_formed(id("b"), &[2, 3, 4])
    });
    world.run(2 * SECOND);
    for host in &mut world.hosts {
        host.log.clear();
    }
    world
}

fn contact(world: &mut World, from: usize, to: usize) {
    let (peer, home) = (world.id(to), Some(id(if to < 2 { "a" } else { "b" })));
    world.command(from, Command::Contact { peer, home });
}

/// Enough traffic for a session of its own.
fn demand(world: &mut World, from: usize, to: usize) {
    let peer = world.id(to);
    world.command(
        from,
        Command::Demand {
            peer,
            messages: 3,
            bytes: 30,
        },
    );
}

fn talk(world: &mut World, from: usize, to: usize) {
    contact(world, from, to);
    world.run(SECOND / 2);
    demand(world, from, to);
    world.run(SECOND / 2);
}

fn on_demand(world: &World, index: usize) -> Vec<NodeId> {
    let sessions = world.hosts[index].node.sessions().into_iter();
    let on_demand = sessions.filter(|session| session.kind == SessionKind::OnDemand);
    on_demand.map(|session| session.peer).collect()
}

fn direct(world: &World, index: usize, to: usize) -> bool {
    let paths = world.hosts[index].paths();
    let is_direct =
        |&(peer, path): &(NodeId, Path)| peer == world.id(to) && matches!(path, Path::Direct(_));
    paths.iter().any(is_direct)
}

fn relayed(world: &World, index: usize, to: usize) -> bool {
    world.hosts[index]
        .paths()
        .contains(&(world.id(to), Path::Relay))
}

#[test]
fn the_first_message_goes_by_relay_and_more_by_one_connection_e18() {
    let mut world = bridged(|_, _| {});
    let before = world.open_links().len();
    contact(&mut world, 0, 4);
    world.run(10 * MS);
    assert!(relayed(&world, 0, 4));
    assert_eq!(world.open_links().len(), before, "a look-up opens nothing");
    let frames = Bytes::from_static(b"frames");
    world.command(
        0,
        Command::Forward {
            peer: world.id(4),
            path: Path::Relay,
            frames: frames.clone(),
        },
    );
    world.run(10 * MS);
    assert!(relayed(&world, 4, 0), "answers have a path too");
    let (peer, boot) = (world.id(0), world.hosts[0].node.boot());
    let path = Path::Relay;
    let arrived = Output::FramesArrived {
        peer,
        boot,
        path,
        frames,
    };
    let log = &world.hosts[4].log;
    assert_eq!(
        log.iter().filter(|(_, output)| *output == arrived).count(),
        1
    );
    demand(&mut world, 0, 4);
    world.run(10 * MS);
    assert!(direct(&world, 0, 4) && direct(&world, 4, 0));
    assert_eq!(world.open_links().len(), before + 1);
    assert_eq!(on_demand(&world, 0), [world.id(4)]);
    assert_eq!(on_demand(&world, 4), [world.id(0)]);
    for third in 1..4 {
        assert_eq!(
            on_demand(&world, third),
            [],
            "no third node is dragged in (E19)"
        );
    }
}

#[test]
fn oneself_needs_no_session_e17() {
    let mut world = bridged(|_, _| {});
    contact(&mut world, 4, 4);
    world.run(SECOND);
    let (peer, reason) = (world.id(4), Unreachable::NotFound);
    let log: Vec<_> = world.hosts[4]
        .log
        .iter()
        .map(|(_, output)| output.clone())
        .collect();
    let sends = |output: &Output| matches!(output, Output::Send { .. });
    let rest: Vec<_> = log.into_iter().filter(|output| !sends(output)).collect();
    assert_eq!(rest, [Output::Unreachable { peer, reason }]);
}

#[test]
fn a_member_of_the_same_group_is_there_already() {
    let mut world = bridged(|_, _| {});
    let before = world.open_links().len();
    contact(&mut world, 3, 4);
    assert!(direct(&world, 3, 4));
    world.run(SECOND);
    assert_eq!(world.open_links().len(), before);
}

#[test]
fn who_is_nowhere_is_said_to_be_e20() {
    let mut world = bridged(|_, _| {});
    let unknown = config(9, &[]).id;
    for (home, reason) in [
        (None, Unreachable::NoHome),
        (Some(id("b")), Unreachable::NotFound),
        (Some(id("c")), Unreachable::NoRoute),
    ] {
        world.hosts[0].log.clear();
        let peer = unknown;
        world.command(0, Command::Contact { peer, home });
        world.run(5 * SECOND);
        let unreachable = Output::Unreachable { peer, reason };
        let said = world.hosts[0]
            .log
            .iter()
            .filter(|(_, output)| *output == unreachable);
        assert_eq!(said.count(), 1, "{reason:?}");
    }
}

#[test]
fn an_idle_session_is_closed_in_agreement_and_opened_anew_unnoticed_d6() {
    let mut world = bridged(|_, _| {});
    let before = world.open_links().len();
    talk(&mut world, 0, 4);
    assert_eq!(world.open_links().len(), before + 1);
    world.run(2 * IDLE);
    assert_eq!(world.open_links().len(), before);
    let idle = CloseReason::Bye(ByeReason::Idle);
    for (one, other) in [(0, 4), (4, 0)] {
        let down = Event::SessionDown {
            peer: world.id(other),
            kind: SessionKind::OnDemand,
            reason: Some(idle),
        };
        assert!(world.hosts[one].events().contains(&down));
        assert!(!direct(&world, one, other));
    }
    talk(&mut world, 0, 4);
    assert!(direct(&world, 0, 4) && direct(&world, 4, 0));
    assert_eq!(world.open_links().len(), before + 1);
}

#[test]
fn a_session_that_either_end_uses_stays_f18() {
    let mut world = bridged(|_, _| {});
    talk(&mut world, 0, 4);
    let open = world.open_links();
    for _ in 0..60 {
        let node = &world.hosts[4].node;
        let peer = world.id(0);
        let used = node
            .sessions()
            .into_iter()
            .find(|session| session.peer == peer);
        let session = used.expect("the session is in use").session;
        world.command(4, Command::Activity(session));
        world.run(SECOND);
    }
    assert_eq!(world.open_links(), open);
}

#[test]
fn both_ends_may_dial_at_once_f18() {
    let mut world = bridged(|_, _| {});
    let before = world.open_links().len();
    contact(&mut world, 0, 4);
    contact(&mut world, 4, 0);
    world.run(SECOND / 2);
    demand(&mut world, 0, 4);
    demand(&mut world, 4, 0);
    world.run(2 * SECOND);
    assert_eq!(world.open_links().len(), before + 1);
    assert!(direct(&world, 0, 4) && direct(&world, 4, 0));
    assert_eq!(on_demand(&world, 0), [world.id(4)]);
    assert_eq!(on_demand(&world, 4), [world.id(0)]);
}

#[test]
fn who_cannot_be_dialled_stays_on_relay() {
    let mut world = bridged(|index, config| {
        if index == 4 {
            config.roles = Roles::UNDIALABLE;
        }
    });
    let before = world.open_links().len();
    talk(&mut world, 0, 4);
    assert!(relayed(&world, 0, 4) && !direct(&world, 0, 4));
    assert_eq!(world.open_links().len(), before);
    // The other way round it works.
    talk(&mut world, 4, 0);
    assert!(direct(&world, 0, 4));
}

#[test]
fn over_budget_the_relay_goes_on_and_the_least_used_makes_room() {
    let mut world = bridged(|_, config| {
        config.on_demand_max = 1;
        config.idle_timeout = 60 * SECOND;
    });
    talk(&mut world, 0, 4);
    talk(&mut world, 0, 3);
    assert!(direct(&world, 0, 4) && !direct(&world, 0, 3));
    assert!(relayed(&world, 0, 3));
    world.run(9 * SECOND);
    let session = world.hosts[0].node.sessions();
    let peer = world.id(4);
    let session = session.into_iter().find(|session| session.peer == peer);
    world.command(0, Command::Activity(session.unwrap().session));
    world.run(2 * SECOND);
    demand(&mut world, 0, 3);
    world.run(SECOND);
    assert!(!direct(&world, 0, 4) && direct(&world, 0, 3));
    assert_eq!(on_demand(&world, 0), [world.id(3)]);
}

#[test]
fn without_relay_the_first_message_waits_for_the_session() {
    let mut world = bridged(|_, config| config.relay = false);
    contact(&mut world, 0, 4);
    world.run(SECOND);
    assert!(direct(&world, 0, 4) && !relayed(&world, 0, 4));
}

#[test]
fn a_closed_group_lets_nobody_in() {
    let mut configs = Vec::new();
    for index in 0..5 {
        let mut config = config(index, &[]);
        let close = |name: &str| {
            let mut group = (*group(name, &[2])).clone();
            group.is_closed = name == "b";
            std::sync::Arc::new(group)
        };
        config.groups = match index {
            0 | 1 => vec![close("a")],
            2 => vec![close("a"), close("b")],
            _ => vec![close("b")],
        };
        if index == 2 {
            config.roles = Roles::REFLECTOR;
        }
        configs.push(config);
    }
    let mut world = World::started(configs);
    world.run(5 * SECOND);
    contact(&mut world, 0, 4);
    world.run(SECOND);
    let (peer, reason) = (world.id(4), Unreachable::Closed);
    let refused = Output::Unreachable { peer, reason };
    assert!(
        world.hosts[0]
            .log
            .iter()
            .any(|(_, output)| *output == refused)
    );
}

#[test]
fn after_a_restart_of_the_target_it_is_found_again() {
    let mut world = bridged(|_, _| {});
    talk(&mut world, 0, 4);
    world.kill(4);
    world.run(SECOND);
    assert!(!direct(&world, 0, 4) && !relayed(&world, 0, 4));
    let mut again = config(4, &[group("b", &[2])]);
    again.boot = archipelago_core::Boot(5_000);
    world.restart(4, again);
    world.run(5 * SECOND);
    talk(&mut world, 0, 4);
    assert!(direct(&world, 0, 4) && direct(&world, 4, 0));
}
