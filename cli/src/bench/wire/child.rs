//! The other process, seen from the first one: started, and gone with its handle.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::WireError;
use super::serve::{Config, Served};

/// The running process. It ends when its standard input does.
#[derive(Debug)]
pub(crate) struct Serving {
    process: Child,
    stdin: ChildStdin,
    /// What it serves.
    pub(crate) served: Served,
}

impl Serving {
    /// Starts this same program as the serving process, and waits until it serves.
    pub(crate) async fn start(config: &Config) -> Result<Self, WireError> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["bench", "wire-serve"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // A terminal's Ctrl-C is for the first process alone.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(mut stdin), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(WireError::Ended);
        };
        let mut config = serde_json::to_string(config)?;
        config.push('\n');
        stdin.write_all(config.as_bytes()).await?;
        stdin.flush().await?;
        let answer = BufReader::new(stdout).lines().next_line().await?;
        let served = serde_json::from_str(&answer.ok_or(WireError::Ended)?)?;
        Ok(Self {
            process,
            stdin,
            served,
        })
    }

    /// Its process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Ends it and waits for that.
    pub(crate) async fn end(self) {
        let Self {
            mut process, stdin, ..
        } = self;
        drop(stdin);
        // If it cannot be waited for, it is killed with its handle.
        let _ = process.wait().await;
    }
}
