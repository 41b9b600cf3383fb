//! What each node of a plan is told: its address, its groups, and whom to join them through.

use std::net::{Ipv4Addr, TcpListener};

use super::UpError;
use super::node::{NodeConfig, NodeGroup};
use super::state::{Folder, NodeState, State};
use crate::cluster::Plan;

/// Members of a group that a node is told of.
const SEEDS_MAX: usize = 3;

/// Puts the nodes of the plan into the state: those that it knows keep what it knows of them, new
/// ones get an address, those that the plan does not have any more are returned.
pub(super) fn settle(plan: &Plan, state: &mut State) -> Result<Vec<NodeState>, UpError> {
    let mut known = std::mem::take(&mut state.nodes);
    // Held until all have theirs, so that no two get the same.
    let mut held = Vec::new();
    for planned in &plan.nodes {
        let place = known.iter().position(|node| node.name == planned.name);
        let node = match place {
            Some(place) => NodeState {
                is_given_up: false,
                ..known.remove(place)
            },
            None => NodeState {
                name: planned.name.clone(),
                address: free_address(&mut held)?,
                process: None,
                starts: 0,
                is_given_up: false,
                is_behind: false,
            },
        };
        state.nodes.push(node);
    }
    Ok(known)
}

fn free_address(held: &mut Vec<TcpListener>) -> Result<String, UpError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(UpError::Port)?;
    let port = listener.local_addr().map_err(UpError::Port)?.port();
    held.push(listener);
    Ok(format!("/ip4/127.0.0.1/tcp/{port}"))
}

/// What node `index` is told when it is started now, or told anew.
pub(super) fn config(plan: &Plan, state: &State, index: usize, folder: &Folder) -> NodeConfig {
    let planned = &plan.nodes[index];
    // Parents come with the groups that lead up to them.
    let own = planned.groups.iter().filter(|&&group| {
        let is_parent = |other: &usize| plan.groups[*other].parents.contains(&group);
        !planned.groups.iter().any(is_parent)
    });
    NodeConfig {
        version: 0,
        name: planned.name.clone(),
        realm: plan.realm.clone(),
        listen: state.nodes[index].address.clone(),
        key_file: folder.node_file(&planned.name, "key"),
        groups_file: Some(folder.node_file(&planned.name, "groups")),
        is_reflector: planned.is_reflector,
        groups: own
            .map(|&group| told((plan, state, folder), group, index))
            .collect(),
        attributes: planned.attributes.clone(),
    }
}

/// What there is to tell from.
type Known<'a> = (&'a Plan, &'a State, &'a Folder);

fn told(known: Known<'_>, group: usize, index: usize) -> NodeGroup {
    let planned = &known.0.groups[group];
    let parents = planned.parents.iter();
    NodeGroup {
        name: planned.name.clone(),
        cookie: planned.cookie.clone(),
        seeds: seeds(known, group, index),
        tier: planned.tier,
        reflectors: u8::try_from(planned.reflectors.len()).unwrap_or(u8::MAX),
        parents: parents.map(|&parent| told(known, parent, index)).collect(),
        kept_at: planned.kept_at.clone(),
    }
}

/// The first members besides the node itself. The founder has none while nobody who lives was told
/// of the group: it founds the group then, and joins it otherwise.
fn seeds((plan, state, folder): Known<'_>, group: usize, index: usize) -> Vec<String> {
    let planned = &plan.groups[group];
    let others = planned.members.iter().filter(|&&one| one != index);
    let is_there = |other: usize| {
        let node = &state.nodes[other];
        let told = || NodeConfig::read(&folder.node_file(&node.name, "json"));
        node.is_alive() && told().is_ok_and(|told| told.names(&planned.name))
    };
    if plan.founder(group) == index && !others.clone().any(|&other| is_there(other)) {
        return Vec::new();
    }
    let others = others.take(SEEDS_MAX);
    others
        .map(|&other| state.nodes[other].address.clone())
        .collect()
}
