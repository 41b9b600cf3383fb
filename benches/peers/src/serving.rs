//! The other process of a peer: started, told of by one line, gone with its standard input.

use std::io::{BufRead, Write};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Failure;
use crate::peer::Peer;
use crate::transport;

/// The running process.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
    /// Where it is reached, in the peer's own terms.
    pub(crate) address: String,
}

impl Serving {
    /// Starts this same program once more, and waits until it serves.
    pub(crate) async fn start(peer: Peer) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--serve", peer.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let address = line.ok_or("it ended before it served; see what it said above")?;
        Ok(Self { child, address })
    }

    /// Ends it.
    pub(crate) async fn end(mut self) {
        drop(self.child.stdin.take());
        // Whoever does not end by itself is ended with its handle.
        let wait = std::time::Duration::from_secs(3);
        let _ = tokio::time::timeout(wait, self.child.wait()).await;
    }
}

/// Serves one peer until standard input ends.
pub(crate) async fn serve(peer: Peer) -> Result<(), Failure> {
    let served = transport::serve(peer).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", served.address)?;
    stdout.flush()?;
    // Blocking reads are harmless here: what is served runs on other threads.
    for line in std::io::stdin().lock().lines() {
        line?;
    }
    drop(served);
    // Some peers keep threads of their own that never end.
    std::process::exit(0);
}
