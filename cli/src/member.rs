//! One node as a process of its own, so that it can really be stopped.
//!
//! The demo starts this program again with the hidden command `member`, writes one line of JSON
//! with the configuration to its standard input, and reads one line when it has joined. Each
//! further line asks for its session count. It ends when its standard input does, so that it
//! never outlives the demo.

use std::io::{BufRead, Write};
use std::time::Duration;

use archipelago::Node;
use serde::{Deserialize, Serialize};

use crate::live::spec::Told;

/// What the child is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberConfig {
    pub(crate) name: String,
    pub(crate) realm: String,
    pub(crate) idle_timeout_ms: u64,
    pub(crate) groups: Vec<Told>,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemberStatus {
    pub(crate) node: [u8; 32],
    pub(crate) address: String,
    pub(crate) sessions: usize,
}

/// Why the child could not do its part; shown by the demo.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemberError {
    #[error("no configuration on standard input: this command is for the demo itself")]
    NoConfig,
    #[error("the configuration on standard input cannot be read: {0}")]
    Config(#[from] serde_json::Error),
    #[error(transparent)]
    Start(#[from] archipelago::StartError),
    #[error("standard input or output: {0}")]
    Pipe(#[from] std::io::Error),
}

/// Runs the member until its standard input ends.
pub(crate) async fn run() -> Result<(), MemberError> {
    let mut lines = std::io::stdin().lock().lines();
    let line = lines.next().ok_or(MemberError::NoConfig)??;
    let node = start(serde_json::from_str(&line)?).await?;
    answer(&node)?;
    // Blocking reads are harmless here: the protocol runs on threads of its own.
    for line in lines {
        line?;
        answer(&node)?;
    }
    node.kill();
    Ok(())
}

async fn start(config: MemberConfig) -> Result<Node, MemberError> {
    let mut builder = Node::builder(&config.name)
        .realm(&config.realm)
        .idle_timeout(Duration::from_millis(config.idle_timeout_ms));
    for group in config.groups {
        builder = builder.group(group.into());
    }
    Ok(builder.start().await?)
}

fn answer(node: &Node) -> Result<(), MemberError> {
    let status = MemberStatus {
        node: node.id().0,
        address: node.addresses()[0].0.to_string(),
        sessions: node.sessions().len(),
    };
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, &status)?;
    stdout.write_all(b"\n")?;
    stdout.flush()?;
    Ok(())
}
