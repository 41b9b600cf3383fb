//! I10, F8: each version of a reflector's row goes over each session at most once, and its list of
//! reflectors passed never exceeds the limit: no wiring makes it circle.

use std::collections::BTreeMap;

use archipelago_core::wire::{Control, RouteBody, SessionId};
use archipelago_core::{Boot, NodeId, Time};

use super::Violation;
use crate::world::World;

/// Longest list of reflectors passed.
const CLUSTERS_MAX: usize = 32;

/// The last version of each reflector's row, and how often it came.
type Versions = BTreeMap<NodeId, (Boot, u64, u32)>;

/// Counts rows as they arrive.
#[derive(Debug, Default)]
pub struct RowTap {
    /// By (sender, receiver, receiver's session): a session of its own is asked anew.
    seen: BTreeMap<(u32, u32, SessionId), Versions>,
    found: Vec<Violation>,
    rows: u64,
}

impl RowTap {
    /// A control message arrived.
    pub(crate) fn on_message(
        &mut self,
        (from, to, session): (u32, u32, SessionId),
        message: &Control,
        now: Time,
    ) {
        let Control::Route(RouteBody::Row { row, clusters, .. }) = message else {
            return;
        };
        self.rows += 1;
        let at = format!("at {} ms n{from} to n{to}", now.as_micros() / 1_000);
        if clusters.len() > CLUSTERS_MAX {
            let text = format!("{at}: a row that passed {} reflectors", clusters.len());
            self.found.push(Violation::new("I10", text));
        }
        let version = (row.row.boot, row.row.seq);
        let versions = self.seen.entry((from, to, session)).or_default();
        let entry = versions
            .entry(row.row.reflector)
            .or_insert((version.0, version.1, 0));
        if (entry.0, entry.1) != version {
            *entry = (version.0, version.1, 0);
        }
        entry.2 += 1;
        if entry.2 > 1 {
            let text = format!(
                "{at}: row {version:?} of {} for the {}th time",
                row.row.reflector, entry.2
            );
            self.found.push(Violation::new("I10", text));
        }
    }

    /// How many rows arrived anywhere.
    pub const fn rows(&self) -> u64 {
        self.rows
    }
}

/// What was found so far.
pub fn check(world: &World) -> Vec<Violation> {
    world.row_tap().found.clone()
}
