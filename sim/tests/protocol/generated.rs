//! A generated start is a joined one: the same views, sessions, observers and routes, the same
//! traffic at rest, and the same behaviour when somebody dies.
//!
//! What may differ is what is drawn (transcripts, round trips, the phase of timers), which end of a
//! pair dialled, and that a joined node may still watch over somebody who has better observers now. `cargo test --release -p archipelago-sim --test protocol generated:: -- --ignored` does the
//! same with 10,000 nodes.

use std::time::Duration;

use archipelago_core::{Boot, Era, GroupId, NodeId};
use archipelago_router::up::UpCounters;
use archipelago_router::{Node, SessionKind};
use archipelago_sgroup::DownReason;
use archipelago_sim::tiers::{self, Hierarchy};
use archipelago_sim::topology::{Topology, start_all};
use archipelago_sim::{NodeIx, World, WorldConfig};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// The same nodes twice: joined, and generated.
struct Pair {
    topology: Topology,
    joined: World,
    generated: World,
}

impl Pair {
    fn new(topology: Topology, seed: u64) -> Self {
        let build = || topology.build(WorldConfig::large(seed), |_, _| {});
        let (mut joined, mut generated) = (build(), build());
        // Members come spread over a second, as live ones do: their timers stay as far apart.
        let sizes = topology.groups.iter().map(|(_, members)| members.len());
        let size = sizes.max().unwrap_or(1);
        for turn in 0..size {
            for (_, members) in &topology.groups {
                let node = members
                    .get(turn)
                    .filter(|&&node| joined.node(node).is_none());
                if let Some(&node) = node {
                    joined.start(node).expect("a good configuration");
                }
            }
            joined.run_for(SECOND / u32::try_from(size).expect("a small group"));
        }
        joined.run_for(MINUTE);
        generated.generate().expect("a good configuration");
        // Rows are told by messages.
        generated.run_for(MINUTE);
        Self {
            topology,
            joined,
            generated,
        }
    }

    /// Structure, node by node.
    fn compare(&self) {
        for node in self.joined.nodes() {
            let (joined, generated) = (&self.joined, &self.generated);
            assert_eq!(
                sessions(joined, node),
                sessions(generated, node),
                "{node:?}"
            );
            assert_eq!(routes(joined, node), routes(generated, node), "{node:?}");
            for place in self.topology.groups_of(node) {
                let group = self.topology.id(place);
                let machine = |world: &World| {
                    let node = world.node(node).expect("it runs");
                    (node.members(group), node.watch(group), node.boot())
                };
                let (joined, generated) = (machine(joined), machine(generated));
                assert_eq!(joined.0, generated.0, "members at {node:?}");
                let (joined_watch, watch) = (
                    joined.1.expect("it is a member"),
                    generated.1.expect("it is a member"),
                );
                assert_eq!((joined_watch.0, joined_watch.1), (watch.0, watch.1));
                // Who was watched over while the group was smaller may still be.
                assert!(watch.2.iter().all(|node| joined_watch.2.contains(node)));
                assert_eq!(joined.2, generated.2, "boot of {node:?}");
            }
        }
    }

    /// A minute at rest: the same messages to two hundredths. Of events, timers among them, eight
    /// hundredths more at most: sessions of nodes that joined together fall quiet together, in one
    /// look every 45 s, and generated ones one after the other, in a look every 5 s.
    fn compare_rest(&mut self) {
        let joined = rest(&mut self.joined);
        let generated = rest(&mut self.generated);
        println!("a minute: {joined:?} joined, {generated:?} generated");
        let differ = |joined: u64, generated: u64| joined.abs_diff(generated) * 100 / joined;
        assert!(differ(joined.0, generated.0) < 2, "messages");
        assert!(differ(joined.1, generated.1) < 8, "events");
    }

    /// One node dies, its sockets closed or its power cut: all members find out, in both worlds.
    fn compare_death(&mut self, victim: NodeIx, is_power_lost: bool) {
        for world in [&mut self.joined, &mut self.generated] {
            let name = world.id(victim);
            if is_power_lost {
                world.power_off(victim);
            } else {
                world.crash(victim);
            }
            let topology = &self.topology;
            let places = topology.groups_of(victim);
            let is_down = |world: &World| {
                places.iter().all(|&place| {
                    let mut others = topology
                        .members(place)
                        .iter()
                        .filter(|&&other| other != victim);
                    others.all(|&other| {
                        let members = world
                            .node(other)
                            .and_then(|node| node.members(topology.id(place)));
                        let members = members.unwrap_or_default();
                        members.len() + 2 > topology.members(place).len()
                            && members.iter().all(|member| member.node != name)
                    })
                })
            };
            let took = world.run_until(Duration::from_secs(4), is_down);
            println!("dead everywhere after {took:?}");
            // The detection bound of the design, and a hop.
            assert!(
                took.is_some_and(|took| took <= Duration::from_millis(2_600)),
                "{:?}",
                DownReason::Dead
            );
            world.run_for(MINUTE);
        }
        self.compare_living(victim);
    }

    /// After a death and a minute the worlds agree again.
    fn compare_living(&self, dead: NodeIx) {
        let both = [&self.joined, &self.generated];
        for node in self.joined.nodes().into_iter().filter(|&node| node != dead) {
            let [joined, generated] =
                both.map(|world| (sessions(world, node), routes(world, node)));
            assert_eq!(joined, generated, "{node:?}");
        }
    }
}

fn sessions(world: &World, node: NodeIx) -> Vec<(NodeIx, SessionKind)> {
    let sessions = world.node(node).expect("it runs").sessions();
    let open = world.connections(node).len();
    assert_eq!(open, sessions.len(), "the transport knows of no other");
    let named = sessions.into_iter();
    named
        .map(|session| (world.node_of(&session.peer), session.kind))
        .collect()
}

/// Who is in a group, and in which others: records of nodes that joined are renewed on the way.
fn members(node: &Node, group: GroupId) -> Vec<(NodeId, (Boot, Era), Vec<GroupId>)> {
    let members = node.members(group).expect("it is a member").into_iter();
    let named = members.map(|member| {
        let record = member.record.expect("members have shown their records");
        let groups = record.record.groups.iter().copied().collect();
        (member.node, (member.boot, member.era), groups)
    });
    named.collect()
}

/// Which groups are reached, and over how many reflectors: of equals the nearest may differ.
fn routes(world: &World, node: NodeIx) -> Vec<(archipelago_core::GroupId, u8, usize)> {
    let routes = world.node(node).expect("it runs").routes();
    let routes = routes.into_iter();
    routes
        .map(|route| (route.group, route.hops, route.next_hops.len()))
        .collect()
}

fn rest(world: &mut World) -> (u64, u64) {
    let before = (world.tally().total(), world.trace().events());
    world.run_for(MINUTE);
    let after = (world.tally().total(), world.trace().events());
    (after.0 - before.0, after.1 - before.1)
}

/// The same hierarchy twice: joined and elected, and generated.
struct Tiers {
    hierarchy: Hierarchy,
    joined: World,
    generated: World,
}

impl Tiers {
    fn new(hierarchy: Hierarchy, seed: u64) -> Self {
        let build = || hierarchy.build(WorldConfig::large(seed), |_, _| {});
        let (mut joined, mut generated) = (build(), build());
        start_all(&mut joined);
        let is_formed = |world: &World| tiers::is_formed(world, &hierarchy);
        let took = joined.run_until(tiers::forming_limit(&hierarchy), is_formed);
        assert!(took.is_some(), "the hierarchy forms");
        joined.run_for(MINUTE);
        generated.generate().expect("a good configuration");
        assert!(is_formed(&generated), "nothing is left to be said");
        generated.run_for(MINUTE);
        Self {
            hierarchy,
            joined,
            generated,
        }
    }

    /// Structure, node by node: groups, members, sessions, what is known of the tiers, and what
    /// members wrote.
    fn compare(&self) {
        for node in self.joined.nodes() {
            let (joined, generated) = (&self.joined, &self.generated);
            assert_eq!(
                joined.groups_of(node),
                generated.groups_of(node),
                "{node:?}"
            );
            assert_eq!(
                sessions(joined, node),
                sessions(generated, node),
                "{node:?}"
            );
            let tiers = |world: &World| world.node(node).expect("it runs").tiers();
            assert_eq!(tiers(joined), tiers(generated), "{node:?}");
            for group in joined.groups_of(node) {
                let machine = |world: &World| {
                    let node = world.node(node).expect("it runs");
                    (members(node, group), node.written(group))
                };
                let (joined, generated) = (machine(joined), machine(generated));
                assert_eq!(joined, generated, "{group:?} at {node:?}");
            }
        }
        // Nothing was written since: the state that was generated is the one that machines keep.
        let up = |world: &World, node| world.node(node).expect("it runs").up_counters();
        for node in self.generated.nodes() {
            assert_eq!(up(&self.generated, node), UpCounters::default(), "{node:?}");
        }
    }

    /// As for [`Pair`]. Of events a tenth: so few sessions fall quiet that looks for them are many.
    fn compare_rest(&mut self) {
        let joined = rest(&mut self.joined);
        let generated = rest(&mut self.generated);
        println!("a minute: {joined:?} joined, {generated:?} generated");
        let differ = |joined: u64, generated: u64| joined.abs_diff(generated) * 100 / joined;
        assert!(differ(joined.0, generated.0) < 2, "messages");
        assert!(differ(joined.1, generated.1) < 10, "events");
    }

    /// A reflector at the top dies: another one takes its place at each tier, in both worlds.
    fn compare_loss(&mut self) {
        let top = self.hierarchy.id(0);
        let victim = self.joined.members_of(top).last().copied();
        let victim = victim.expect("somebody is at the top");
        for world in [&mut self.joined, &mut self.generated] {
            world.crash(victim);
            let is_formed = |world: &World| tiers::is_formed(world, &self.hierarchy);
            let took = world.run_until(tiers::forming_limit(&self.hierarchy), is_formed);
            println!("replaced after {took:?}");
            assert!(took.is_some());
            world.run_for(MINUTE);
        }
        let both = [&self.joined, &self.generated];
        for node in self
            .joined
            .nodes()
            .into_iter()
            .filter(|&node| node != victim)
        {
            let [joined, generated] = both.map(|world| {
                let machine = world.node(node).expect("it runs");
                (sessions(world, node), machine.tiers())
            });
            assert_eq!(joined, generated, "{node:?}");
        }
    }
}

#[test]
fn one_group_generated_is_one_group_joined() {
    let mut pair = Pair::new(Topology::group(30), 3);
    pair.compare();
    pair.compare_rest();
    pair.compare_death(NodeIx(7), false);
}

#[test]
fn a_generated_member_without_power_is_found_dead_in_time() {
    let mut pair = Pair::new(Topology::group(20), 4);
    pair.compare_death(NodeIx(3), true);
}

#[test]
fn groups_under_a_backbone_have_the_same_rows_and_routes() {
    let mut pair = Pair::new(Topology::backbone(4, 12, 2), 5);
    pair.compare();
    pair.compare_rest();
    // A reflector, which is in two groups.
    pair.compare_death(NodeIx(0), false);
}

#[test]
fn two_tiers_generated_are_two_tiers_joined() {
    let mut tiers = Tiers::new(Hierarchy::tree(&[5], 8), 7);
    tiers.compare();
    tiers.compare_rest();
    tiers.compare_loss();
}

#[test]
fn three_tiers_generated_are_three_tiers_joined() {
    let mut tiers = Tiers::new(Hierarchy::tree(&[2, 3], 7), 8);
    tiers.compare();
    tiers.compare_rest();
    tiers.compare_loss();
}

#[test]
#[ignore = "10,000 nodes: minutes in release"]
fn ten_thousand_nodes_under_tiers_generated_are_ten_thousand_joined() {
    let mut tiers = Tiers::new(Hierarchy::tree(&[5, 5, 20], 20), 9);
    tiers.compare();
    tiers.compare_rest();
    tiers.compare_loss();
}

#[test]
fn a_generated_world_is_the_same_twice() {
    let run = |threads| {
        let config = WorldConfig {
            threads,
            ..WorldConfig::new(9)
        };
        let mut world = Topology::backbone(3, 10, 2).build(config, |_, _| {});
        world.generate().expect("a good configuration");
        world.run_for(MINUTE);
        world.trace().hash()
    };
    assert_eq!(run(1), run(1));
    assert_eq!(run(1), run(2));
}

#[test]
#[ignore = "10,000 nodes: a minute in release"]
fn ten_thousand_nodes_generated_are_ten_thousand_joined() {
    let mut topology = Topology::new();
    for group in 0..500 {
        let members = topology.take(20);
        topology.push(&format!("g{group}"), members);
    }
    let mut pair = Pair::new(topology, 6);
    pair.compare();
    pair.compare_rest();
    pair.compare_death(NodeIx(5_555), false);
}
