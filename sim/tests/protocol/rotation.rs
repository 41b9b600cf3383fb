//! Cookies that change while a group runs (U2, A3).

#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

use crate::support::{formed, ms, none, restart, s, seeds, within};
use archipelago_core::GroupId;
use archipelago_core::wire::RefuseReason;
use archipelago_router::{Command, Event, InvitePolicy};
use archipelago_sgroup::{Cookies, DownReason, GroupEvent};
use archipelago_sim::check::{self, views};
use archipelago_sim::topology::{Topology, cookies, start_all};
use archipelago_sim::{NodeIx, Observation, World, WorldConfig};

fn set(world: &mut World, node: NodeIx, group: GroupId, current: &str, previous: Option<&str>) {
    let cookies = Cookies {
        previous: previous.map(|cookie| cookie.as_bytes().into()),
        ..cookies(current)
    };
    world
        .command(node, Command::SetCookies(group, cookies))
        .unwrap();
}

/// Whom the members saw go since `from`, and why.
fn downs(world: &World, from: usize) -> Vec<(u32, NodeIx, DownReason)> {
    let seen = world.log()[from..].iter();
    let downs = seen.filter_map(|observed| match &observed.what {
        Observation::Event(Event::Group {
            event: GroupEvent::MemberDown(info, reason),
            ..
        }) => Some((observed.node, world.node_of(&info.node), *reason)),
        _ => None,
    });
    downs.collect()
}

/// A3: members that are given a new cookie one after the other, and then lose the old one, put out
/// a member that only knows the old one, and nobody else; their sessions and traffic go on.
#[test]
fn a3_a_stolen_cookie_is_evicted_by_rotation_without_an_outage() {
    let test = "a3_a_stolen_cookie_is_evicted_by_rotation_without_an_outage";
    seeds(test, 10, |seed| {
        let topology = Topology::group(8);
        let mut world = formed(&topology, seed);
        let group = topology.id(0);
        let config = world.node_config(NodeIx(0)).groups[0].clone();
        let stolen = config.cookies.clone().unwrap().current;
        let stolen = String::from_utf8(stolen.to_vec()).unwrap();
        let thief = NodeIx(7);
        let honest: Vec<NodeIx> = (0..7).map(NodeIx).collect();
        let flow = world.flow(NodeIx(1), NodeIx(6), (3_000, ms(5), 100));
        let from = world.log().len();
        for &node in &honest {
            set(&mut world, node, group, "new", Some(&stolen));
            world.run_for(ms(300));
        }
        assert_eq!(
            downs(&world, from),
            [],
            "nobody is put out while both count"
        );
        for &node in &honest {
            set(&mut world, node, group, "new", None);
            world.run_for(ms(50));
        }
        let is_out = |world: &World| {
            let mut seen = honest
                .iter()
                .map(|&node| views::alive(world, node, group).len());
            seen.all(|count| count == 7)
        };
        let took = within(&mut world, "eviction", s(5), is_out);
        println!("seed={seed}: out {took:?} after the last member lost the old cookie");
        within(&mut world, "its sessions", s(20), |world| {
            world.connections(thief).is_empty()
        });
        let others: Vec<_> = downs(&world, from)
            .into_iter()
            .filter(|&(by, who, _)| by != thief.0 && who != thief)
            .collect();
        assert_eq!(others, [], "no honest member is put out");
        let report = world.received(NodeIx(6), NodeIx(1), flow);
        assert!(
            report.delivered > 1_000 && report.misordered == 0,
            "{report:?}"
        );
        let cut = world.log()[from..].iter().filter(|observed| {
            let by_honest = observed.node != thief.0;
            let lost = match &observed.what {
                Observation::Event(Event::SessionDown { peer, .. }) => world.node_of(peer) != thief,
                _ => false,
            };
            by_honest && lost
        });
        assert_eq!(cut.count(), 0, "no session between honest members closes");
    });
}

/// U2: a member rotates the cookie for all; for the window both count, then only the new one.
#[test]
fn u2_a_member_rotates_the_cookie_for_all() {
    seeds("u2_a_member_rotates_the_cookie_for_all", 10, rotate_for_all);
}

fn rotate_for_all(seed: u64) {
    let topology = Topology::group(6);
    let mut world = formed(&topology, seed);
    let group = topology.id(0);
    let (late, later) = (NodeIx(4), NodeIx(5));
    for node in [late, later] {
        world.command(node, Command::Leave(group)).unwrap();
    }
    world.run_for(s(1));
    let from = world.log().len();
    let cookie = bytes::Bytes::from_static(b"rotated");
    let window = s(4);
    let rotate = Command::RotateCookie {
        group,
        cookie,
        window,
    };
    world.command(NodeIx(2), rotate).unwrap();
    world.run_for(s(1));
    let config = world.node_config(late).groups[0].clone();
    world.command(late, Command::Join(config.clone())).unwrap();
    within(&mut world, "joining within the window", s(2), |world| {
        views::alive(world, NodeIx(0), group).len() == 5
    });
    world.run_for(s(15));
    // It came in by the old cookie and was given no other: it is out again.
    let seen = views::alive(&world, NodeIx(0), group).len();
    assert_eq!(
        seen, 4,
        "who knows only the old cookie is out after the window"
    );
    let from_later = world.log().len();
    world.command(later, Command::Join(config)).unwrap();
    world.run_for(s(10));
    assert_eq!(views::alive(&world, NodeIx(0), group).len(), 4);
    let is_told = world.log()[from_later..].iter().any(|observed| {
        let refused = GroupEvent::Refused(RefuseReason::NotAdmitted);
        observed.node == later.0
            && matches!(&observed.what, Observation::Event(Event::Group { event, .. }) if *event == refused)
    });
    assert!(
        is_told,
        "who comes by the old cookie is told why it stays out"
    );
    let unexpected: Vec<_> = downs(&world, from)
        .into_iter()
        .filter(|(by, who, _)| by < &4 && who.0 < 4)
        .collect();
    assert_eq!(unexpected, []);
    for node in [late, later] {
        world.command(node, Command::Leave(group)).unwrap();
    }
    world.run_for(s(90));
    none("a quiet world", check::quiet(&world));
}

/// A group of which node 2 just changed the cookie, with a window of four seconds; the last
/// `outside` nodes left before and know the old cookie only.
fn rotated(seed: u64, members: u32, outside: u32) -> (World, GroupId) {
    let topology = Topology::group(members + outside);
    let mut world = topology.build(WorldConfig::new(seed), |_, config| {
        config.invites = InvitePolicy::Realm;
    });
    start_all(&mut world);
    within(&mut world, "forming", s(20), views::all_agree);
    world.run_for(s(3));
    let group = topology.id(0);
    for node in (members..members + outside).map(NodeIx) {
        world.command(node, Command::Leave(group)).unwrap();
    }
    world.run_for(s(1));
    rotate(&mut world, NodeIx(2), group, "rotated", s(4));
    world.run_for(s(1));
    (world, group)
}

fn rotate(
    world: &mut World,
    node: NodeIx,
    group: GroupId,
    cookie: &'static str,
    window: std::time::Duration,
) {
    let rotate = Command::RotateCookie {
        group,
        cookie: bytes::Bytes::from_static(cookie.as_bytes()),
        window,
    };
    world.command(node, rotate).unwrap();
}

/// What a driver keeps of a node's secret, as its next start is configured; and ends it.
fn keep_and_crash(world: &mut World, node: NodeIx, group: GroupId) {
    let machine = world.node(node).unwrap();
    let cookies = machine.cookies(group).cloned();
    let state = machine.secret_state(group).unwrap();
    world.configure(node, |config| {
        std::sync::Arc::make_mut(&mut config.groups[0]).cookies = cookies;
        config.secrets = vec![(group, state)];
    });
    world.crash(node);
}

/// Has `node` join by what it was configured with, through `by` alone.
fn join_through(world: &mut World, node: NodeIx, by: NodeIx) {
    let (address, id) = (world.node_config(by).addresses[0].clone(), world.id(by));
    let mut config = (*world.node_config(node).groups[0]).clone();
    config.seeds = vec![archipelago_sgroup::Seed {
        address,
        node: Some(id),
    }];
    world.command(node, Command::Join(config.into())).unwrap();
}

fn is_refused(world: &World, node: NodeIx, from: usize) -> bool {
    let refused = GroupEvent::Refused(RefuseReason::NotAdmitted);
    world.log()[from..].iter().any(|observed| {
        observed.node == node.0
            && matches!(&observed.what, Observation::Event(Event::Group { event, .. }) if *event == refused)
    })
}

/// U2, A3: a node that was down while the window closed takes the old cookie for none.
#[test]
fn u2_a3_a_window_closes_for_a_node_that_is_down() {
    let test = "u2_a3_a_window_closes_for_a_node_that_is_down";
    seeds(test, 10, |seed| {
        let (mut world, group) = rotated(seed, 4, 1);
        let (away, late) = (NodeIx(3), NodeIx(4));
        keep_and_crash(&mut world, away, group);
        world.run_for(s(15));
        restart(&mut world, away);
        within(&mut world, "coming back", s(20), |world| {
            (0..4).all(|node| views::alive(world, NodeIx(node), group).len() == 4)
        });
        let from = world.log().len();
        join_through(&mut world, late, away);
        world.run_for(s(10));
        assert!(is_refused(&world, late, from), "by the node that was away");
        for node in (0..4).map(NodeIx) {
            assert_eq!(views::alive(&world, node, group).len(), 4);
        }
    });
}

/// U2: a node that is restarted within the window accepts both cookies for the rest of it.
#[test]
fn u2_a_window_goes_on_over_a_restart() {
    seeds("u2_a_window_goes_on_over_a_restart", 10, |seed| {
        let (mut world, group) = rotated(seed, 4, 1);
        let (away, late) = (NodeIx(3), NodeIx(4));
        keep_and_crash(&mut world, away, group);
        world.run_for(ms(300));
        restart(&mut world, away);
        world.run_for(ms(700));
        join_through(&mut world, late, away);
        within(&mut world, "joining within the window", s(2), |world| {
            views::alive(world, NodeIx(0), group).len() == 5
        });
        within(&mut world, "the window's end", s(15), |world| {
            (0..4).all(|node| views::alive(world, NodeIx(node), group).len() == 4)
        });
        let cookies = world.node(away).unwrap().cookies(group).unwrap();
        assert!(cookies.previous.is_none());
    });
}

/// U2: a node that was restarted since the last change is followed when it changes the cookie again.
#[test]
fn u2_a_restarted_node_changes_the_cookie_again() {
    seeds("u2_a_restarted_node_changes_the_cookie_again", 10, |seed| {
        let (mut world, group) = rotated(seed, 4, 0);
        world.run_for(s(10));
        keep_and_crash(&mut world, NodeIx(3), group);
        restart(&mut world, NodeIx(3));
        within(&mut world, "coming back", s(20), views::all_agree);
        let from = world.log().len();
        rotate(&mut world, NodeIx(3), group, "rotated again", s(1));
        world.run_for(s(15));
        for node in (0..4).map(NodeIx) {
            let cookies = world.node(node).unwrap().cookies(group).unwrap();
            assert_eq!(&cookies.current[..], b"rotated again");
            assert_eq!(views::alive(&world, node, group).len(), 4);
        }
        assert_eq!(downs(&world, from), []);
    });
}

/// U2: one that does not know how often the cookie was changed changes it again: all go on together,
/// by the one or by the other.
#[test]
fn u2_a_change_by_who_forgot_how_often_parts_nobody() {
    let test = "u2_a_change_by_who_forgot_how_often_parts_nobody";
    let undone = std::sync::atomic::AtomicU64::new(0);
    seeds(test, 10, |seed| {
        let (mut world, group) = rotated(seed, 4, 0);
        world.run_for(s(10));
        keep_and_crash(&mut world, NodeIx(3), group);
        world.configure(NodeIx(3), |config| config.secrets.clear());
        restart(&mut world, NodeIx(3));
        within(&mut world, "coming back", s(20), views::all_agree);
        let from = world.log().len();
        let cookies = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let again = cookies[usize::try_from(seed).unwrap() % cookies.len()];
        rotate(&mut world, NodeIx(3), group, again, s(1));
        world.run_for(s(15));
        let current = |node| {
            let cookies = world.node(NodeIx(node)).unwrap().cookies(group).unwrap();
            cookies.current.to_vec()
        };
        let all: std::collections::BTreeSet<Vec<u8>> = (0..4).map(current).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        if all.contains(&b"rotated"[..]) {
            undone.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        assert_eq!(downs(&world, from), []);
    });
    println!("undone {} times", undone.into_inner());
}

/// A3: who is invited while a window is open gives the new cookie to nobody who proves the old one.
#[test]
fn a3_who_is_invited_in_the_window_gives_the_secret_to_nobody() {
    let test = "a3_who_is_invited_in_the_window_gives_the_secret_to_nobody";
    seeds(test, 10, |seed| {
        let (mut world, group) = rotated(seed, 3, 2);
        let (thief, invited) = (NodeIx(3), NodeIx(4));
        join_through(&mut world, thief, NodeIx(0));
        within(&mut world, "the thief's joining", s(2), |world| {
            views::alive(world, NodeIx(0), group).len() == 4
        });
        let change = world.add_members(NodeIx(1), group, &[invited]).unwrap();
        within(&mut world, "inviting", s(2), |world| {
            views::alive(world, NodeIx(0), group).len() == 5 && world.changed(change).is_some()
        });
        world.run_for(s(15));
        for node in [0, 1, 2, 4].map(NodeIx) {
            assert_eq!(views::alive(&world, node, group).len(), 4, "{node:?}");
            let mut seen = views::alive(&world, node, group).into_iter();
            assert!(seen.all(|(member, ..)| member != world.id(thief)));
        }
    });
}
