//! Hidden nodes: they use a group without being in it (G9).

use std::collections::BTreeMap;

use archipelago_core::GroupId;
use archipelago_router::Command;
use archipelago_sim::check::{sessions, views};
use archipelago_sim::topology::{REALM, Topology};
use archipelago_sim::{NodeIx, World};

use crate::support::{formed, ms, none, s, seeds, within};

/// A group of `members`, and so many hidden nodes that use it, which start within 2 s.
fn served(members: u32, clients: usize, seed: u64) -> (World, GroupId, Vec<NodeIx>) {
    let topology = Topology::group(members);
    let mut world = formed(&topology, seed);
    let group = topology.id(0);
    // The last member is configured with seeds.
    let config = world.node_config(NodeIx(members - 1)).groups[0].clone();
    let hidden: Vec<NodeIx> = (0..clients)
        .map(|_| world.add(REALM, |node| node.clients = vec![config.clone()]))
        .collect();
    let pause = ms(2_000 / clients as u64);
    for &node in &hidden {
        crate::support::start(&mut world, node);
        world.run_for(pause);
    }
    within(&mut world, "attaching", s(20), |world| {
        hidden.iter().all(|&node| hosts(world, node) == 2)
    });
    (world, group, hidden)
}

fn hosts(world: &World, node: NodeIx) -> usize {
    let hosts = world.node(node).map(|machine| machine.hosts());
    hosts.map_or(0, |hosts| hosts.iter().map(|(_, hosts)| hosts.len()).sum())
}

/// How many clients each member serves.
fn loads(world: &World, group: GroupId, members: u32) -> BTreeMap<NodeIx, usize> {
    let nodes = (0..members).map(NodeIx);
    let load = |node| Some((node, world.node(node)?.served(group).len()));
    nodes.filter_map(load).collect()
}

/// G9: clients are not listed, reach members and each other by pid, and are reached by pid, also by
/// members that do not serve them.
#[test]
fn g9_hidden_nodes_are_not_listed_and_reach_and_are_reached() {
    seeds(
        "g9_hidden_nodes_are_not_listed_and_reach_and_are_reached",
        10,
        |seed| {
            let (mut world, group, hidden) = served(5, 3, seed);
            for member in 0..5 {
                let seen = views::alive(&world, NodeIx(member), group);
                assert_eq!(seen.len(), 5, "clients are in no view");
            }
            let mut flows = Vec::new();
            for member in (0..5).map(NodeIx) {
                flows.push((member, hidden[0]));
                flows.push((hidden[1], member));
            }
            flows.push((hidden[0], hidden[2]));
            let flows: Vec<_> = flows
                .into_iter()
                .map(|(from, to)| (from, to, world.flow(from, to, (40, ms(50), 200))))
                .collect();
            world.run_for(s(15));
            for (from, to, flow) in flows {
                let report = world.received(to, from, flow);
                assert_eq!(
                    (report.delivered, report.misordered),
                    (40, 0),
                    "n{} to n{}",
                    from.0,
                    to.0
                );
            }
            none("views", views::check(&world));
            none("the members' mesh", sessions::mesh(&world));
        },
    );
}

/// G9: a thousand clients on a group of five: spread over it, two sessions each, and the mesh of the
/// members as it was; when a member dies its clients are served by the others within seconds.
#[test]
fn g9_a_thousand_clients_on_a_small_group_outlive_a_member() {
    let (mut world, group, hidden) = served(5, 1_000, 1);
    world.run_for(s(20));
    let loads_before = loads(&world, group, 5);
    println!("clients by member: {loads_before:?}");
    let sessions_of = |world: &World, node| world.connections(node).len();
    for &node in &hidden {
        assert_eq!(sessions_of(&world, node), 2, "two sessions for n{}", node.0);
    }
    for (&member, &load) in &loads_before {
        assert!((300..500).contains(&load), "{loads_before:?}");
        assert_eq!(sessions_of(&world, member), 4 + load);
    }
    let victim = NodeIx(3);
    world.crash(victim);
    let took = within(&mut world, "being served anew", s(5), |world| {
        hidden.iter().all(|&node| hosts(world, node) == 2)
    });
    println!("all clients had two members again {took:?} after a member died");
    world.run_for(s(10));
    let loads_after = loads(&world, group, 5);
    assert_eq!(
        loads_after.values().sum::<usize>(),
        2_000,
        "{loads_after:?}"
    );
    let member = NodeIx(0);
    let flow = world.flow(member, hidden[500], (20, ms(20), 100));
    let back = world.flow(hidden[501], member, (20, ms(20), 100));
    world.run_for(s(10));
    assert_eq!(world.received(hidden[500], member, flow).delivered, 20);
    assert_eq!(world.received(member, hidden[501], back).delivered, 20);
    none("the members' mesh", sessions::mesh(&world));
}

/// G9, A3: a client is handed a rotated cookie and goes on; one that was away and knows only the old
/// one is refused.
#[test]
fn g9_a3_a_rotated_cookie_is_handed_to_clients() {
    let (mut world, group, hidden) = served(4, 3, 2);
    let away = hidden[2];
    world.crash(away);
    world.run_for(s(3));
    let rotate = Command::RotateCookie {
        group,
        cookie: bytes::Bytes::from_static(b"rotated"),
        window: s(4),
    };
    world.command(NodeIx(1), rotate).unwrap();
    world.run_for(s(30));
    assert_eq!(hosts(&world, hidden[0]), 2);
    assert_eq!(hosts(&world, hidden[1]), 2);
    crate::support::restart(&mut world, away);
    world.run_for(s(20));
    assert_eq!(hosts(&world, away), 0, "the old cookie opens nothing");
}

/// G9: a client that lets go of its group leaves nothing behind.
#[test]
fn g9_a_client_that_detaches_leaves_nothing_behind() {
    let (mut world, group, hidden) = served(4, 2, 3);
    world.command(hidden[0], Command::Detach(group)).unwrap();
    world.run_for(s(10));
    assert!(world.connections(hidden[0]).is_empty());
    let served: usize = loads(&world, group, 4).values().sum();
    assert_eq!(served, 2, "the other client's two");
    let flow = world.flow(NodeIx(0), hidden[1], (5, ms(50), 10));
    world.run_for(s(5));
    assert_eq!(world.received(hidden[1], NodeIx(0), flow).delivered, 5);
}
