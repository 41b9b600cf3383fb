//! Groups that were made at run time, resumed by restarts from what a driver keeps ([`Node::kept`]).
//!
//! [`Node::kept`]: archipelago_router::Node::kept

#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::GroupId;
use archipelago_sgroup::{GroupConfig, Place};
use archipelago_sim::check::{self, views};
use archipelago_sim::topology::{REALM, Topology, cookies};
use archipelago_sim::{NodeIx, Random, World};

use crate::support::{formed, ms, none, restart, s, seeds, within};

const NODES: u32 = 8;
/// Seeds that are gone are asked until the longest pause between two dials before a group begins anew;
/// then beginnings meet.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is kept of a running node, as its next start is configured.
fn keep(world: &mut World, node: NodeIx) {
    let configured: Vec<GroupId> = vec![world.node_config(node).groups[0].id()];
    let kept = world.node(node).unwrap().kept(&configured);
    world.configure(node, |config| {
        config.groups.truncate(1);
        config.resumed = kept.iter().map(GroupConfig::id).collect();
        config.groups.extend(kept.into_iter().map(Arc::new));
    });
}

/// E1: whoever of a group's members comes back after all ended at once, in any order and with any
/// pauses, is in one group of that name again, however many never return.
#[test]
fn e1_a_group_made_at_run_time_outlives_the_end_of_all_its_members() {
    let test = "e1_a_group_made_at_run_time_outlives_the_end_of_all_its_members";
    seeds(test, 30, |seed| {
        let mut random = Random::split(seed, 0x6e_9700);
        let topology = Topology::group(NODES);
        let mut world = formed(&topology, seed);
        let made = GroupConfig {
            name: "made".into(),
            cookies: Some(cookies("a secret")),
            seeds: Vec::new(),
            place: Place::default(),
            ..(*world.node_config(NodeIx(0)).groups[0]).clone()
        };
        let (id, all) = (GroupId::new(REALM, "made"), world.nodes());
        let maker = NodeIx(u32::try_from(random.index(all.len())).unwrap());
        let others: Vec<NodeIx> = all.iter().copied().filter(|&node| node != maker).collect();
        let change = world.create_group(maker, Arc::new(made), &others).unwrap();
        within(&mut world, "making", s(15), |world| {
            world.changed(change).is_some()
        });
        within(&mut world, "agreeing", s(15), views::all_agree);
        for &node in &all {
            keep(&mut world, node);
        }
        for &node in &all {
            world.crash(node);
        }
        let mut back = all.clone();
        random.shuffle(&mut back);
        // The configured group needs its founder.
        back.truncate(2 + random.index(all.len() - 2));
        if !back.contains(&NodeIx(0)) {
            back.push(NodeIx(0));
        }
        for &node in &back {
            world.run_for(random.duration(ms(1), s(2)));
            restart(&mut world, node);
        }
        within(&mut world, "the made group", PATIENCE, |world| {
            let views = back.iter().map(|&node| views::alive(world, node, id).len());
            views.into_iter().all(|members| members == back.len())
        });
        none("a world at rest", check::quiet(&world));
    });
}
