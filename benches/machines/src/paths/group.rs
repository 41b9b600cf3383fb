//! A group at rest: heartbeats, timers and what they make of each other.
//!
//! The group's machines run in the simulator, whose queues and links are part of the count: about a
//! third of it.

use std::time::Duration;

use archipelago_sim::WorldConfig;
use archipelago_sim::topology::Topology;

use crate::{HotPath, Operation};

/// Members of the group.
const MEMBERS: u32 = 20;

pub(super) const RESTING: HotPath = HotPath {
    name: "group-rest",
    per: MEMBERS as u64,
    unit: "second of a member of 20 at rest",
    make: resting,
};

fn resting() -> Operation {
    let mut topology = Topology::new();
    let members = topology.take(MEMBERS);
    topology.push("group", members);
    let mut world = topology.build(WorldConfig::large(1), |_, _| {});
    world
        .generate()
        .expect("one group is a working configuration");
    world.run_for(Duration::from_secs(5));
    Box::new(move || world.run_for(Duration::from_secs(1)))
}
