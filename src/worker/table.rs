//! The workers of one node that run, by their mailboxes: for those who kill.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use archipelago_core::LocalId;
use tokio::task::AbortHandle;

/// The workers of one node.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// `None` while it is being started.
    running: HashMap<LocalId, Option<AbortHandle>>,
    is_closed: bool,
}

impl Workers {
    /// Starts a worker; it may end while it is being started. Killed at once on a stopped node.
    pub(super) fn start(&self, local: LocalId, spawn: impl FnOnce() -> AbortHandle) {
        {
            let mut inner = self.lock();
            if !inner.is_closed {
                inner.running.insert(local, None);
            }
        }
        // Not under the lock: threads that have ended drop the task, which comes back here.
        let task = spawn();
        match self.lock().running.get_mut(&local) {
            Some(running) => *running = Some(task),
            // It has ended already, or its node has.
            None => task.abort(),
        }
    }

    pub(super) fn kill(&self, local: LocalId) {
        let running = self.lock().running.get(&local).cloned();
        if let Some(task) = running.flatten() {
            task.abort();
        }
    }

    /// It has ended.
    pub(super) fn end(&self, local: LocalId) {
        self.lock().running.remove(&local);
    }

    /// The node has stopped: kills all.
    pub(crate) fn clear(&self) {
        let running = {
            let mut inner = self.lock();
            inner.is_closed = true;
            std::mem::take(&mut inner.running)
        };
        for task in running.into_values().flatten() {
            task.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
