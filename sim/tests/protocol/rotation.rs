//! Cookies that change while a group runs (U2, A3).

#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

use crate::support::{formed, ms, none, s, seeds, within};
use archipelago_core::GroupId;
use archipelago_core::wire::RefuseReason;
use archipelago_router::{Command, Event};
use archipelago_sgroup::{Cookies, DownReason, GroupEvent};
use archipelago_sim::check::{self, views};
use archipelago_sim::topology::{Topology, cookies};
use archipelago_sim::{NodeIx, Observation, World};

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
