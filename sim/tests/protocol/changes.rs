//! Groups created, added to, reduced and deleted while they run (E1 to E6, D1, D5, D9, D10).

use std::sync::Arc;

use crate::support::{formed, ms, none, restart, s, within};
use archipelago_core::GroupId;
use archipelago_core::wire::DeclineReason;
use archipelago_router::{ChangeFault, Changed, Command, Event, InvitePolicy, Refused};
use archipelago_sgroup::{GroupConfig, GroupEvent, Place, Timing};
use archipelago_sim::check::{self, views};
use archipelago_sim::topology::{REALM, Topology, cookies, start_all};
use archipelago_sim::{Change, ChangeResults, NodeIx, Observation, World, WorldConfig};

fn group(name: &str, secret: &str) -> Arc<GroupConfig> {
    Arc::new(GroupConfig {
        realm: REALM.into(),
        name: name.into(),
        cookies: Some(cookies(secret)),
        seeds: Vec::new(),
        size: 0,
        members_max: 1_024,
        is_closed: false,
        timing: Arc::new(Timing::default()),
        place: Place::default(),
    })
}

fn id(name: &str) -> GroupId {
    GroupId::new(REALM, name)
}

fn nodes(range: std::ops::Range<u32>) -> Vec<NodeIx> {
    range.map(NodeIx).collect()
}

/// Waits for a change's results.
fn through(world: &mut World, change: Change) -> ChangeResults {
    within(world, "the change", s(15), |world| {
        world.changed(change).is_some()
    });
    world.changed(change).unwrap_or_default()
}

fn all(range: std::ops::Range<u32>, result: Changed) -> ChangeResults {
    nodes(range)
        .into_iter()
        .map(|node| (node, Ok(result)))
        .collect()
}

fn events(world: &World, node: NodeIx, group: GroupId) -> Vec<GroupEvent> {
    let mine = world
        .log()
        .iter()
        .filter(|observed| observed.node == node.0);
    let events = mine.filter_map(|observed| match &observed.what {
        Observation::Event(Event::Group { group: of, event }) if *of == group => Some(event),
        _ => None,
    });
    events.cloned().collect()
}

/// E1, D9: a group of 32 over sessions that exist takes a few round trips, and says of each node
/// what became of it; other groups and their sessions are kept.
#[test]
fn e1_d9_a_group_is_created_in_a_few_round_trips_over_sessions_that_exist() {
    let mut world = formed(&Topology::group(32), 1);
    let dials = world.log().len();
    let (start, before) = (world.now(), world.tally());
    let change = world.create_group(NodeIx(0), group("new", "secret"), &nodes(1..32));
    let results = through(&mut world, change.unwrap());
    let took = world.now().since(start);
    println!(
        "32 nodes in {took:?}, with links of {:?}",
        world.links().latency_min()
    );
    let said = world.tally().since(&before);
    let kinds: Vec<_> = said.kinds().collect();
    println!(
        "{kinds:?}, {} signatures, {} checks of them",
        said.signed, said.verified
    );
    assert_eq!(results, all(1..32, Changed::Joined));
    assert!(took < s(1), "{took:?}");
    let dialled = world.log()[dials..].iter();
    let dialled = dialled.filter(|o| matches!(o.what, Observation::Dialled { .. }));
    assert_eq!(dialled.count(), 0, "sessions that exist serve");
    assert_eq!(world.members_of(id("new")).len(), 32);
    world.run_for(s(10));
    none("a quiet world", check::quiet(&world));
}

/// E2: a change by a node that is no member, or of an unknown group, is refused and changes nothing.
#[test]
fn e2_a_change_by_who_is_no_member_is_refused() {
    let mut world = formed(&Topology::group(3), 2);
    let other = id("other");
    let before = world.groups_of(NodeIx(1));
    let refused = [
        world.add_members(NodeIx(0), other, &[NodeIx(1)]),
        world.remove_members(NodeIx(0), other, &[NodeIx(1)]),
        world.delete_group(NodeIx(0), other),
    ];
    assert_eq!(refused, [Err(Refused::UnknownGroup); 3]);
    let existing = Topology::group(3).id(0);
    let config = world.node_config(NodeIx(1)).groups[0].clone();
    let again = world.create_group(NodeIx(1), config, &[NodeIx(2)]);
    assert_eq!(again, Err(Refused::AlreadyIn));
    let stranger = archipelago_core::NodeId([9; 32]);
    let command = Command::RemoveMembers {
        ticket: 77,
        group: existing,
        nodes: vec![stranger, world.id(NodeIx(0))],
    };
    world.command(NodeIx(0), command).unwrap();
    let change = Change {
        node: NodeIx(0),
        ticket: 77,
    };
    let faults: Vec<_> = through(&mut world, change)
        .into_iter()
        .map(|(_, r)| r)
        .collect();
    assert_eq!(faults.len(), 2);
    assert!(faults.contains(&Err(ChangeFault::NotMember)));
    assert!(faults.contains(&Err(ChangeFault::Myself)));
    world.run_for(s(5));
    assert_eq!(world.groups_of(NodeIx(1)), before);
    none("a quiet world", check::quiet(&world));
}

/// E3: nodes of another group are invited by relay, and are connected with all when the call is
/// through.
#[test]
fn e3_nodes_of_another_group_are_added() {
    let mut world = Topology::chain(2, 5, 1).build(WorldConfig::new(3), |_, config| {
        config.invites = InvitePolicy::Realm;
    });
    start_all(&mut world);
    within(&mut world, "forming", s(20), views::all_agree);
    world.run_for(s(5));
    let (left, right) = (
        Topology::chain(2, 5, 1).id(0),
        Topology::chain(2, 5, 1).id(1),
    );
    let only = |world: &World, group, not| {
        let members = world.members_of(group).into_iter();
        let inside = members.filter(|&node| !world.groups_of(node).contains(&not));
        inside.collect::<Vec<_>>()
    };
    let here = only(&world, left, right);
    let there = only(&world, right, left);
    let change = world.add_members(here[0], left, &there[..2]).unwrap();
    let results = through(&mut world, change);
    assert!(
        results.iter().all(|(_, r)| *r == Ok(Changed::Joined)),
        "{results:?}"
    );
    assert_eq!(views::check_group(&world, left).len(), 0);
    world.run_for(s(90));
    none("a quiet world", check::quiet(&world));
}

/// U26: a free node is dragged into nothing: its policy decides.
#[test]
fn u26_who_invites_is_judged_by_the_invited() {
    let policies = [
        InvitePolicy::Nobody,
        InvitePolicy::Members,
        InvitePolicy::Realm,
    ];
    let mut world = World::new(WorldConfig::new(4));
    let founder = world.add(REALM, |config| config.groups = vec![group("g", "secret")]);
    let free = policies.map(|policy| world.add(REALM, |config| config.invites = policy));
    start_all(&mut world);
    world.run_for(s(1));
    let change = world.add_members(founder, id("g"), &free).unwrap();
    let declined = Err(ChangeFault::NotAdmitted(DeclineReason::Policy));
    let results = through(&mut world, change);
    let expected = [declined, declined, Ok(Changed::Joined)];
    assert_eq!(results, free.into_iter().zip(expected).collect::<Vec<_>>());
    world.run_for(s(30));
    none("a quiet world", check::quiet(&world));
}

/// E5, D10: who is removed hears of it, leaves, and its sessions that nothing justifies close; it
/// stays out, whatever it tries, until it is added anew.
#[test]
fn e5_who_is_removed_stays_out_until_it_is_added_anew() {
    let topology = Topology::group(6);
    let mut world = formed(&topology, 5);
    let out = NodeIx(4);
    let change = world
        .remove_members(NodeIx(2), topology.id(0), &[out])
        .unwrap();
    assert_eq!(through(&mut world, change), [(out, Ok(Changed::Left))]);
    within(&mut world, "agreeing", s(1), views::all_agree);
    assert_eq!(world.members_of(topology.id(0)).len(), 5);
    let by = world.id(NodeIx(2));
    assert!(events(&world, out, topology.id(0)).contains(&GroupEvent::Removed { by }));
    within(&mut world, "sessions of the removed", s(15), |world| {
        world.connections(out).is_empty()
    });
    // It knows the cookie, and tries.
    let config = world.node_config(out).groups[0].clone();
    world.command(out, Command::Join(config)).unwrap();
    world.run_for(s(20));
    let seen = views::alive(&world, NodeIx(0), topology.id(0));
    assert_eq!(seen.len(), 5, "{seen:?}");
    world.command(out, Command::Leave(topology.id(0))).unwrap();
    world.configure(out, |config| config.invites = InvitePolicy::Realm);
    world.crash(out);
    world.configure(out, |config| config.groups.clear());
    restart(&mut world, out);
    world.run_for(s(2));
    let change = world
        .add_members(NodeIx(1), topology.id(0), &[out])
        .unwrap();
    assert_eq!(through(&mut world, change), [(out, Ok(Changed::Joined))]);
    world.run_for(s(10));
    none("a quiet world", check::quiet(&world));
}

/// E6: a deleted group is gone everywhere, also at a member that was away, and is not brought back.
#[test]
fn e6_a_deleted_group_stays_deleted() {
    let topology = Topology::group(6);
    let mut world = formed(&topology, 6);
    let away = NodeIx(5);
    let others = nodes(0..5);
    world.partition(&[vec![away], others.clone()]);
    world.run_for(s(10));
    let change = world.delete_group(NodeIx(1), topology.id(0)).unwrap();
    let results = through(&mut world, change);
    assert!(results.iter().all(|(_, r)| r.is_ok()), "{results:?}");
    world.run_for(ms(500));
    for &node in &others {
        assert_eq!(world.groups_of(node), [], "{node:?}");
    }
    assert_eq!(world.groups_of(away), [topology.id(0)]);
    world.heal();
    within(&mut world, "the late member", s(20), |world| {
        world.groups_of(away).is_empty()
    });
    world.run_for(s(30));
    assert_eq!(world.members_of(topology.id(0)), []);
    none("a quiet world", check::quiet(&world));
}

/// D1: two nodes that create groups naming each other at once both finish within a second.
#[test]
fn d1_two_nodes_create_groups_that_name_each_other_at_once() {
    let mut world = formed(&Topology::group(4), 7);
    let (a, b) = (NodeIx(1), NodeIx(2));
    let start = world.now();
    let first = world.create_group(a, group("first", "1"), &[b]).unwrap();
    let second = world.create_group(b, group("second", "2"), &[a]).unwrap();
    assert_eq!(through(&mut world, first), [(b, Ok(Changed::Joined))]);
    assert_eq!(through(&mut world, second), [(a, Ok(Changed::Joined))]);
    assert!(world.now().since(start) < s(1));
    world.run_for(s(5));
    none("a quiet world", check::quiet(&world));
}

/// D1: one group created by two nodes at once with two cookies becomes one with one cookie.
#[test]
fn d1_one_group_created_twice_at_once_becomes_one() {
    for seed in 0..20 {
        let mut world = formed(&Topology::group(6), seed);
        let (a, b) = (NodeIx(1), NodeIx(2));
        let first = world.create_group(a, group("g", "one"), &[b, NodeIx(3)]);
        let second = world.create_group(b, group("g", "two"), &[a, NodeIx(4)]);
        let (first, second) = (first.unwrap(), second.unwrap());
        let results = [through(&mut world, first), through(&mut world, second)].concat();
        assert!(
            results.iter().all(|(_, r)| r.is_ok()),
            "seed={seed} {results:?}"
        );
        within(&mut world, "agreeing", s(5), views::all_agree);
        assert_eq!(world.members_of(id("g")).len(), 4);
        let conflicts = [a, b].map(|node| {
            let conflict = events(&world, node, id("g")).into_iter();
            let kept = conflict.filter_map(|event| match event {
                GroupEvent::CookieConflict { kept, .. } => Some(kept),
                _ => None,
            });
            kept.collect::<Vec<_>>()
        });
        assert_ne!(conflicts[0].first(), conflicts[1].first(), "{conflicts:?}");
        world.run_for(s(90));
        none("a quiet world", check::quiet(&world));
        // Who joins later needs the one cookie that was kept.
        let change = world.add_members(NodeIx(4), id("g"), &[NodeIx(5)]).unwrap();
        assert_eq!(
            through(&mut world, change),
            [(NodeIx(5), Ok(Changed::Joined))]
        );
    }
}

/// D2: a member of a group that was made at run time is back after a restart, though its
/// configuration does not name the group.
#[test]
fn d2_a_member_that_restarts_is_invited_again() {
    let mut world = formed(&Topology::group(5), 8);
    let change = world
        .create_group(NodeIx(0), group("new", "x"), &nodes(1..4))
        .unwrap();
    assert_eq!(through(&mut world, change), all(1..4, Changed::Joined));
    for node in [NodeIx(2), NodeIx(0)] {
        world.crash(node);
        world.run_for(s(5));
        restart(&mut world, node);
        within(&mut world, "coming back", s(20), |world| {
            world.members_of(id("new")).len() == 4 && views::all_agree(world)
        });
    }
    world.run_for(s(10));
    none("a quiet world", check::quiet(&world));
}
