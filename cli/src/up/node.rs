//! One node of a cluster as a process of its own: `archipelago node FILE`.
//!
//! It reads what it is told, runs until SIGTERM, and then leaves its groups in good order. It never
//! looks at whoever started it.

use std::path::{Path, PathBuf};

use archipelago::{GroupSpec, Node};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use super::UpError;

/// What a node is told.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeConfig {
    pub(super) name: String,
    pub(super) realm: String,
    pub(super) listen: String,
    pub(super) key_file: PathBuf,
    pub(super) is_reflector: bool,
    pub(super) groups: Vec<NodeGroup>,
}

/// One of its groups.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeGroup {
    pub(super) name: String,
    pub(super) cookie: Option<String>,
    pub(super) seeds: Vec<String>,
    pub(super) tier: u8,
    pub(super) reflectors: u8,
    pub(super) parents: Vec<Self>,
}

impl NodeGroup {
    fn spec(&self) -> GroupSpec {
        let spec = match &self.cookie {
            Some(cookie) => GroupSpec::with_cookie(&self.name, cookie),
            None => GroupSpec::open(&self.name),
        };
        let seeds = self.seeds.iter();
        let spec = seeds.fold(spec, |spec, seed| spec.seed(seed.as_str()));
        let spec = spec.tier(self.tier);
        if self.parents.is_empty() {
            return spec;
        }
        let parents = self.parents.iter().map(Self::spec);
        parents.fold(spec.reflectors(self.reflectors), GroupSpec::parent)
    }
}

/// Runs the node that the file describes until it is asked to end.
pub(super) async fn run(path: &Path) -> Result<(), UpError> {
    // Before anything else, so that no signal finds the process without a handler.
    let mut asked = signal(SignalKind::terminate()).map_err(UpError::Signal)?;
    let node = start(path).await?;
    asked.recv().await;
    node.shutdown().await;
    Ok(())
}

async fn start(path: &Path) -> Result<Node, UpError> {
    let failed = |error| UpError::file(path, error);
    let bytes = std::fs::read(path).map_err(failed)?;
    let config: NodeConfig =
        serde_json::from_slice(&bytes).map_err(|error| failed(std::io::Error::other(error)))?;
    let mut builder = Node::builder(&config.name)
        .realm(&config.realm)
        .listen(&config.listen)
        .key_file(&config.key_file);
    if config.is_reflector {
        builder = builder.reflector();
    }
    for group in &config.groups {
        builder = builder.group(group.spec());
    }
    Ok(builder.start().await?)
}
