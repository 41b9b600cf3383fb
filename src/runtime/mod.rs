//! The threads that the protocol runs on: a tokio runtime of its own, apart from the user's.
//!
//! Handlers of the user run wherever the user awaits them. A handler that computes for minutes on
//! every thread of the user's runtime therefore delays no heartbeat. Many nodes may share one
//! [`Runtime`]; they share threads and no state. Who would rather have the shortest round trips, and
//! never computes for long, gives nodes the threads that the rest of the program runs on
//! ([`Runtime::current`]).

mod gate;

use std::sync::{Arc, OnceLock};

pub(crate) use gate::{Gate, Pass};

/// The threads that nodes run on. Cloning shares them; threads of the protocol's own end when the
/// last clone and the last node on them are gone.
#[derive(Clone, Debug)]
pub struct Runtime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None` if it is somebody else's, and while being dropped.
    tokio: Option<tokio::runtime::Runtime>,
    handle: tokio::runtime::Handle,
    gate: Arc<Gate>,
}

/// There are no threads to run on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// They could not be started.
    #[error("the protocol's threads could not be started: {0}; ask for fewer, or raise the limit")]
    Threads(#[from] std::io::Error),
    /// There is no tokio runtime here.
    #[error("no tokio runtime runs this: call it in one, or take `Runtime::shared`")]
    NoExecutor,
}

impl Runtime {
    /// A runtime with `threads` threads of its own, 1 to 64 (clamped).
    ///
    /// # Errors
    /// [`RuntimeError::Threads`] when the operating system refuses a thread.
    pub fn new(threads: usize) -> Result<Self, RuntimeError> {
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.clamp(1, 64))
            .thread_name("archipelago")
            .enable_all()
            .build()?;
        let handle = tokio.handle().clone();
        Ok(Self::of(Some(tokio), handle))
    }

    /// The tokio runtime that this is called on, for nodes and the program together. It needs its
    /// timers and sockets enabled (`enable_all`), or nodes on it do not start.
    ///
    /// A message then passes between no threads on its way from a socket to the task that waits for
    /// it, nor from there to the wire. But whoever computes on these threads for longer than some
    /// 100 ms delays this node's heartbeats, for seconds makes it look dead, and when the runtime
    /// ends its nodes are gone as if killed. Each call makes a [`Runtime`] of its own, which paces
    /// its own handshakes: give one to all nodes of a process.
    ///
    /// # Errors
    /// [`RuntimeError::NoExecutor`] outside of a tokio runtime.
    pub fn current() -> Result<Self, RuntimeError> {
        let handle = tokio::runtime::Handle::try_current();
        let handle = handle.map_err(|_| RuntimeError::NoExecutor)?;
        Ok(Self::of(None, handle))
    }

    fn of(tokio: Option<tokio::runtime::Runtime>, handle: tokio::runtime::Handle) -> Self {
        Self {
            inner: Arc::new(Inner {
                tokio,
                handle,
                gate: Arc::new(Gate::new()),
            }),
        }
    }

    /// The one that nodes use when none is given: made at the first call, with a thread per
    /// processor (at most 8), and kept for the life of the process.
    ///
    /// # Errors
    /// [`RuntimeError::Threads`] when the operating system refuses a thread; the next call tries again.
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
