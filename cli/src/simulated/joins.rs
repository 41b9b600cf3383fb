//! Nodes that come after all others.

use std::sync::Arc;

use archipelago_core::Time;
use archipelago_router::Event;
use archipelago_sgroup::{GroupConfig, GroupEvent, Seed};
use archipelago_sim::{NodeIx, Observation, World};

/// A node that joins the first group of `founder` through it, started.
pub(crate) fn late_comer(world: &mut World, founder: NodeIx) -> NodeIx {
    let like = world.node_config(founder).groups[0].clone();
    let mut told = GroupConfig::clone(&like);
    told.seeds = vec![Seed {
        address: world.address(founder),
        node: None,
    }];
    let node = world.add(&told.realm.clone(), |config| {
        config.groups = vec![Arc::new(told)];
    });
    super::start(world, node);
    node
}

/// When the node was up in its group, by the log from `seen` on.
pub(crate) fn joined(world: &World, seen: usize, node: NodeIx) -> Option<Time> {
    let log = world.log().get(seen..).unwrap_or_default();
    let found = log.iter().find(|seen| {
        let is_joined = matches!(
            &seen.what,
            Observation::Event(Event::Group {
                event: GroupEvent::Joined { .. },
                ..
            })
        );
        seen.node == node.0 && is_joined
    });
    found.map(|seen| seen.time)
}
