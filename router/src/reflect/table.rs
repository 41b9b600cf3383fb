//! The rows that this reflector holds, its own among them.
//!
//! One per originator, newer-only by (boot, seq); each ages from when its originator signed it and
//! is dropped at its expiry, so that rows of the dead run out everywhere at about the same time.
//! Withdrawn rows stay until then, or older copies would come back.
//! Cost: one shared row, and 4 bytes per neighbour that it was told to; O(log rows) reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::footprint::{map_bytes, vec_bytes};
use archipelago_core::wire::{List, RowGroup, SignedRow};
use archipelago_core::{Boot, NodeId, Peer, Time};

use super::groups::set;

/// One row as it was heard.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) row: Arc<SignedRow>,
    /// The reflectors that this copy had passed.
    pub(super) clusters: List<NodeId, 32>,
    /// When it was heard here.
    pub(super) heard_at: Time,
    /// How old it was then.
    age_at_heard: Duration,
    /// Neighbours that sent us this version or were sent it, sorted.
    told: Vec<Peer>,
}

impl Held {
    /// What is held of a row that is `age_s` seconds old at `now`.
    pub(super) fn new(
        row: Arc<SignedRow>,
        clusters: List<NodeId, 32>,
        age_s: u32,
        now: Time,
    ) -> Self {
        Self {
            row,
            clusters,
            heard_at: now,
            age_at_heard: Duration::from_secs(u64::from(age_s)),
            told: Vec::new(),
        }
    }

    /// Since its originator signed it, in seconds rounded up: no copy grows younger on its way.
    pub(super) fn age_s(&self, now: Time) -> u32 {
        let age = self.age(now);
        let rounded = age.as_secs() + u64::from(age.subsec_nanos() > 0);
        u32::try_from(rounded).unwrap_or(u32::MAX)
    }

    fn age(&self, now: Time) -> Duration {
        now.since(self.heard_at).saturating_add(self.age_at_heard)
    }

    pub(super) fn was_told(&self, peer: Peer) -> bool {
        self.told.binary_search(&peer).is_ok()
    }

    pub(super) fn note_told(&mut self, peer: Peer) {
        set(&mut self.told, peer, true);
    }
}

/// All of them, by originator.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<NodeId, Held>,
}

impl Table {
    pub(super) fn heap_bytes(&self) -> usize {
        let held = self.rows.values();
        let told: usize = held.map(|held| vec_bytes(&held.told)).sum();
        map_bytes(&self.rows) + told
    }

    pub(super) fn get(&self, originator: &NodeId) -> Option<&Held> {
        self.rows.get(originator)
    }

    pub(super) fn get_mut(&mut self, originator: &NodeId) -> Option<&mut Held> {
        self.rows.get_mut(originator)
    }

    /// The groups that a row names.
    pub(super) fn groups(&self, originator: &NodeId) -> &[RowGroup] {
        match self.rows.get(originator) {
            Some(held) => &held.row.row.groups,
            None => &[],
        }
    }

    pub(super) fn version(&self, originator: &NodeId) -> Option<(Boot, u64)> {
        self.rows.get(originator).map(|held| held.row.version())
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn insert(&mut self, held: Held) {
        self.rows.insert(held.row.row.reflector, held);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Held)> {
        self.rows.iter()
    }

    /// The versions of all rows, by originator.
    pub(super) fn digest(&self) -> List<(NodeId, Boot, u64), 1_024> {
        List::truncated(self.rows.iter().map(|(&originator, held)| {
            let (boot, seq) = held.row.version();
            (originator, boot, seq)
        }))
    }

    /// Drops what is `expiry` old but the row of `me`; `true` if there was any.
    pub(super) fn expire(&mut self, me: &NodeId, expiry: Duration, now: Time) -> bool {
        let before = self.rows.len();
        self.rows
            .retain(|originator, held| originator == me || held.age(now) < expiry);
        self.rows.len() != before
    }

    /// A neighbour is gone: when it returns it is told everything that it lacks.
    pub(super) fn forget_told(&mut self, peer: Peer) {
        for held in self.rows.values_mut() {
            set(&mut held.told, peer, false);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }
}
