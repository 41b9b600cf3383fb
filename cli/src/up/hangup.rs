//! SIGHUP: "read your files anew", unless the terminal is gone.
//!
//! A terminal that closes sends the same signal to those who run in it, as does the far end of
//! `ssh -tt`. Who ran in one and does no more is meant to end.

use std::io::IsTerminal;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::UpError;

/// Waits for the signal; from its making on, the signal does not end the process.
#[derive(Debug)]
pub(super) struct Hangup {
    signal: Signal,
    had_terminal: bool,
}

impl Hangup {
    pub(super) fn new() -> Result<Self, UpError> {
        let signal = signal(SignalKind::hangup()).map_err(UpError::Signal)?;
        let had_terminal = std::io::stdin().is_terminal();
        Ok(Self {
            signal,
            had_terminal,
        })
    }

    /// The next one; whether it says that the terminal is gone. Cancel safe.
    pub(super) async fn recv(&mut self) -> bool {
        self.signal.recv().await;
        self.had_terminal && !std::io::stdin().is_terminal()
    }
}
