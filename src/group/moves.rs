//! In which group this node is instead of one that it was in: groups that keep themselves in size
//! move their members, whose handles stay.
//!
//! Cost: one atomic read where nothing ever moved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use archipelago_core::GroupId;

/// Groups that this node left for another.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    next: OnceLock<RwLock<BTreeMap<GroupId, GroupId>>>,
    are_possible: AtomicBool,
}

impl Moves {
    /// As they were kept over a restart.
    pub(crate) fn kept(moved: &[(GroupId, GroupId)]) -> Self {
        let moves = Self::default();
        for &(from, to) in moved {
            moves.note(from, to);
        }
        moves
    }

    /// One of the node's groups keeps itself in size, or did.
    pub(crate) fn expect(&self) {
        self.are_possible.store(true, Ordering::Relaxed);
    }

    /// Whether any does.
    pub(crate) fn are_possible(&self) -> bool {
        self.are_possible.load(Ordering::Relaxed)
    }

    /// This node is in `to` instead of `from`.
    pub(crate) fn note(&self, from: GroupId, to: GroupId) {
        self.expect();
        let next = self.next.get_or_init(RwLock::default);
        let mut next = next.write().unwrap_or_else(PoisonError::into_inner);
        // It may come back: without this the way would be a circle.
        next.remove(&to);
        next.insert(from, to);
    }

    /// The group that this node is in instead of `group`; that one itself where it did not move.
    pub(crate) fn present(&self, group: GroupId) -> GroupId {
        let Some(next) = self.next.get() else {
            return group;
        };
        let next = next.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = group;
        while let Some(&to) = next.get(&found) {
            found = to;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_ends_in_the_last_group_and_never_in_a_circle() {
        let [a, b, c, d] = [1, 2, 3, 4].map(|number| GroupId([number; 16]));
        let moves = Moves::kept(&[(a, b), (b, c)]);
        assert_eq!([a, b, c, d].map(|it| moves.present(it)), [c, c, c, d]);
        moves.note(c, a);
        assert_eq!([a, b, c].map(|it| moves.present(it)), [a, a, a]);
        assert_eq!(Moves::default().present(a), a);
    }
}
