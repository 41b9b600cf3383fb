//! I10, F8: each version of a reflector's row goes over each session once, and once more for each
//! time that the receiver shows what it has; its list of reflectors passed never exceeds the
//! limit. So no wiring makes it circle.

use std::collections::BTreeMap;

use archipelago_core::wire::{Control, RouteBody, SessionId};
use archipelago_core::{Boot, NodeId, Time};

use super::Violation;
use crate::world::World;

/// Longest list of reflectors passed.
const CLUSTERS_MAX: usize = 32;

/// What look-ups and relays set out with.
const HOPS_MAX: u8 = 32;

/// One direction of a session: sender, receiver, the sender's end.
type Direction = (u32, u32, SessionId);

/// Counts rows as they arrive.
#[derive(Debug, Default)]
pub struct RowTap {
    directions: BTreeMap<Direction, Seen>,
    found: Vec<Violation>,
    rows: u64,
    /// Most nodes that a question or a relay had passed.
    passed_max: u8,
    lookups: u64,
}

/// What went in one direction.
#[derive(Debug, Default)]
struct Seen {
    /// How often the receiver asked.
    digests: u32,
    /// The last version of each reflector's row, and how often it was sent again.
    rows: BTreeMap<NodeId, (Boot, u64, u32)>,
}

/// A row, the request for rows, a question or a relay, as it arrived.
#[derive(Debug)]
pub(crate) struct RowSeen {
    pub(crate) time: Time,
    /// The receiver.
    pub(crate) to: u32,
    direction: Direction,
    what: Seeing,
}

#[derive(Debug)]
enum Seeing {
    /// Its reflector and version, and how many reflectors it passed.
    Row(NodeId, (Boot, u64), usize),
    /// Of the other direction, from which this one is answered.
    Digest,
    /// How many nodes it may still pass.
    Lookup(u8),
    /// Likewise.
    Relay(u8),
}

impl RowSeen {
    /// Of a control message on a session with these two ends, where it is of this concern.
    pub(crate) fn new(
        (from, to): (u32, u32),
        (ours, theirs): (SessionId, SessionId),
        message: &Control,
        time: Time,
    ) -> Option<Self> {
        let route = match message {
            Control::Route(route) => route,
            // On a detour the source names the way.
            Control::Envelope(envelope) if envelope.route.is_empty() => {
                let what = Seeing::Relay(envelope.hops);
                let direction = (from, to, ours);
                return Some(Self {
                    time,
                    to,
                    direction,
                    what,
                });
            }
            _ => return None,
        };
        let (direction, what) = match route {
            RouteBody::Row { row, clusters, .. } => {
                let row = &row.row;
                let version = (row.boot, row.seq);
                let what = Seeing::Row(row.reflector, version, clusters.len());
                ((from, to, ours), what)
            }
            RouteBody::RowDigest(_) => ((to, from, theirs), Seeing::Digest),
            RouteBody::Lookup(lookup) => ((from, to, ours), Seeing::Lookup(lookup.hops)),
            RouteBody::LookupReply(_) => return None,
        };
        Some(Self {
            time,
            to,
            direction,
            what,
        })
    }
}

impl RowTap {
    /// A row or a digest arrived.
    pub(crate) fn on_seen(&mut self, seen: &RowSeen) {
        match seen.what {
            Seeing::Row(reflector, version, passed) => {
                let (from, to, _) = seen.direction;
                let at = format!("at {} ms n{from} to n{to}", seen.time.as_micros() / 1_000);
                if passed > CLUSTERS_MAX {
                    let text = format!("{at}: a row that passed {passed} reflectors");
                    self.found.push(Violation::new("I10", text));
                }
                self.on_row(seen.direction, reflector, version, &at);
            }
            Seeing::Digest => {
                let asked = self.directions.entry(seen.direction).or_default();
                asked.digests += 1;
            }
            Seeing::Lookup(hops_left) => {
                self.lookups += 1;
                self.on_passed(hops_left);
            }
            Seeing::Relay(hops_left) => self.on_passed(hops_left),
        }
    }

    /// Most nodes that a look-up or a relay had passed when it arrived anywhere.
    pub const fn passed_max(&self) -> u8 {
        self.passed_max
    }

    /// How many look-ups arrived anywhere, each at each node that it passed.
    pub const fn lookups(&self) -> u64 {
        self.lookups
    }

    fn on_passed(&mut self, hops_left: u8) {
        let passed = HOPS_MAX.saturating_sub(hops_left);
        self.passed_max = self.passed_max.max(passed);
    }

    /// How many rows arrived anywhere.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    fn on_row(
        &mut self,
        direction: Direction,
        reflector: NodeId,
        (boot, seq): (Boot, u64),
        at: &str,
    ) {
        self.rows += 1;
        let seen = self.directions.entry(direction).or_default();
        let Some(entry) = seen.rows.get_mut(&reflector) else {
            seen.rows.insert(reflector, (boot, seq, 0));
            return;
        };
        if (entry.0, entry.1) != (boot, seq) {
            *entry = (boot, seq, 0);
            return;
        }
        entry.2 += 1;
        if entry.2 > seen.digests {
            let text = format!("{at}: row {seq} of {reflector} came again unasked");
            self.found.push(Violation::new("I10", text));
        }
    }
}

/// What was found so far.
pub fn check(world: &World) -> Vec<Violation> {
    world.row_tap().found.clone()
}
