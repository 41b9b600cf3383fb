//! How rows travel: flooding between adjacent reflectors, and the digests that repair it.
//!
//! Adjacent are reflectors of a common group with a session. Rows go to a neighbour only after its
//! first digest, which shows that it holds us for adjacent too and so will take them. Each version
//! goes to each neighbour at most once; a digest that shows, well after it was sent, that the
//! neighbour lacks it makes an exception.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{List, RouteBody, SignedRow};
use archipelago_core::{Boot, Context, NodeId, Peer, Time};

use super::table::Held;
use super::{Reflect, ReflectOutput, ReflectOutputs};

/// A neighbouring reflector.
#[derive(Debug)]
pub(super) struct Adjacent {
    pub(super) id: NodeId,
    /// It sent a digest: it takes rows from us.
    is_synced: bool,
    /// When it was last sent one.
    digest_sent_at: Time,
}

impl Reflect {
    pub(super) fn add_adjacent(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) -> bool {
        let adjacent = Adjacent {
            id: cx.peers.id(peer),
            is_synced: false,
            digest_sent_at: cx.now,
        };
        self.adjacent.insert(peer, adjacent);
        self.send_digest(peer, cx.now, out);
        if self.tick_at.is_none() {
            self.tick_at = Some(cx.now.after(cx.rng.jitter(self.config.digest_period)));
        }
        true
    }

    pub(super) fn drop_adjacent(&mut self, peer: Peer) -> bool {
        let was_adjacent = self.adjacent.remove(&peer).is_some();
        if was_adjacent {
            self.table.forget_told(peer);
        }
        was_adjacent
    }

    pub(super) fn flood_own(
        &mut self,
        row: Arc<SignedRow>,
        cx: &Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        self.table.insert(Held::new(row, List::new(), 0, cx.now));
        self.flood(self.me, None, cx, out);
    }

    pub(super) fn on_row(
        &mut self,
        from: Peer,
        row: Arc<SignedRow>,
        clusters: List<NodeId, 32>,
        age_s: u32,
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        let Some(adjacent) = self.adjacent.get_mut(&from) else {
            self.counters.strangers += 1;
            return;
        };
        // Who sends rows takes them too.
        adjacent.is_synced = true;
        if u64::from(age_s) >= self.config.expiry.as_secs() {
            self.counters.expired += 1;
        } else if row.row.reflector == self.me {
            self.on_own_row(from, &row, cx, out);
        } else if clusters.contains(&self.me) {
            self.counters.looped += 1;
        } else if !self.is_newer(&row) {
            self.counters.old += 1;
            self.note_heard(from, &row);
        } else if self.is_full_for(&row) {
            self.counters.full += 1;
        } else if row.verify(cx.crypto) {
            self.apply(from, Held::new(row, clusters, age_s, cx.now), cx, out);
        } else {
            self.on_forged(from, out);
        }
    }

    fn is_newer(&self, row: &SignedRow) -> bool {
        self.table
            .version(&row.row.reflector)
            .is_none_or(|known| known < row.version())
    }

    fn is_full_for(&self, row: &SignedRow) -> bool {
        self.is_full() && self.table.get(&row.row.reflector).is_none()
    }

    /// One place is this node's own.
    fn is_full(&self) -> bool {
        let own = usize::from(self.table.get(&self.me).is_none());
        self.table.len() + own >= self.config.rows_max.min(1_024)
    }

    /// A neighbour that sends us a version needs it no more.
    fn note_heard(&mut self, from: Peer, row: &SignedRow) {
        if let Some(held) = self.table.get_mut(&row.row.reflector)
            && held.row.version() == row.version()
        {
            held.note_told(from);
        }
    }

    /// Our own row came back. In a later number than ours it is of a past that we forgot.
    fn on_own_row(
        &mut self,
        from: Peer,
        row: &SignedRow,
        cx: &mut Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        self.counters.looped += 1;
        if row.row.boot != self.origin.boot() || row.row.seq <= self.origin.seq() {
            return;
        }
        if row.verify(cx.crypto) {
            self.origin.outbid(row.row.seq);
            self.publish(cx, out);
        } else {
            self.on_forged(from, out);
        }
    }

    fn on_forged(&mut self, from: Peer, out: &mut ReflectOutputs) {
        self.counters.forged += 1;
        out.push(ReflectOutput::Broken(from));
    }

    fn apply(&mut self, from: Peer, held: Held, cx: &Context<'_>, out: &mut ReflectOutputs) {
        self.counters.accepted += 1;
        let originator = held.row.row.reflector;
        self.table.insert(held);
        if let Some(held) = self.table.get_mut(&originator) {
            held.note_told(from);
        }
        self.on_map_change(cx.now);
        self.flood(originator, Some(from), cx, out);
    }

    /// Sends a row to every neighbour that should not have it yet.
    fn flood(
        &mut self,
        originator: NodeId,
        from: Option<Peer>,
        cx: &Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        let Some(held) = self.table.get_mut(&originator) else {
            return;
        };
        if held.clusters.len() >= self.config.clusters_max {
            self.counters.too_far += 1;
            return;
        }
        for (&peer, adjacent) in &self.adjacent {
            let heard_it_too = from.is_some_and(|from| self.groups.are_adjacent(from, peer));
            let has_it = adjacent.id == originator
                || held.clusters.contains(&adjacent.id)
                || held.was_told(peer);
            if adjacent.is_synced && !heard_it_too && !has_it {
                held.note_told(peer);
                out.push(copy(held, self.me, (peer, adjacent.id), cx.now));
            }
        }
    }

    pub(super) fn on_digest(
        &mut self,
        from: Peer,
        digest: &[(NodeId, Boot, u64)],
        cx: &Context<'_>,
        out: &mut ReflectOutputs,
    ) {
        let Some(adjacent) = self.adjacent.get_mut(&from) else {
            self.counters.strangers += 1;
            return;
        };
        let is_first = !adjacent.is_synced;
        adjacent.is_synced = true;
        let (id, sent_at) = (adjacent.id, adjacent.digest_sent_at);
        let theirs: BTreeMap<NodeId, (Boot, u64)> = digest
            .iter()
            .map(|&(originator, boot, seq)| (originator, (boot, seq)))
            .collect();
        self.send_lacking(from, id, &theirs, cx.now, out);
        // Answers are spaced, or two digests would answer each other for ever.
        let is_spaced = |spacing| sent_at.after(spacing) <= cx.now;
        let is_stale = is_spaced(self.config.digest_period / 2);
        let may_ask = is_spaced(Duration::from_secs(1));
        if is_first || is_stale || (may_ask && self.lacks_any(&theirs)) {
            self.send_digest(from, cx.now, out);
        }
    }

    fn send_lacking(
        &mut self,
        to: Peer,
        id: NodeId,
        theirs: &BTreeMap<NodeId, (Boot, u64)>,
        now: Time,
        out: &mut ReflectOutputs,
    ) {
        let lacking: Vec<NodeId> = self
            .table
            .iter()
            .filter(|&(originator, held)| {
                let has_it = theirs
                    .get(originator)
                    .is_some_and(|v| *v >= held.row.version());
                let in_flight =
                    held.was_told(to) && now < held.heard_at.after(self.config.repair_after);
                let may_go_on = held.clusters.len() < self.config.clusters_max;
                let is_alive = u64::from(held.age_s(now)) < self.config.expiry.as_secs();
                *originator != id && !has_it && !in_flight && may_go_on && is_alive
            })
            .map(|(&originator, _)| originator)
            .collect();
        for originator in lacking {
            if let Some(held) = self.table.get_mut(&originator) {
                held.note_told(to);
                out.push(copy(held, self.me, (to, id), now));
            }
        }
    }

    fn lacks_any(&self, theirs: &BTreeMap<NodeId, (Boot, u64)>) -> bool {
        theirs.iter().any(|(originator, version)| {
            *originator != self.me
                && match self.table.version(originator) {
                    Some(known) => known < *version,
                    None => !self.is_full(),
                }
        })
    }

    fn send_digest(&mut self, to: Peer, now: Time, out: &mut ReflectOutputs) {
        if let Some(adjacent) = self.adjacent.get_mut(&to) {
            adjacent.digest_sent_at = now;
            let body = RouteBody::RowDigest(self.table.digest());
            out.push(ReflectOutput::Send { to, body });
        }
    }

    /// Drops what is too old and compares with the next neighbour in turn.
    pub(super) fn on_tick(&mut self, cx: &mut Context<'_>, out: &mut ReflectOutputs) {
        if self.table.expire(&self.me, self.config.expiry, cx.now) {
            self.on_map_change(cx.now);
        }
        let after = self.adjacent.range((
            std::ops::Bound::Excluded(self.digested),
            std::ops::Bound::Unbounded,
        ));
        let next = after
            .chain(self.adjacent.iter())
            .next()
            .map(|(&peer, _)| peer);
        if let Some(peer) = next {
            self.digested = peer;
            self.send_digest(peer, cx.now, out);
        }
        let is_idle = self.adjacent.is_empty() && self.table.len() == 0;
        let period = cx.rng.jitter(self.config.digest_period);
        self.tick_at = (!is_idle).then(|| cx.now.after(period));
    }
}

/// The copy of a row that a neighbour is sent: this reflector is on its list now. A neighbour that
/// is sent what it had and lost comes off the list, or it would take the copy for a loop.
fn copy(held: &Held, me: NodeId, (to, to_id): (Peer, NodeId), now: Time) -> ReflectOutput {
    let is_origin = held.row.row.reflector == me;
    let passed = held.clusters.iter().copied().filter(|id| *id != to_id);
    let body = RouteBody::Row {
        row: Arc::clone(&held.row),
        clusters: List::truncated(passed.chain((!is_origin).then_some(me))),
        age_s: held.age_s(now),
    };
    ReflectOutput::Send { to, body }
}
