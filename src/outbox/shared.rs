//! A store that a task shares with the threads that work on it, and the word that all let it go.
//!
//! A thread that has begun to read cannot be called back: whoever wants the file free waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use archipelago_router::outbox::Store;
use tokio::sync::oneshot;

/// A store; it is locked while the disk works, by threads that may wait.
#[derive(Clone)]
pub(super) struct SharedStore(Arc<Inner>);

/// Fields are dropped in this order: the word goes out when the store is closed.
struct Inner {
    store: Mutex<Box<dyn Store>>,
    _closed: oneshot::Sender<()>,
}

/// Comes when the last clone of a [`SharedStore`] has gone and the store is closed.
pub(super) struct Closed(oneshot::Receiver<()>);

impl SharedStore {
    pub(super) fn new(store: Box<dyn Store>) -> (Self, Closed) {
        let (closed, is_closed) = oneshot::channel();
        let inner = Inner {
            store: Mutex::new(store),
            _closed: closed,
        };
        (Self(Arc::new(inner)), Closed(is_closed))
    }

    /// Does something with it, one at a time.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut dyn Store) -> T) -> T {
        let mut store = self.0.store.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut **store)
    }
}

impl Closed {
    pub(super) async fn wait(self) {
        // Nothing is ever sent: the end of the sender is the word.
        let _ = self.0.await;
    }
}
