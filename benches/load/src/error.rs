//! Why a workload could not be measured.

/// The transport, or the measurement itself, gave up; what was measured before still counts.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A message or a call that the transport did not carry.
    #[error("{0}; look for what the other process said above")]
    Transport(Box<dyn std::error::Error + Send + Sync>),
    /// Sockets.
    #[error("sockets between the two processes: {0}; try again")]
    Io(#[from] std::io::Error),
    /// An answer to the question what was received, that is none.
    #[error("the other process said something else than it should: {0}; is it the same program?")]
    Answer(#[from] serde_json::Error),
    /// The other end is gone.
    #[error("the other process ended before it answered: look for what it said above")]
    Ended,
    /// A task of the measurement panicked or was stopped.
    #[error("a task of the measurement ended: {0}; this is a fault of the benchmark, report it")]
    Task(#[from] tokio::task::JoinError),
}

impl LoadError {
    /// What the transport said.
    pub fn transport(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Transport(error.into())
    }
}
