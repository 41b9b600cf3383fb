//! How many bytes an idle node takes, by part.
//!
//! For inspection: it changes nothing and no protocol reads it. Source of the aim: DESIGN section
//! 11, 160 bytes for each end of a session with everything included.

use archipelago_core::footprint::{Footprint, map_bytes, set_bytes};

use super::Node;
use super::work::Work;

impl Node {
    /// What this node takes, by part. What nodes of one process share (records, configurations of
    /// groups, charters) is not counted.
    pub fn footprint(&self) -> Footprint {
        let mut footprint = Footprint::default();
        let work = self.work.capacity() * size_of::<Work>();
        let rest = map_bytes(&self.groups) + set_bytes(&self.waiting) + work;
        footprint.add("node", size_of::<Self>() + rest);
        footprint.add("peers", self.base.peers.heap_bytes());
        footprint.add("sessions", self.sessions.heap_bytes());
        let dials = self.dials.heap_bytes() + self.detours.heap_bytes();
        footprint.add("dials and detours", dials);
        footprint.add("pulse", self.pulse.heap_bytes());
        footprint.add("on demand", self.on_demand.heap_bytes());
        footprint.add("reflect", self.reflect.heap_bytes());
        footprint.add("look-ups", self.lookups.heap_bytes());
        footprint.add("forward", self.forward.heap_bytes());
        for group in self.groups.values() {
            footprint.merge(&group.footprint());
        }
        footprint
    }
}
#[cfg(test)]
mod sizes {
    #[test]
    fn print() {
        use super::*;
        eprintln!(
            "Node {} config {} base {} sessions {} dials {} pulse {} on_demand {} reflect {} lookups {} forward {} detours {} counters {} work {} peers {} group {}",
            size_of::<Node>(),
            size_of::<super::super::NodeConfig>(),
            size_of::<super::super::lend::Base>(),
            size_of::<crate::sessions::Sessions>(),
            size_of::<crate::sessions::DialBook>(),
            size_of::<crate::pulse::Pulse>(),
            size_of::<crate::on_demand::OnDemand>(),
            size_of::<crate::reflect::Reflect>(),
            size_of::<crate::lookup::Lookups>(),
            size_of::<crate::forward::Forward>(),
            size_of::<crate::sessions::Detours>(),
            size_of::<super::super::NodeCounters>(),
            size_of::<Work>(),
            size_of::<archipelago_core::Peers>(),
            size_of::<archipelago_sgroup::Group>()
        );
    }
}
