//! When members were told of another's death.

use archipelago::NodeId;
use archipelago_core::{GroupId, Time};
use archipelago_router::Event;
use archipelago_sgroup::{DownReason, GroupEvent};
use archipelago_sim::{NodeIx, Observation, Observed, World};

/// Of whose death this report tells a user, and in which group.
pub(crate) const fn death(observed: &Observed) -> Option<(GroupId, NodeId)> {
    match &observed.what {
        Observation::Event(Event::Group {
            group,
            event: GroupEvent::MemberDown(member, DownReason::Dead),
        }) => Some((*group, member.node)),
        _ => None,
    }
}

/// Running members of the group but for these nodes: who is to hear of their end.
pub(crate) fn known_to(world: &World, members: &[NodeIx], without: &[NodeIx]) -> Vec<NodeIx> {
    let mut witnesses = members.to_vec();
    witnesses.retain(|node| !without.contains(node) && world.node(*node).is_some());
    witnesses
}

/// When each of the witnesses was first told of the death, in the log from `seen` on.
pub(crate) fn deaths(
    world: &World,
    seen: usize,
    of: (GroupId, NodeId),
    witnesses: &[NodeIx],
) -> Vec<Time> {
    let log = world.log().get(seen..).unwrap_or_default();
    let told = |witness: &NodeIx| {
        let mut log = log.iter();
        let found = log.find(|seen| seen.node == witness.0 && death(seen) == Some(of));
        found.map(|seen| seen.time)
    };
    witnesses.iter().filter_map(told).collect()
}
