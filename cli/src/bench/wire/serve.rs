//! The other process: a node and a bare listener, until its standard input ends.

use std::io::{BufRead, Write};
use std::net::SocketAddr;

use archipelago::{GroupSpec, Node, Pid};
use archipelago_load::{ours, raw};
use serde::{Deserialize, Serialize};

use super::WireError;
use super::threads::Threads;
use super::transport::Transport;

/// The group of the two nodes.
pub(crate) const GROUP: &str = "wire";

/// What it is told, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) realm: String,
    pub(crate) seeds: Vec<String>,
    pub(crate) transport: Transport,
    pub(crate) threads: Threads,
}

/// What it answers when it serves, as another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Served {
    /// Takes messages.
    pub(crate) sink: Pid,
    /// Answers calls.
    pub(crate) echo: Pid,
    /// Takes bare connections.
    pub(crate) raw: SocketAddr,
}

/// Runs the node of the other process.
pub(crate) async fn run() -> Result<(), WireError> {
    let mut lines = std::io::stdin().lock().lines();
    let line = lines.next().ok_or(WireError::NoConfig)??;
    let config: Config = serde_json::from_str(&line)?;
    let seeds = config.seeds.iter().map(String::as_str);
    let group = seeds.fold(GroupSpec::open(GROUP), GroupSpec::seed);
    let node = Node::builder("served").realm(&config.realm).group(group);
    let node = config.threads.of(config.transport.of(node))?;
    let node = node.start().await?;
    node.wait_members(GROUP, 2).await?;
    let (sink, echo) = ours::serve(&node).await?;
    let raw = raw::serve().await?;
    let served = serde_json::to_string(&Served { sink, echo, raw })?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{served}")?;
    stdout.flush()?;
    // Blocking reads are harmless here: what is served runs on other threads.
    for line in lines {
        line?;
    }
    node.kill();
    Ok(())
}
