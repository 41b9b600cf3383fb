//! A map from slots of peers to small values, of which neighbours mostly have the same.
//!
//! Nodes that joined one group have neighbouring slots, and at rest a group says the same of all its
//! members. So a run of slots with one value is one row: fifty members that were started together
//! and stand alike take one, and where every value differs each takes a row of its own.
//!
//! It keeps to one form for one content: no two runs that touch have the same value.
//! Cost: 8 bytes and a value per run, an eighth of them spare at most; look-up O(log runs), a change
//! O(runs).

use std::ops::RangeInclusive;

use crate::Peer;
use crate::ahead;
use crate::footprint::{reserve_tight, vec_bytes};

/// A value for each of some slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs<T> {
    /// Ordered by slot; none is empty, and none overlap.
    rows: Vec<Run<T>>,
}

/// The slots from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run<T> {
    first: u32,
    last: u32,
    value: T,
}

impl<T> Runs<T> {
    /// No slots.
    pub const fn new() -> Self {
        Self { rows: Vec::new() }
    }

    /// How many slots have a value. O(runs).
    pub fn len(&self) -> usize {
        self.rows.iter().map(|run| run.slots().count()).sum()
    }

    /// Whether no slot has a value.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What it holds on the heap.
    pub const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.rows)
    }

    /// Has the first rows, which are all that there are at rest, fetched from memory.
    pub fn foresee(&self) {
        ahead::fetch_at(&self.rows, 0);
    }
}

impl<T: Copy + PartialEq> Runs<T> {
    /// The value of `peer`.
    pub fn get(&self, peer: Peer) -> Option<T> {
        let run = self.rows.get(self.place(peer)?)?;
        Some(run.value)
    }

    /// Slots and their values, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (Peer, T)> {
        self.rows
            .iter()
            .flat_map(|run| run.slots().map(|slot| (Peer(slot), run.value)))
    }

    /// Gives `peer` a value, whatever it had before.
    pub fn insert(&mut self, peer: Peer, value: T) {
        if self.get(peer) == Some(value) {
            return;
        }
        self.remove(peer);
        let next = self.rows.partition_point(|run| run.first < peer.0);
        let joins_before = next
            .checked_sub(1)
            .filter(|&before| self.joins(before, value, |run| run.last.checked_add(1), peer));
        let joins_next = self.joins(next, value, |run| run.first.checked_sub(1), peer);
        match (joins_before, joins_next) {
            (Some(before), true) => {
                self.rows[before].last = self.rows[next].last;
                self.rows.remove(next);
            }
            (Some(before), false) => self.rows[before].last = peer.0,
            (None, true) => self.rows[next].first = peer.0,
            (None, false) => self.insert_row(next, peer.0..=peer.0, value),
        }
    }

    /// Takes the value of `peer` away and returns it.
    pub fn remove(&mut self, peer: Peer) -> Option<T> {
        let place = self.place(peer)?;
        let Run { first, last, value } = self.rows[place];
        match (first == peer.0, last == peer.0) {
            (true, true) => {
                self.rows.remove(place);
            }
            (true, false) => self.rows[place].first += 1,
            (false, true) => self.rows[place].last -= 1,
            (false, false) => {
                self.rows[place].last = peer.0 - 1;
                self.insert_row(place + 1, peer.0 + 1..=last, value);
            }
        }
        Some(value)
    }

    /// Where the run lies that holds `peer`.
    fn place(&self, peer: Peer) -> Option<usize> {
        let next = self.rows.partition_point(|run| run.first <= peer.0);
        let place = next.checked_sub(1)?;
        (self.rows[place].last >= peer.0).then_some(place)
    }

    /// Whether the run there has this value, and `peer` is next to it.
    fn joins(
        &self,
        place: usize,
        value: T,
        neighbour: impl Fn(&Run<T>) -> Option<u32>,
        peer: Peer,
    ) -> bool {
        let run = self.rows.get(place);
        run.is_some_and(|run| run.value == value && neighbour(run) == Some(peer.0))
    }

    fn insert_row(&mut self, place: usize, slots: RangeInclusive<u32>, value: T) {
        let (first, last) = slots.into_inner();
        reserve_tight(&mut self.rows);
        self.rows.insert(place, Run { first, last, value });
    }
}

impl<T> Run<T> {
    const fn slots(&self) -> RangeInclusive<u32> {
        self.first..=self.last
    }
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + PartialEq> FromIterator<(Peer, T)> for Runs<T> {
    /// In whatever order; of two values of one slot the later counts. No room to spare.
    fn from_iter<I: IntoIterator<Item = (Peer, T)>>(values: I) -> Self {
        let mut runs = Self::new();
        for (peer, value) in values {
            runs.insert(peer, value);
        }
        runs.rows.shrink_to_fit();
        runs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn any_slot() -> impl Strategy<Value = u32> {
        prop_oneof![0u32..12, Just(u32::MAX - 1), Just(u32::MAX)]
    }

    proptest! {
        /// Against a map; and whatever the way there, touching runs of one value are one.
        #[test]
        fn holds_what_was_put_last_in_as_few_runs_as_it_takes(
            steps in prop::collection::vec((any_slot(), prop::option::of(0u8..3)), 0..60),
        ) {
            let mut runs = Runs::new();
            let mut model = BTreeMap::new();
            for (slot, value) in steps {
                let peer = Peer(slot);
                match value {
                    Some(value) => {
                        runs.insert(peer, value);
                        model.insert(peer, value);
                    }
                    None => prop_assert_eq!(runs.remove(peer), model.remove(&peer)),
                }
                prop_assert_eq!(runs.get(peer), value);
                let all: Vec<(Peer, u8)> = runs.iter().collect();
                prop_assert_eq!(&all, &model.iter().map(|(&p, &v)| (p, v)).collect::<Vec<_>>());
                prop_assert_eq!((runs.len(), runs.is_empty()), (model.len(), model.is_empty()));
                let fewest = all.windows(2).filter(|two| {
                    two[0].1 != two[1].1 || two[0].0.0.checked_add(1) != Some(two[1].0.0)
                });
                let fewest = fewest.count() + usize::from(!all.is_empty());
                prop_assert_eq!(runs.rows.len(), fewest);
            }
        }
    }

    #[test]
    fn members_that_stand_alike_take_one_row() {
        let runs: Runs<u64> = (0..1_000).map(|slot| (Peer(slot), 7)).collect();
        assert_eq!(runs.heap_bytes(), 16);
    }
}
