//! Free nodes, which are in no group, and nodes that are in as many as there can be (E0, U1, U26).

use std::sync::Arc;

use archipelago_core::GroupId;
use archipelago_router::{Changed, Command, ConfigError, GROUPS_MAX, InvitePolicy, Refused};
use archipelago_sgroup::{GroupConfig, Place, Seed, Timing};
use archipelago_sim::check::{self, sessions, views};
use archipelago_sim::topology::{REALM, cookies, start_all};
use archipelago_sim::{NodeIx, World, WorldConfig};

use crate::support::{ms, none, s, seeds, within};

/// A group of the realm: open, or with a cookie.
fn group(name: &str, is_open: bool, seeds: Vec<Seed>) -> Arc<GroupConfig> {
    Arc::new(GroupConfig {
        realm: REALM.into(),
        name: name.into(),
        cookies: (!is_open).then(|| cookies(name)),
        seeds,
        size: 0,
        members_max: 1_024,
        is_closed: false,
        timing: Arc::new(Timing::default()),
        place: Place::default(),
    })
}

fn seed(world: &World, node: NodeIx) -> Seed {
    let (address, node) = (world.address(node), None);
    Seed { address, node }
}

/// Three nodes in a group with a cookie and an open one; the first founds both.
fn hosts(world: &mut World) -> Vec<NodeIx> {
    let mut hosts = Vec::new();
    for _ in 0..3 {
        let seeds: Vec<Seed> = hosts
            .first()
            .map(|&first| seed(world, first))
            .into_iter()
            .collect();
        hosts.push(world.add(REALM, |config| {
            config.groups = vec![
                group("locked", false, seeds.clone()),
                group("open", true, seeds),
            ];
        }));
    }
    hosts
}

/// A node that is told nothing but an address.
fn free(world: &mut World, at: NodeIx) -> NodeIx {
    let seeds = vec![seed(world, at)];
    let any = GroupConfig::commons(REALM.into(), seeds, Arc::new(Timing::default()));
    world.add(REALM, |config| {
        config.clients = vec![Arc::new(any)];
        config.invites = InvitePolicy::Realm;
    })
}

fn served(world: &World, node: NodeIx) -> usize {
    let hosts = world.node(node).map(|machine| machine.hosts());
    hosts.map_or(0, |hosts| hosts.iter().map(|(_, hosts)| hosts.len()).sum())
}

/// U26, E0: a node that knows one address and no name of any group is served by the open group there,
/// is in no view, writes to members and is written to, also by another free node; the group with a
/// cookie does not know it. Then it is invited into the very group that it used.
#[test]
fn u26_a_free_node_bootstraps_by_an_address_and_is_dragged_into_nothing() {
    seeds(
        "u26_a_free_node_bootstraps_by_an_address_and_is_dragged_into_nothing",
        8,
        |seed| {
            let mut world = World::new(WorldConfig::new(seed));
            let hosts = hosts(&mut world);
            let strays = [free(&mut world, hosts[1]), free(&mut world, hosts[2])];
            start_all(&mut world);
            within(&mut world, "bootstrapping", s(20), |world| {
                strays.iter().all(|&stray| served(world, stray) == 2)
            });
            world.run_for(s(5));
            let (open, locked) = (GroupId::new(REALM, "open"), GroupId::new(REALM, "locked"));
            for &stray in &strays {
                assert!(world.groups_of(stray).is_empty(), "it is in no group");
                assert_eq!(
                    world.connections(stray).len(),
                    2,
                    "its two hosts, and nobody else"
                );
                let own = world.node(stray).unwrap().hosts();
                assert_eq!(own[0].0, open);
            }
            for &host in &hosts {
                assert_eq!(views::alive(&world, host, open).len(), 3);
                assert_eq!(world.node(host).unwrap().served(locked), []);
            }
            let ways = [
                (strays[0], hosts[0]),
                (hosts[0], strays[0]),
                (strays[0], strays[1]),
            ];
            let flows = ways.map(|(from, to)| world.flow(from, to, (20, ms(50), 100)));
            world.run_for(s(10));
            for ((from, to), flow) in ways.into_iter().zip(flows) {
                let report = world.received(to, from, flow);
                let counts = (report.delivered, report.misordered);
                assert_eq!(counts, (20, 0), "n{} to n{}", from.0, to.0);
            }
            let change = world.add_members(hosts[2], open, &[strays[0]]).unwrap();
            within(&mut world, "the invitation", s(15), |world| {
                world.changed(change).is_some()
            });
            assert_eq!(
                world.changed(change).unwrap(),
                [(strays[0], Ok(Changed::Joined))]
            );
            within(&mut world, "its membership", s(10), |world| {
                views::alive(world, hosts[0], open).len() == 4 && views::all_agree(world)
            });
            assert_eq!(served(&world, strays[0]), 0);
            world.run_for(s(90));
            none("the members' mesh", sessions::mesh(&world));
        },
    );
}

/// U26: a bootstrap that is in no open group serves nobody, and the free node stays free.
#[test]
fn u26_a_bootstrap_with_closed_groups_only_lets_nobody_in() {
    let mut world = World::new(WorldConfig::new(1));
    let host = world.add(REALM, |config| {
        config.groups = vec![group("locked", false, Vec::new())];
    });
    let stray = free(&mut world, host);
    start_all(&mut world);
    world.run_for(s(30));
    assert_eq!(served(&world, stray), 0);
    assert!(world.groups_of(stray).is_empty());
    none("safety", check::safety(&world));
}

/// U1: a node in as many groups as there can be, all of which work; one more is refused by type, and
/// changes nothing.
#[test]
fn u1_a_node_in_64_groups_at_once_and_none_beyond() {
    let mut world = World::new(WorldConfig::new(2));
    let founder = world.add(REALM, |config| {
        let names = (0..GROUPS_MAX).map(|index| format!("g{index}"));
        config.groups = names.map(|name| group(&name, false, Vec::new())).collect();
    });
    let at = seed(&world, founder);
    let both: Vec<NodeIx> = (0..2)
        .map(|_| {
            let names = (0..GROUPS_MAX).map(|index| format!("g{index}"));
            let groups = names.map(|name| group(&name, false, vec![at.clone()]));
            let groups = groups.collect();
            world.add(REALM, |config| config.groups = groups)
        })
        .collect();
    start_all(&mut world);
    within(&mut world, "64 groups of three", s(30), |world| {
        let groups = (0..GROUPS_MAX).map(|index| GroupId::new(REALM, &format!("g{index}")));
        groups
            .into_iter()
            .all(|group| world.members_of(group).len() == 3)
            && views::all_agree(world)
    });
    assert_eq!(
        world.connections(founder).len(),
        2,
        "one session for all groups of two nodes"
    );
    let more = group("more", false, vec![at.clone()]);
    let refused = world.command(both[0], Command::Join(more.clone()));
    assert_eq!(refused, Err(Refused::TooManyGroups));
    assert_eq!(
        world.command(both[0], Command::Attach(more.clone())),
        Err(Refused::TooManyGroups)
    );
    assert_eq!(world.groups_of(both[0]).len(), GROUPS_MAX);
    world
        .command(both[0], Command::Leave(GroupId::new(REALM, "g0")))
        .unwrap();
    world.command(both[0], Command::Join(more)).unwrap();
    let greedy = world.add(REALM, |config| {
        let names = (0..=GROUPS_MAX).map(|index| format!("g{index}"));
        config.groups = names.map(|name| group(&name, false, Vec::new())).collect();
    });
    let groups = GROUPS_MAX + 1;
    assert_eq!(
        world.start(greedy),
        Err(ConfigError::TooManyGroups { groups })
    );
    none("safety", check::safety(&world));
}
