//! The threads that the protocol runs on: a tokio runtime of its own, apart from the user's.
//!
//! Handlers of the user run wherever the user awaits them. A handler that computes for minutes on
//! every thread of the user's runtime therefore delays no heartbeat. Many nodes may share one
//! [`Runtime`]; they share threads and no state.

mod gate;

use std::sync::{Arc, OnceLock};

pub(crate) use gate::{Gate, Pass};

/// The protocol's own threads. Cloning shares them; they end when the last clone and the last node
/// on them are gone.
#[derive(Clone, Debug)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None` only while being dropped.
    tokio: Option<tokio::runtime::Runtime>,
    handle: tokio::runtime::Handle,
    gate: Arc<Gate>,
}

/// The threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the protocol's threads could not be started: {0}; ask for fewer, or raise the limit")]
pub struct RuntimeError(#[from] std::io::Error);

impl Runtime {
    /// A runtime with `threads` threads of its own, 1 to 64 (clamped).
    ///
    /// # Errors
    /// [`RuntimeError`] when the operating system refuses a thread.
    pub fn new(threads: usize) -> Result<Self, RuntimeError> {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.clamp(1, 64))
            .thread_name("archipelago")
            .enable_all()
            .build()?;
        let handle = tokio.handle().clone();
        Ok(Self {
            inner: Arc::new(Inner {
                tokio: Some(tokio),
                handle,
                gate: Arc::new(Gate::new()),
            }),
        })
    }

    /// The one that nodes use when none is given: made at the first call, with a thread per
    /// processor (at most 8), and kept for the life of the process.
    ///
    /// # Errors
    /// [`RuntimeError`] when the operating system refuses a thread; the next call tries again.
    pub fn shared() -> Result<Self, RuntimeError> {
        static SHARED: OnceLock<Runtime> = OnceLock::new();
        if let Some(runtime) = SHARED.get() {
            return Ok(runtime.clone());
        }
        let threads = std::thread::available_parallelism().map_or(2, |count| count.get().min(8));
        let made = Self::new(threads)?;
        Ok(SHARED.get_or_init(|| made).clone())
    }

    pub(crate) fn handle(&self) -> &tokio::runtime::Handle {
        &self.inner.handle
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.inner.gate
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last owner may be a task of another runtime, where blocking is not allowed.
        if let Some(tokio) = self.tokio.take() {
            tokio.shutdown_background();
        }
    }
}
