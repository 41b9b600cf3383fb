//! A configuration taken anew by every node of a running group, in any order (G10).

#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

use std::sync::Arc;

use archipelago_core::GroupId;
use archipelago_router::{Command, Event};
use archipelago_sgroup::{Cookies, GroupConfig, GroupEvent, Seed};
use archipelago_sim::check::{self, sessions, views};
use archipelago_sim::topology::{REALM, Topology, cookies};
use archipelago_sim::{NodeIx, Observation, World};

use crate::support::{formed, ms, none, s, seeds, within};

const NODES: u32 = 6;

/// What the new configuration says of the group that there was: another cookie, and for how many
/// members it is meant.
fn changed(old: &GroupConfig) -> GroupConfig {
    let mut new = old.clone();
    new.cookies = Some(Cookies {
        previous: old.cookies.clone().map(|cookies| cookies.current),
        ..cookies("changed")
    });
    new.size = NODES;
    new.place.epoch += 1;
    new
}

/// And of one that is new: the first node founds it.
fn added(world: &World, old: &GroupConfig, node: NodeIx) -> Arc<GroupConfig> {
    let first = Seed {
        address: world.address(NodeIx(0)),
        node: None,
    };
    Arc::new(GroupConfig {
        name: "added".into(),
        cookies: Some(cookies("added")),
        seeds: (node != NodeIx(0)).then_some(first).into_iter().collect(),
        ..old.clone()
    })
}

fn take(world: &mut World, node: NodeIx) {
    let old = world.node_config(node).groups[0].clone();
    let new = changed(&old);
    let cookies = new.cookies.clone().unwrap();
    let added = added(world, &old, node);
    let commands = [
        Command::SetCookies(new.id(), cookies),
        Command::Recharter(Arc::new(new)),
        Command::Join(added),
    ];
    for command in commands {
        world.command(node, command).unwrap();
    }
}

fn downs(world: &World) -> usize {
    let is_down = |observed: &&archipelago_sim::Observed| {
        let event = match &observed.what {
            Observation::Event(Event::Group { event, .. }) => event,
            _ => return false,
        };
        matches!(event, GroupEvent::MemberDown(..))
    };
    world.log().iter().filter(is_down).count()
}

/// G10: nodes take a changed configuration one after the other, in any order and with any pauses
/// within the window of the cookie: nobody is lost, traffic goes on, and the new group forms.
#[test]
fn g10_nodes_take_a_changed_configuration_in_any_order() {
    let test = "g10_nodes_take_a_changed_configuration_in_any_order";
    seeds(test, 20, |seed| {
        let topology = Topology::group(NODES);
        let mut world = formed(&topology, seed);
        let (group, new) = (topology.id(0), GroupId::new(REALM, "added"));
        let flow = world.flow(NodeIx(1), NodeIx(4), (2_000, ms(10), 100));
        let before = downs(&world);
        let mut left: Vec<NodeIx> = (0..NODES).map(NodeIx).collect();
        while !left.is_empty() {
            let place = world.random().index(left.len());
            take(&mut world, left.swap_remove(place));
            let pause = world.random().duration(ms(1), s(4));
            world.run_for(pause);
        }
        within(&mut world, "the new group", s(30), |world| {
            world.members_of(new).len() == NODES as usize && views::all_agree(world)
        });
        for node in (0..NODES).map(NodeIx) {
            let command = Command::SetCookies(group, cookies("changed"));
            world.command(node, command).unwrap();
        }
        world.run_for(s(20));
        assert_eq!(downs(&world), before, "nobody was lost");
        assert_eq!(world.members_of(group).len(), NODES as usize);
        let report = world.received(NodeIx(4), NodeIx(1), flow);
        assert_eq!((report.delivered, report.misordered), (2_000, 0));
        none("safety", check::safety(&world));
        none("the mesh", sessions::mesh(&world));
    });
}
