//! How many bytes an idle node takes, by part.
//!
//! For inspection: it changes nothing and no protocol reads it. Source of the aim: DESIGN section
//! 11, 160 bytes for each end of a session with everything included.

use archipelago_core::footprint::{Footprint, set_bytes};

use super::Node;
use super::work::Work;
use crate::change::Changes;
use crate::forward::Forward;
use crate::lookup::Lookups;
use crate::regroup::Regroup;

impl Node {
    /// What this node takes, by part. What nodes of one process share (records, configurations of
    /// groups, charters) is not counted.
    pub fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::default();
        let work = self.work.capacity() * size_of::<Work>();
        let clients = self.clients.as_ref().map_or(0, |c| c.heap_bytes());
        let rest = self.groups.heap_bytes() + set_bytes(&self.waiting) + work + clients;
        footprint.add("node", size_of::<Self>() + rest);
        footprint.add("peers", self.base.peers.heap_bytes());
        footprint.add("sessions", self.sessions.heap_bytes());
        let dials = self.dials.heap_bytes() + self.detours.heap_bytes();
        footprint.add("dials and detours", dials);
        footprint.add("pulse", self.pulse.heap_bytes());
        footprint.add("on demand", self.on_demand.heap_bytes());
        footprint.add("reflect", self.reflect.heap_bytes());
        let lookups = self.lookups.as_deref();
        let bytes = lookups.map_or(0, |it| size_of::<Lookups>() + it.heap_bytes());
        footprint.add("look-ups", bytes);
        let forward = self.forward.as_deref();
        let bytes = forward.map_or(0, |it| size_of::<Forward>() + it.heap_bytes());
        footprint.add("forward", bytes);
        let changes = self.changes.as_deref();
        let bytes = changes.map_or(0, |it| size_of::<Changes>() + it.heap_bytes());
        footprint.add("changes", bytes);
        let regroup = self.regroup.as_deref();
        let bytes = regroup.map_or(0, |it| size_of::<Regroup>() + it.heap_bytes());
        footprint.add("regroup", bytes);
        footprint.add("hierarchy", self.up.heap_bytes());
        for group in self.groups.values() {
            footprint.merge(&group.footprint());
        }
        footprint
    }
}
