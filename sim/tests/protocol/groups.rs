//! One group at a time: joining, leaving, restarting, agreeing (E0, G1, G5, D2, D3, D5, U1, U2).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::{formed, none, restart, s, within};
use archipelago_core::GroupId;
use archipelago_router::{Command, Event};
use archipelago_sgroup::{GroupEvent, Timing};
use archipelago_sim::check::{self, deaths, sessions, views};
use archipelago_sim::topology::{REALM, Topology, cookies, start_all};
use archipelago_sim::{NodeIx, Observation, World, WorldConfig};

/// G1, E0: groups come up from their configuration by themselves, and their views agree.
#[test]
fn g1_e0_a_group_forms_from_its_configuration() {
    for size in [1, 2, 3, 5, 20, 60] {
        let mut world = Topology::group(size).start(u64::from(size));
        let took = within(&mut world, "forming", s(10), views::all_agree);
        println!("{size} nodes formed in {took:?}");
        world.run_for(s(10));
        none("a quiet group", check::quiet(&world));
        none(
            "a quiet group",
            deaths::none_but(&world, archipelago_core::Time::START, &[]),
        );
    }
}

/// G1: it does not matter who comes first, or that the founder comes last.
#[test]
fn g1_members_may_start_long_before_the_founder() {
    let topology = Topology::group(5);
    let mut world = topology.build(WorldConfig::new(3), |_, _| {});
    for node in world.nodes().into_iter().rev() {
        crate::support::start(&mut world, node);
        world.run_for(s(7));
    }
    within(&mut world, "forming", s(20), views::all_agree);
    world.run_for(s(5));
    none("a quiet group", check::quiet(&world));
}

/// G5: every watcher hears of every member once up, and once down.
#[test]
fn g5_each_member_is_told_up_once_and_down_once() {
    let topology = Topology::group(6);
    let mut world = formed(&topology, 5);
    let ended = world.now();
    world.crash(NodeIx(4));
    world.run_for(s(20));
    let ups = count(&world, topology.id(0), |event| {
        matches!(event, GroupEvent::MemberUp(_))
    });
    for watcher in world.running() {
        for member in world
            .nodes()
            .into_iter()
            .filter(|&member| member != watcher)
        {
            assert_eq!(
                ups.get(&(watcher, member)),
                Some(&1),
                "{watcher:?} of {member:?}"
            );
        }
    }
    let downs = count(&world, topology.id(0), |event| {
        matches!(event, GroupEvent::MemberDown(..))
    });
    assert_eq!(downs.len(), 5);
    assert!(
        downs
            .iter()
            .all(|((_, member), &times)| *member == NodeIx(4) && times == 1)
    );
    none("deaths", deaths::none_but(&world, ended, &[NodeIx(4)]));
}

/// D2: a member that restarts is back in its groups with a later boot, with no operator.
#[test]
fn d2_a_restarted_member_is_back_by_itself() {
    for victim in 0..4 {
        let topology = Topology::group(5);
        let mut world = formed(&topology, u64::from(victim));
        let before = world.node(NodeIx(victim)).map(|node| node.boot());
        world.crash(NodeIx(victim));
        world.run_for(s(u64::from(victim)));
        restart(&mut world, NodeIx(victim));
        within(&mut world, "coming back", s(10), views::all_agree);
        assert!(world.node(NodeIx(victim)).map(|node| node.boot()) > before);
        world.run_for(s(5));
        none("a quiet group", check::quiet(&world));
    }
}

/// D2: a restart with a clock far behind is raised above the boot that the group remembers.
#[test]
fn d2_a_boot_from_a_wrong_clock_is_raised() {
    let topology = Topology::group(4);
    let mut world = formed(&topology, 8);
    let before = world.node(NodeIx(2)).map(|node| node.boot());
    world.crash(NodeIx(2));
    world.run_for(s(4));
    world.configure(NodeIx(2), |config| config.boot = archipelago_core::Boot(7));
    crate::support::start(&mut world, NodeIx(2));
    within(&mut world, "coming back", s(10), views::all_agree);
    assert!(world.node(NodeIx(2)).map(|node| node.boot()) > before);
}

/// D3: a healed link is redialled without traffic.
#[test]
fn d3_a_healed_link_is_redialled_without_traffic() {
    let topology = Topology::group(5);
    let mut world = formed(&topology, 2);
    world.cut_pair(NodeIx(1), NodeIx(3));
    world.run_for(s(40));
    none(
        "deaths",
        deaths::none_but(&world, archipelago_core::Time::START, &[]),
    );
    assert!(
        !sessions::mesh(&world).is_empty(),
        "the transport gave the pair up"
    );
    world.heal();
    within(&mut world, "redialling", s(12), |world| {
        sessions::mesh(world).is_empty()
    });
    world.run_for(s(3));
    none("a quiet group", check::quiet(&world));
}

/// D5: members that came and went on both sides of a split are known on both after the heal.
#[test]
fn d5_membership_changed_on_both_sides_converges_on_heal() {
    let topology = Topology::group(9);
    let mut world = topology.build(WorldConfig::new(4), |_, _| {});
    let late = [NodeIx(4), NodeIx(8)];
    for node in world
        .nodes()
        .into_iter()
        .filter(|node| !late.contains(node))
    {
        crate::support::start(&mut world, node);
    }
    within(&mut world, "forming", s(10), views::all_agree);
    let (left, right) = ([0, 2, 3, 4].map(NodeIx), [1, 5, 6, 7, 8].map(NodeIx));
    world.partition(&[left.to_vec(), right.to_vec()]);
    world.run_for(s(6));
    crate::support::start(&mut world, NodeIx(4));
    crate::support::start(&mut world, NodeIx(8));
    world.crash(NodeIx(3));
    leave(&mut world, NodeIx(6), topology.id(0));
    world.run_for(s(10));
    world.heal();
    within(&mut world, "converging", s(10), views::all_agree);
    // Whoever was dialled before it was known to have left is let go within 10 s.
    world.run_for(s(15));
    none("a quiet group", check::quiet(&world));
}

/// E5: who leaves is told as left, at once, and its sessions are closed.
#[test]
fn e5_a_member_that_leaves_is_gone_at_once() {
    let topology = Topology::group(5);
    let mut world = formed(&topology, 6);
    leave(&mut world, NodeIx(2), topology.id(0));
    within(&mut world, "leaving", s(1), views::all_agree);
    world.run_for(s(10));
    assert_eq!(sessions::count(&world, NodeIx(2)), 0);
    none("a quiet group", check::quiet(&world));
}

/// E5: a node that shuts down leaves first: nobody waits for a detector.
#[test]
fn e5_a_shutdown_leaves_first() {
    let topology = Topology::group(5);
    let mut world = formed(&topology, 6);
    let sent = world.command(NodeIx(2), Command::Shutdown);
    assert_eq!(sent, Ok(()));
    within(&mut world, "leaving", s(1), views::all_agree);
    world.run_for(s(5));
    none("a quiet group", check::quiet(&world));
}

/// U1: one node in three groups, which stay apart from each other.
#[test]
fn u1_a_node_may_be_in_several_groups() {
    let mut topology = Topology::new();
    let nodes = topology.take(7);
    topology.push("a", vec![nodes[1], nodes[2], nodes[0]]);
    topology.push("b", vec![nodes[3], nodes[4], nodes[0]]);
    topology.push("c", vec![nodes[5], nodes[6], nodes[0]]);
    let mut world = formed(&topology, 1);
    world.run_for(s(10));
    none("a quiet world", check::quiet(&world));
    assert_eq!(sessions::count(&world, nodes[0]), 6);
    assert_eq!(sessions::count(&world, nodes[1]), 2);
}

/// U1: a node moves from one group to another at run time, keeping what it shares.
#[test]
fn u1_u2_a_node_moves_between_groups_while_running() {
    let mut topology = Topology::new();
    let nodes = topology.take(6);
    topology.push("a", vec![nodes[0], nodes[1], nodes[2]]);
    topology.push("b", vec![nodes[3], nodes[4], nodes[5]]);
    let mut world = formed(&topology, 1);
    let entry = topology.config(&world, 1, nodes[2], &Arc::new(Timing::default()));
    leave(&mut world, nodes[2], topology.id(0));
    world.configure(nodes[2], |config| config.groups = vec![entry.clone()]);
    assert_eq!(world.command(nodes[2], Command::Join(entry)), Ok(()));
    within(&mut world, "moving", s(10), views::all_agree);
    world.run_for(s(10));
    none("a quiet world", check::quiet(&world));
    assert_eq!(sessions::count(&world, nodes[2]), 3);
}

/// U2: a cookie is changed while running; old and new count for a while, then the old one does not.
#[test]
fn u2_a_cookie_is_changed_while_running() {
    let topology = Topology::group(4);
    let mut world = topology.build(WorldConfig::new(1), |_, _| {});
    for node in [0, 1, 2].map(NodeIx) {
        crate::support::start(&mut world, node);
    }
    within(&mut world, "forming", s(10), views::all_agree);
    let old = cookies("cookie of g0");
    let mut both = cookies("the next cookie");
    both.previous = Some(old.current);
    for node in [0, 1, 2].map(NodeIx) {
        let change = Command::SetCookies(topology.id(0), both.clone());
        assert_eq!(world.command(node, change), Ok(()));
    }
    world.run_for(s(3));
    crate::support::start(&mut world, NodeIx(3));
    within(
        &mut world,
        "joining by the old cookie",
        s(10),
        views::all_agree,
    );
    for node in [0, 1, 2].map(NodeIx) {
        let change = Command::SetCookies(topology.id(0), cookies("the next cookie"));
        assert_eq!(world.command(node, change), Ok(()));
    }
    world.crash(NodeIx(3));
    world.run_for(s(5));
    restart(&mut world, NodeIx(3));
    world.run_for(s(10));
    let view = views::alive(&world, NodeIx(0), topology.id(0));
    assert_eq!(view.len(), 3, "the old cookie is worth nothing now");
}

/// D1: two nodes that found the same group at the same time find each other.
#[test]
fn d1_two_nodes_that_name_each_other_as_seeds_form_one_group() {
    let topology = Topology::group(2);
    let mut world = topology.build(WorldConfig::new(1), |_, _| {});
    let seeds = [1, 0].map(|other| archipelago_sim::topology::seed(&world, NodeIx(other)));
    for (node, seed) in world.nodes().into_iter().zip(seeds) {
        world.configure(node, |config| {
            let mut group = (*config.groups[0]).clone();
            group.seeds = vec![seed];
            config.groups = vec![Arc::new(group)];
        });
    }
    assert_eq!(world.node_config(NodeIx(0)).realm.as_ref(), REALM);
    start_all(&mut world);
    let took = within(&mut world, "founding", s(10), views::all_agree);
    println!("founded in {took:?}");
}

fn leave(world: &mut World, node: NodeIx, group: GroupId) {
    assert_eq!(world.command(node, Command::Leave(group)), Ok(()));
    world.configure(node, |config| {
        config.groups.retain(|other| other.id() != group)
    });
}

/// How often each watcher heard a kind of event of each member.
fn count(
    world: &World,
    wanted: GroupId,
    is_counted: impl Fn(&GroupEvent) -> bool,
) -> BTreeMap<(NodeIx, NodeIx), u32> {
    let mut counts = BTreeMap::new();
    for observed in world.log() {
        let Observation::Event(Event::Group { group, event }) = &observed.what else {
            continue;
        };
        if *group != wanted || !is_counted(event) {
            continue;
        }
        let (GroupEvent::MemberUp(info) | GroupEvent::MemberDown(info, _)) = event else {
            continue;
        };
        let pair = (NodeIx(observed.node), world.node_of(&info.node));
        *counts.entry(pair).or_default() += 1;
    }
    counts
}
