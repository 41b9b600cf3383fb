//! Groups as they live in nodes: formation, data paths, leaving, restart.

use archipelago_core::channel::Path;
use archipelago_core::{Boot, GroupId};
use archipelago_router::{Command, Event, Output, SessionKind};

use super::world::{MS, REALM, SECOND, World, config, group};

fn formed(count: usize) -> World {
    let configs = (0..count).map(|index| config(index, &[group("a", &[0])]));
    let mut world = World::started(configs.collect());
    let all: Vec<usize> = (0..count).collect();
    world.run_until(10 * SECOND, |world| world.has_formed(id("a"), &all));
    world
}

fn id(name: &str) -> GroupId {
    GroupId::new(REALM, name)
}

#[test]
fn a_group_forms_and_every_pair_has_one_session_and_a_direct_path_e0() {
    for count in [2, 3, 12] {
        let mut world = formed(count);
        world.run(10 * SECOND);
        assert_eq!(world.open_links().len(), count * (count - 1) / 2);
        for host in &world.hosts {
            let sessions = host.node.sessions();
            assert_eq!(sessions.len(), count - 1);
            assert!(
                sessions
                    .iter()
                    .all(|session| session.kind == SessionKind::Group)
            );
            let direct = sessions
                .iter()
                .map(|session| (session.peer, Path::Direct(session.session)));
            assert_eq!(host.paths(), direct.collect());
            let boot = Boot(1_000);
            let started = host
                .events()
                .iter()
                .filter(|event| **event == Event::Started { boot })
                .count();
            assert_eq!(started, 1);
        }
    }
}

#[test]
fn every_session_of_the_group_is_told_once_g5() {
    let mut world = formed(5);
    world.run(10 * SECOND);
    for host in &world.hosts {
        let ups = host.events().into_iter().filter_map(|event| match event {
            Event::SessionUp { peer, kind } => Some((peer, kind)),
            Event::SessionDown { peer, .. } => panic!("lost {peer}"),
            _ => None,
        });
        let mut ups: Vec<_> = ups.collect();
        ups.sort_unstable();
        let sessions = host.node.sessions();
        assert!(
            ups.into_iter()
                .eq(sessions.iter().map(|session| (session.peer, session.kind)))
        );
    }
}

#[test]
fn who_leaves_loses_the_sessions_that_no_other_group_justifies_e5() {
    let two = [group("a", &[0]), group("b", &[0])];
    let configs = vec![
        config(0, &two),
        config(1, &two),
        config(2, &[group("a", &[0])]),
    ];
    let mut world = World::started(configs);
    world.run_until(10 * SECOND, |world| {
        world.has_formed(id("a"), &[0, 1, 2]) && world.has_formed(id("b"), &[0, 1])
    });
    world.run(SECOND);
    world.command(1, Command::Leave(id("a")));
    world.run(10 * SECOND);
    assert!(world.has_formed(id("a"), &[0, 2]));
    assert_eq!(world.hosts[1].node.members(id("a")), None);
    let peers = |index: usize| {
        let sessions = world.hosts[index].node.sessions();
        sessions
            .into_iter()
            .map(|session| session.peer)
            .collect::<Vec<_>>()
    };
    assert_eq!(peers(1), [world.id(0)]);
    assert_eq!(peers(2), [world.id(0)]);
    assert_eq!(world.open_links().len(), 2);
}

#[test]
fn a_second_group_at_run_time_uses_the_sessions_that_are_there_u1() {
    let mut world = formed(3);
    world.run(10 * SECOND);
    let before = world.open_links();
    for index in 0..3 {
        world.command(index, Command::Join(group("b", &[0])));
    }
    world.run_until(10 * SECOND, |world| world.has_formed(id("b"), &[0, 1, 2]));
    world.run(5 * SECOND);
    assert_eq!(world.open_links(), before, "no connection was made anew");
}

#[test]
fn a_restarted_member_is_back_with_a_later_boot_d2() {
    let mut world = formed(4);
    world.run(SECOND);
    world.kill(2);
    world.run(300 * MS);
    let mut again = config(2, &[group("a", &[0])]);
    again.boot = Boot(2_000);
    world.restart(2, again);
    let back = |world: &World| {
        let ids = world.has_formed(id("a"), &[0, 1, 2, 3]);
        let members = world.hosts[0].node.members(id("a")).unwrap_or_default();
        ids && members.iter().any(|member| member.boot == Boot(2_000))
    };
    world.run_until(10 * SECOND, back);
    world.run(10 * SECOND);
    assert!(back(&world));
    assert_eq!(world.open_links().len(), 6);
}

#[test]
fn a_boot_that_is_behind_is_raised_before_it_is_told_d2() {
    let mut world = formed(3);
    world.run(SECOND);
    world.kill(2);
    world.run(10 * SECOND);
    let mut again = config(2, &[group("a", &[0])]);
    again.boot = Boot(500);
    world.restart(2, again);
    world.run_until(10 * SECOND, |world| world.has_formed(id("a"), &[0, 1, 2]));
    world.run(5 * SECOND);
    let boot = world.hosts[2].node.boot();
    assert!(boot > Boot(1_000), "{boot:?}");
    let started = |event: &Event| matches!(event, Event::Started { .. });
    let started: Vec<Event> = world.hosts[2]
        .events()
        .into_iter()
        .filter(started)
        .collect();
    assert_eq!(started, [Event::Started { boot }]);
    let members = world.hosts[0].node.members(id("a")).unwrap();
    let node = world.id(2);
    assert!(
        members
            .iter()
            .any(|member| member.node == node && member.boot == boot)
    );
}

#[test]
fn groups_form_whatever_crosses_on_the_way_f18() {
    for seed in 0..20 {
        let count = 12;
        let configs = (0..count).map(|index| config(index, &[group("a", &[0, 1, 2])]));
        let mut world = World::new(configs.collect());
        world.jitter = 100 * MS;
        world.rng = archipelago_core::Rng::from_u64(seed);
        for index in 0..count {
            world.command(index, Command::Start);
        }
        world.run(20 * SECOND);
        let all: Vec<usize> = (0..count).collect();
        assert!(world.has_formed(id("a"), &all), "seed={seed}");
        assert_eq!(
            world.open_links().len(),
            count * (count - 1) / 2,
            "seed={seed}"
        );
        for host in &world.hosts {
            let sessions = host.node.sessions();
            assert!(
                sessions
                    .iter()
                    .all(|session| session.kind == SessionKind::Group)
            );
            let direct = sessions
                .iter()
                .map(|session| (session.peer, Path::Direct(session.session)));
            assert_eq!(host.paths(), direct.collect(), "seed={seed}");
        }
    }
}

#[test]
fn members_that_cannot_reach_each_other_take_a_detour_and_return_f5() {
    let configs = (0..4).map(|index| config(index, &[group("a", &[0])]));
    let mut world = World::new(configs.collect());
    world.cuts.insert((1, 2));
    for index in 0..4 {
        world.command(index, Command::Start);
    }
    world.run(20 * SECOND);
    assert!(world.has_formed(id("a"), &[0, 1, 2, 3]));
    let detour = |world: &World, index: usize, to: usize| {
        let paths = world.hosts[index].paths();
        paths.contains(&(world.id(to), Path::Detour))
    };
    assert!(detour(&world, 1, 2) && detour(&world, 2, 1));
    let frames = bytes::Bytes::from_static(b"frames");
    let forward = Command::Forward {
        peer: world.id(2),
        path: Path::Detour,
        frames,
    };
    world.command(1, forward);
    world.run(SECOND);
    let (peer, log) = (world.id(1), &world.hosts[2].log);
    let is_arrival = |output: &Output| matches!(output, Output::FramesArrived { peer: from, path: Path::Detour, .. } if *from == peer);
    assert_eq!(
        log.iter().filter(|(_, output)| is_arrival(output)).count(),
        1
    );
    world.cuts.clear();
    world.run(20 * SECOND);
    assert!(!detour(&world, 1, 2) && !detour(&world, 2, 1));
    assert_eq!(world.open_links().len(), 6);
    for host in &world.hosts {
        assert_eq!(host.paths().len(), 3);
    }
}
