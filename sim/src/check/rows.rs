//! I10, F8: each version of a reflector's row goes over each session once, and once more for each
//! time that the receiver shows what it has; its list of reflectors passed never exceeds the
//! limit. So no wiring makes it circle.

use std::collections::BTreeMap;

use archipelago_core::wire::{Control, RouteBody, Row, SessionId};
use archipelago_core::{Boot, NodeId, Time};

use super::Violation;
use crate::world::World;

/// Longest list of reflectors passed.
const CLUSTERS_MAX: usize = 32;

/// One direction of a session: sender, receiver, the sender's end.
type Direction = (u32, u32, SessionId);

/// Counts rows as they arrive.
#[derive(Debug, Default)]
pub struct RowTap {
    directions: BTreeMap<Direction, Seen>,
    found: Vec<Violation>,
    rows: u64,
}

/// What went in one direction.
#[derive(Debug, Default)]
struct Seen {
    /// How often the receiver asked.
    digests: u32,
    /// The last version of each reflector's row, and how often it was sent again.
    rows: BTreeMap<NodeId, (Boot, u64, u32)>,
}

impl RowTap {
    /// A control message arrived, on a session with these two ends.
    pub(crate) fn on_message(
        &mut self,
        (from, to): (u32, u32),
        (ours, theirs): (SessionId, SessionId),
        message: &Control,
        now: Time,
    ) {
        match message {
            Control::Route(RouteBody::Row { row, clusters, .. }) => {
                let at = format!("at {} ms n{from} to n{to}", now.as_micros() / 1_000);
                if clusters.len() > CLUSTERS_MAX {
                    let text = format!("{at}: a row that passed {} reflectors", clusters.len());
                    self.found.push(Violation::new("I10", text));
                }
                self.on_row((from, to, ours), &row.row, &at);
            }
            Control::Route(RouteBody::RowDigest(_)) => {
                let asked = self.directions.entry((to, from, theirs)).or_default();
                asked.digests += 1;
            }
            _ => {}
        }
    }

    /// How many rows arrived anywhere.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    fn on_row(&mut self, direction: Direction, row: &Row, at: &str) {
        self.rows += 1;
        let seen = self.directions.entry(direction).or_default();
        let Some(entry) = seen.rows.get_mut(&row.reflector) else {
            seen.rows.insert(row.reflector, (row.boot, row.seq, 0));
            return;
        };
        if (entry.0, entry.1) != (row.boot, row.seq) {
            *entry = (row.boot, row.seq, 0);
            return;
        }
        entry.2 += 1;
        if entry.2 > seen.digests {
            let text = format!(
                "{at}: row {} of {} came again unasked",
                row.seq, row.reflector
            );
            self.found.push(Violation::new("I10", text));
        }
    }
}

/// What was found so far.
pub fn check(world: &World) -> Vec<Violation> {
    world.row_tap().found.clone()
}
