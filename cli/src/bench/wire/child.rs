//! The other process, seen from the first one: started, and gone with its handle.

use super::WireError;
use super::serve::{Config, Served};
use crate::live::process::Process;

/// The running process. It ends when its standard input does.
#[derive(Debug)]
pub(crate) struct Serving {
    process: Process,
    /// What it serves.
    pub(crate) served: Served,
}

impl Serving {
    /// Starts this same program as the serving process, and waits until it serves.
    pub(crate) async fn start(config: &Config) -> Result<Self, WireError> {
        let mut process = Process::start(&["bench", "wire-serve"])?;
        let served = process.ask(config).await?;
        Ok(Self { process, served })
    }

    /// Its process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends it and waits for that.
    pub(crate) async fn end(self) {
        self.process.end().await;
    }
}
