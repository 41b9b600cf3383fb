//! Across groups: look-ups, relay, direct sessions on demand, and what they may not cost
//! (E17 to E19, D6, D10, U6, U20, U21, U22).

use std::time::Duration;

use crate::support::{formed, ms, none, restart, s, within};
use archipelago_core::{Boot, LocalId, Pid};
use archipelago_router::Unreachable;
use archipelago_sim::check::{self, sessions, views};
use archipelago_sim::topology::{Topology, start_all};
use archipelago_sim::{LinkProfile, NodeIx, Observation, World, WorldConfig};

/// E17: a message to a mailbox of one's own node opens nothing.
#[test]
fn e17_a_message_to_oneself_opens_nothing() {
    let mut world = formed(&Topology::backbone(2, 3, 1), 1);
    let before = (dials(&world), total_sessions(&world));
    let flow = world.flow(NodeIx(2), NodeIx(2), (10, ms(10), 100));
    world.run_for(s(3));
    assert_eq!(world.received(NodeIx(2), NodeIx(2), flow).delivered, 10);
    assert_eq!((dials(&world), total_sessions(&world)), before);
}

/// E18, E19: a first contact between nodes with no common group opens at most one connection,
/// between the two, and drags no third node into it.
#[test]
fn e18_e19_a_first_contact_opens_one_connection_between_the_two() {
    let mut world = formed(&Topology::backbone(3, 4, 2), 2);
    let (from, to) = (NodeIx(3), NodeIx(11));
    let before = (dials(&world), total_sessions(&world));
    let flow = world.flow(from, to, (20, ms(20), 1_000));
    world.run_for(s(3));
    let received = world.received(to, from, flow);
    assert_eq!(received.delivered, 20);
    println!("first message after {:?}", received.latency_first);
    assert_eq!(dials(&world), before.0 + 1, "one dial");
    assert_eq!(
        total_sessions(&world),
        before.1 + 2,
        "one session, two ends"
    );
    let strays: Vec<_> = sessions::beyond_groups(&world).into_iter().collect();
    assert_eq!(strays, [(from, to)]);
}

/// One message opens no session at all: it goes by relay.
#[test]
fn a_single_message_goes_by_relay_and_opens_nothing() {
    let mut world = formed(&Topology::backbone(2, 4, 2), 3);
    let before = (dials(&world), total_sessions(&world));
    let flow = world.flow(NodeIx(3), NodeIx(7), (1, s(1), 100));
    world.run_for(s(3));
    assert_eq!(world.received(NodeIx(7), NodeIx(3), flow).delivered, 1);
    assert_eq!((dials(&world), total_sessions(&world)), before);
}

/// U6: one stream goes by relay, direct, idle close, direct again, and a cut; in order, all of it.
#[test]
fn u6_one_stream_over_all_kinds_of_paths_stays_in_order() {
    for seed in 1..20 {
        let topology = Topology::backbone(2, 4, 2);
        let mut world = topology.build(WorldConfig::new(seed), |_, config| {
            config.idle_timeout = s(3);
        });
        start_all(&mut world);
        within(&mut world, "forming", s(20), views::all_agree);
        world.run_for(s(3));
        let (from, to) = (NodeIx(3), NodeIx(7));
        for _ in 0..3 {
            world.flow(from, to, (60, ms(5), 700));
            world.flow(to, from, (60, ms(7), 700));
            world.run_for(s(1));
            assert!(world.is_path_direct(from, to), "seed {seed}: direct by now");
            world.run_for(s(9));
            none("V7", sessions::none_beyond_groups(&world));
        }
        let flow = world.flow(from, to, (200, ms(20), 700));
        world.run_for(s(1));
        world.cut_pair(from, to);
        world.run_for(s(40));
        world.heal();
        world.run_for(s(20));
        assert_eq!(world.received(to, from, flow).delivered, 200, "seed {seed}");
        none("order", check::quiet(&world));
    }
}

/// D6, V7: an idle on-demand session closes by itself, and a later message opens it anew.
#[test]
fn d6_an_idle_session_closes_and_opens_again_unnoticed() {
    let topology = Topology::backbone(2, 3, 1);
    let mut world = formed(&topology, 4);
    let (from, to) = (NodeIx(2), NodeIx(5));
    world.flow(from, to, (20, ms(10), 500));
    world.run_for(s(2));
    assert!(!sessions::beyond_groups(&world).is_empty(), "direct by now");
    world.run_for(s(80));
    none("V7", sessions::none_beyond_groups(&world));
    let flow = world.flow(from, to, (20, ms(10), 500));
    world.run_for(s(2));
    assert_eq!(world.received(to, from, flow).delivered, 20);
    assert!(!sessions::beyond_groups(&world).is_empty(), "direct again");
    none("order", check::safety(&world));
}

/// D10: no heal leaves a session between nodes that share no group.
#[test]
fn d10_no_stray_session_after_any_heal() {
    for seed in 1..30 {
        let topology = Topology::backbone(3, 4, 2);
        let mut world = formed(&topology, seed);
        let mut nodes = world.nodes();
        world.random().shuffle(&mut nodes);
        world.partition(&[nodes[..6].to_vec(), nodes[6..].to_vec()]);
        let wait = world.random().duration(s(2), s(30));
        world.run_for(wait);
        world.heal();
        within(&mut world, "converging", s(10), views::all_agree);
        world.run_for(s(20));
        none("after the heal", check::quiet(&world));
    }
}

/// I14: what a member holds does not depend on how many groups there are.
#[test]
fn i14_sessions_of_a_member_do_not_grow_with_the_world() {
    let members = |groups| {
        let topology = Topology::backbone(groups, 5, 2);
        let world = formed(&topology, 1);
        none("a quiet world", check::quiet(&world));
        let plain = NodeIx(4);
        let worst = world
            .nodes()
            .into_iter()
            .map(|node| sessions::count(&world, node))
            .max();
        (sessions::count(&world, plain), worst)
    };
    assert_eq!(members(2), (4, Some(6)));
    assert_eq!(members(8), (4, Some(4 + 14)));
}

/// U20: along a chain of five groups, the first reaches the last, and the session is direct.
#[test]
fn u20_a_chain_of_five_groups_ends_in_one_direct_session() {
    for seed in 1..10 {
        let topology = Topology::chain(5, 4, 1);
        let mut world = formed(&topology, seed);
        let (from, to) = (NodeIx(0), *topology.members(4).last().expect("a member"));
        let before = total_sessions(&world);
        let flow = world.flow(from, to, (30, ms(20), 500));
        world.run_for(s(3));
        let received = world.received(to, from, flow);
        assert_eq!(received.delivered, 30);
        assert!(world.is_path_direct(from, to));
        assert_eq!(total_sessions(&world), before + 2, "no node gained a mesh");
        println!(
            "seed {seed}: first message after {:?}",
            received.latency_first
        );
        none("safety", check::safety(&world));
    }
}

/// U21: one reflector of each group is lost under traffic: no look-up fails for longer than 2 s.
#[test]
fn u21_one_reflector_of_each_group_lost_under_traffic() {
    for seed in 1..20 {
        let topology = Topology::backbone(3, 5, 2);
        let mut world = formed(&topology, seed);
        for victim in [0, 5, 10].map(NodeIx) {
            world.crash(victim);
        }
        let mut failed = Vec::new();
        let plain = [3, 4, 8, 9, 13, 14].map(NodeIx);
        for round in 0..40 {
            let from = plain[round % 6];
            let to = plain[(round + 2) % 6];
            let flow = world.flow(from, to, (1, s(1), 100));
            world.run_for(ms(100));
            failed.push((from, to, flow));
        }
        world.run_for(s(5));
        for (round, &(from, to, flow)) in failed.iter().enumerate() {
            let received = world.received(to, from, flow);
            assert_eq!(received.delivered, 1, "seed {seed} round {round}");
            assert!(received.latency_max <= s(2), "{:?}", received.latency_max);
        }
    }
}

/// U21: all reflectors of a group are lost: its inside is untouched, open direct sessions live,
/// look-ups fail fast, and recovery is by itself.
#[test]
fn u21_all_reflectors_of_a_group_lost() {
    let topology = Topology::backbone(2, 5, 2);
    let mut world = formed(&topology, 1);
    let (from, to) = (NodeIx(3), NodeIx(8));
    let flow = world.flow(from, to, (200, ms(100), 400));
    let inside = world.flow(NodeIx(7), NodeIx(9), (200, ms(100), 400));
    world.run_for(s(2));
    for victim in [5, 6].map(NodeIx) {
        world.crash(victim);
    }
    world.run_for(s(4));
    let start = world.now();
    let fresh = world.flow(NodeIx(4), NodeIx(9), (1, s(1), 100));
    world.run_for(s(1));
    let refused = world.log().iter().any(|seen| {
        seen.time >= start
            && seen.node == 4
            && matches!(
                seen.what,
                Observation::Unreachable {
                    reason: Unreachable::NoRoute,
                    ..
                }
            )
    });
    assert!(refused, "a look-up with no route fails fast, and says why");
    assert_eq!(world.received(NodeIx(9), NodeIx(4), fresh).delivered, 0);
    world.run_for(s(20));
    assert_eq!(
        world.received(to, from, flow).delivered,
        200,
        "the direct session lives"
    );
    let received = world.received(NodeIx(9), NodeIx(7), inside);
    assert_eq!(
        (received.delivered, received.gap_max < ms(300)),
        (200, true)
    );
    for victim in [5, 6].map(NodeIx) {
        restart(&mut world, victim);
    }
    within(&mut world, "coming back", s(10), views::all_agree);
    world.run_for(s(3));
    let again = world.flow(NodeIx(4), NodeIx(9), (1, s(1), 100));
    world.run_for(s(2));
    assert_eq!(world.received(NodeIx(9), NodeIx(4), again).delivered, 1);
}

/// U22: groups in a ring, bridged twice: every pair reaches each other, and no row circles.
#[test]
fn u22_a_ring_bridged_twice_reaches_everybody_and_does_not_circle() {
    let topology = Topology::ring(5, 5, 2);
    let mut world = formed(&topology, 1);
    world.run_for(s(5));
    let nodes = world.nodes();
    let mut flows = Vec::new();
    for &from in &nodes {
        for &to in nodes.iter().filter(|&&to| to != from) {
            flows.push((from, to, world.flow(from, to, (1, s(1), 100))));
        }
    }
    world.run_for(s(5));
    for (from, to, flow) in flows {
        assert_eq!(
            world.received(to, from, flow).delivered,
            1,
            "{from:?} to {to:?}"
        );
    }
    none("safety", check::safety(&world));
}

/// V5, U9: a node that nobody knows, a group that nobody leads to, a boot that is over: an error
/// that says which, and soon.
#[test]
fn u9_contacts_that_cannot_be_made_fail_soon_and_say_why() {
    let topology = Topology::backbone(2, 3, 1);
    let mut world = formed(&topology, 1);
    let stranger = world.id(NodeIx(77));
    let pid = |node, home| Pid {
        node,
        boot: Boot(1),
        local: LocalId(1),
        home,
    };
    let cases = [
        (pid(stranger, Some(topology.id(1))), Unreachable::NotFound),
        (pid(stranger, None), Unreachable::NoHome),
        (
            pid(
                stranger,
                Some(archipelago_core::GroupId::new("sim", "nowhere")),
            ),
            Unreachable::NoRoute,
        ),
    ];
    for (pid, expected) in cases {
        let start = world.now();
        world.flow_to(NodeIx(2), pid, (1, s(1), 100));
        world.run_for(s(3));
        let mut told = world
            .log()
            .iter()
            .filter(|seen| seen.time >= start && seen.node == 2);
        let reason = told.find_map(|seen| match seen.what {
            Observation::Unreachable { reason, .. } => Some(reason),
            _ => None,
        });
        assert_eq!(reason, Some(expected), "{pid}");
    }
}

/// I13: a control frame waits for no more than what lies below the lanes: heartbeats pass
/// 300 kB messages on a link of 100 Mbit/s.
#[test]
fn i13_heartbeats_are_not_delayed_by_large_messages() {
    let topology = Topology::group(4);
    let mut config = WorldConfig::new(1);
    config.link = LinkProfile {
        bandwidth: Some(12_500_000),
        ..LinkProfile::default()
    };
    let mut world = topology.build(config, |_, _| {});
    start_all(&mut world);
    within(&mut world, "forming", s(20), views::all_agree);
    let big = world.flow(NodeIx(0), NodeIx(1), (200, Duration::ZERO, 300_000));
    let small = world.flow(NodeIx(0), NodeIx(2), (100, ms(20), 1_000));
    world.run_for(s(10));
    assert_eq!(world.received(NodeIx(1), NodeIx(0), big).delivered, 200);
    let received = world.received(NodeIx(2), NodeIx(0), small);
    assert_eq!(
        (received.delivered, received.latency_max < ms(5)),
        (100, true)
    );
    none(
        "no death",
        check::deaths::none_but(&world, archipelago_core::Time::START, &[]),
    );
}

fn dials(world: &World) -> usize {
    let is_dial = |seen: &&archipelago_sim::Observed| {
        matches!(seen.what, Observation::Dialled { target: Some(_) })
    };
    world.log().iter().filter(is_dial).count()
}

fn total_sessions(world: &World) -> usize {
    world
        .nodes()
        .into_iter()
        .map(|node| sessions::count(world, node))
        .sum()
}
