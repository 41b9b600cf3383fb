//! Hashes of the view as it was a moment ago: who still has one of them is late, not different.
//!
//! At most 64, and none longer than its use: a hash that was mine long ago is a difference like
//! any other (memberships can come back to what they were). Empty at rest.

use std::collections::VecDeque;
use std::time::Duration;

use archipelago_core::Time;

const LEN_MAX: usize = 64;

/// Replaced hashes, oldest first, with the time of their replacement.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<(Time, u32)>);

impl History {
    pub(super) fn push(&mut self, hash: u32, now: Time) {
        if self.0.len() == LEN_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, hash));
    }

    /// Whether `hash` was replaced lately; call [`Self::trim`] before.
    pub(super) fn contains(&self, hash: u32) -> bool {
        self.0.iter().any(|&(_, known)| known == hash)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(Time, u32)>()
    }

    /// Forgets what was replaced longer than `age_max` ago.
    pub(super) fn trim(&mut self, now: Time, age_max: Duration) {
        if self.0.is_empty() {
            return;
        }
        while self
            .0
            .front()
            .is_some_and(|&(at, _)| now.since(at) > age_max)
        {
            self.0.pop_front();
        }
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }
}
