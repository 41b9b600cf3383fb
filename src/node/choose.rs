//! Choosing nodes from what this node knows: members, what they say, and how far they are.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::{GroupId, NodeId};
use archipelago_sgroup::registry::Table;
use archipelago_sgroup::registry::choose::{Choice, Distance, Ground, choose};

use super::Shared;

/// Nodes as `choice` describes them, best first. Round trips are as measured a few seconds ago.
pub(crate) fn choose_nodes(shared: &Shared, choice: &Choice) -> Vec<NodeId> {
    let replica = &shared.replica;
    let members: Vec<(GroupId, Vec<NodeId>)> = replica
        .groups()
        .into_iter()
        .filter_map(|group| Some((group, replica.members(group)?)))
        .map(|(group, members)| (group, members.iter().map(|one| one.node).collect()))
        .collect();
    let sessions = replica.sessions().into_iter();
    let sessions: BTreeMap<NodeId, Option<Duration>> =
        sessions.map(|session| (session.peer, session.rtt)).collect();
    let distance = |node: NodeId| match sessions.get(&node) {
        _ if node == shared.id => Distance {
            round_trip: Some(Duration::ZERO),
            hops: 0,
        },
        Some(&round_trip) => Distance {
            round_trip,
            hops: 1,
        },
        None => Distance {
            round_trip: None,
            hops: 2,
        },
    };
    let tables = shared.tables.groups();
    let empty = Table::default();
    let grounds: Vec<Ground<'_>> = members
        .iter()
        .map(|(group, members)| Ground {
            group: *group,
            members,
            table: tables.get(group).unwrap_or(&empty),
        })
        .collect();
    choose(choice, shared.id, &grounds, distance, &mut shared.tables.rng())
}
