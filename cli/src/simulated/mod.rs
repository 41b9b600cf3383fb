//! A plan of live nodes in virtual time: what calibration and benchmarks share.
//!
//! The machines are the live ones; links and handshakes are what the caller says. Every node has a
//! processor of its own, which is what differs most from many nodes on one machine.

mod ends;
mod joins;

pub(crate) use ends::{death, deaths, known_to};
pub(crate) use joins::{joined, late_comer};

use archipelago_sim::topology::{GroupPlan, Overlay};
use archipelago_sim::{NodeIx, World};

use crate::cluster::Plan;

/// The same plan as the simulator has it.
pub(crate) fn overlay(plan: &Plan) -> Overlay {
    let numbers = |nodes: &[usize]| nodes.iter().map(|&node| ix(node).0).collect();
    let groups = plan.groups.iter().map(|group| GroupPlan {
        name: group.name.clone(),
        members: numbers(&group.members),
        reflectors: numbers(&group.reflectors),
        parents: group.parents.clone(),
        tier: group.tier,
    });
    Overlay {
        nodes: ix(plan.nodes.len()).0,
        groups: groups.collect(),
    }
}

/// Starts a node that was configured by a topology.
pub(crate) fn start(world: &mut World, node: NodeIx) {
    let started = world.start(node);
    started.expect("topologies make working configurations");
}

/// A plan's node in its world: nodes keep their places.
pub(crate) fn ix(index: usize) -> NodeIx {
    NodeIx(u32::try_from(index).unwrap_or(u32::MAX))
}
