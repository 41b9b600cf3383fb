//! How far each thread of a run has come, for the others to read.

use std::sync::atomic::{AtomicU64, Ordering};

use super::barrier::Barrier;

/// The count of windows that one thread has finished, alone on its lines of cache.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Finished(AtomicU64);

impl Finished {
    /// All windows before `end` are done, and what others need of them was handed over.
    pub(super) fn set(&self, end: u64) {
        self.0.store(end, Ordering::Release);
    }

    /// Waits until all windows before `end` are done; how many are, or `None` when a thread panicked.
    pub(super) fn wait_for(&self, end: u64, barrier: &Barrier) -> Option<u64> {
        let is_done = || self.0.load(Ordering::Acquire) >= end;
        (is_done() || barrier.spin_until(is_done)).then(|| self.0.load(Ordering::Acquire))
    }
}
