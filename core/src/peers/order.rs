//! In which order the peers of a table lie by their names.
//!
//! Slots that were given out in the order of names need no list to say so. In a group as it is once
//! formed these are all; only who came at another time is listed.
//! Cost: 4 bytes per peer that lies out of order.

use crate::footprint::{reserve_tight, vec_bytes};

use super::Peer;

/// All slots that are taken, by name. Who lends names lends those of all of them.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The slots below this one are all taken, and lie in the order of their names.
    ordered: u32,
    /// The others, by name.
    listed: Vec<Peer>,
}

impl Order {
    /// The slots below `count`, which lie in the order of their names.
    pub(super) const fn formed(count: u32) -> Self {
        Self {
            ordered: count,
            listed: Vec::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.ordered as usize + self.listed.len()
    }

    pub(super) const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.listed)
    }

    /// The slot whose name `compare` finds equal to the one that is sought.
    pub(super) fn find(&self, compare: impl Fn(Peer) -> std::cmp::Ordering) -> Option<Peer> {
        let below = partition(self.ordered, |slot| compare(slot).is_lt());
        let found = (below < self.ordered && compare(Peer(below)).is_eq()).then_some(Peer(below));
        found.or_else(|| {
            let place = self.listed.binary_search_by(|&peer| compare(peer)).ok()?;
            self.listed.get(place).copied()
        })
    }

    /// A slot was taken by a name that no other slot has; `compare` says how a slot's name lies to
    /// that name.
    pub(super) fn insert(&mut self, peer: Peer, compare: impl Fn(Peer) -> std::cmp::Ordering) {
        let last = self.ordered.checked_sub(1);
        let is_last = last.is_none_or(|last| compare(Peer(last)).is_lt());
        if peer.0 == self.ordered && is_last {
            self.ordered += 1;
            return;
        }
        let place = self.listed.partition_point(|&other| compare(other).is_lt());
        reserve_tight(&mut self.listed);
        self.listed.insert(place, peer);
    }

    /// A slot is to be free; `is_below` says whether a slot's name lies below its name.
    pub(super) fn remove(&mut self, peer: Peer, is_below: impl Fn(Peer, Peer) -> bool) {
        if peer.0 < self.ordered {
            // What follows it is in order no longer by its place alone.
            let rest = (peer.0 + 1..self.ordered).map(Peer);
            self.ordered = peer.0;
            let listed = std::mem::take(&mut self.listed);
            self.listed = merge(rest, listed.into_iter(), is_below).collect();
        } else {
            self.listed.retain(|&other| other != peer);
        }
    }

    /// All slots, by name.
    pub(super) fn iter(&self, is_below: impl Fn(Peer, Peer) -> bool) -> impl Iterator<Item = Peer> {
        let ordered = (0..self.ordered).map(Peer);
        merge(ordered, self.listed.iter().copied(), is_below)
    }
}

/// Two sequences that are in order, as one.
fn merge(
    left: impl Iterator<Item = Peer>,
    right: impl Iterator<Item = Peer>,
    is_below: impl Fn(Peer, Peer) -> bool,
) -> impl Iterator<Item = Peer> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some(&one), Some(&other)) if is_below(other, one) => right.next(),
        (Some(_), _) => left.next(),
        (None, _) => right.next(),
    })
}

/// The first of `count` slots of which `is_below` is not so.
fn partition(count: u32, is_below: impl Fn(Peer) -> bool) -> u32 {
    let (mut first, mut end) = (0, count);
    while first < end {
        let middle = first + (end - first) / 2;
        if is_below(Peer(middle)) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    first
}
