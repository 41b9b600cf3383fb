//! What is counted at intervals along a run. Large worlds are sampled at every k-th node.

use std::time::Duration;

use archipelago_core::Time;

use super::Sample;
use crate::host::ProcessState;
use crate::world::{NodeIx, World};

/// Nodes whose sessions are counted at each sample.
const LOOKED_AT_MAX: u32 = 4_000;

/// The samples so far, and what was counted at the last one.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) taken: Vec<Sample>,
    pub(super) sessions_max: u64,
    pub(super) on_demand_max: u64,
    last: Time,
    control: u64,
    delivered: u64,
}

impl Samples {
    /// The timeline begins.
    pub(super) fn begin(&mut self, world: &World) {
        self.last = world.now();
        self.control = world.tally().total();
        self.delivered = delivered(world);
    }

    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn take(&mut self, world: &World, at: Duration, on_demand: u64) {
        let nodes = u32::try_from(world.nodes().len()).unwrap_or(u32::MAX);
        let stride = nodes.div_ceil(LOOKED_AT_MAX).max(1) as usize;
        let (mut running, mut sessions, mut most) = (0u64, 0u64, 0u64);
        for node in (0..nodes).step_by(stride).map(NodeIx) {
            if world.state(node) == ProcessState::Running {
                let count = world.connections(node).len() as u64;
                running += 1;
                sessions += count;
                most = most.max(count);
            }
        }
        let (control, delivered) = (world.tally().total(), delivered(world));
        let seconds = world.now().since(self.last).as_secs_f64().max(1e-6);
        let is_first = self.taken.is_empty();
        let rate = |now: u64, before: u64| {
            if is_first {
                0.0
            } else {
                (now - before) as f64 / seconds
            }
        };
        self.sessions_max = self.sessions_max.max(most);
        self.on_demand_max = self.on_demand_max.max(on_demand);
        self.taken.push(Sample {
            at_s: at.as_secs_f64(),
            running: running * stride as u64,
            sessions_mean: sessions as f64 / running.max(1) as f64,
            sessions_max: most,
            control_per_s: rate(control, self.control) / f64::from(nodes.max(1)),
            delivered_per_s: rate(delivered, self.delivered),
            on_demand,
        });
        (self.control, self.delivered, self.last) = (control, delivered, world.now());
    }
}

/// Messages that reached mailboxes.
pub(super) fn delivered(world: &World) -> u64 {
    let nodes = world.nodes().into_iter();
    nodes.map(|node| world.latencies(node).len()).sum()
}
