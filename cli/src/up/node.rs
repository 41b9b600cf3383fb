//! One node of a cluster as a process of its own: `archipelago node FILE`.
//!
//! It reads what it is told, reads it again at SIGHUP ([`super::retold`]), runs until SIGTERM, and
//! then leaves its groups in good order. It never looks at whoever started it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use archipelago::{GroupSpec, Node, Sizing, Value};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use super::UpError;
use super::hangup::Hangup;
use super::retold::Retold;
use crate::cluster::KeptAt;

/// What a node is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeConfig {
    /// Counted up each time that it is told anew; its answer names it.
    #[serde(default)]
    pub(super) version: u64,
    pub(super) name: String,
    pub(super) realm: String,
    pub(super) listen: String,
    pub(super) key_file: PathBuf,
    /// Groups that it enters while it runs.
    #[serde(default)]
    pub(super) groups_file: Option<PathBuf>,
    pub(super) is_reflector: bool,
    pub(super) groups: Vec<NodeGroup>,
    /// What it says of itself in its groups; taken at a start only.
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

/// One of its groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeGroup {
    pub(super) name: String,
    pub(super) cookie: Option<String>,
    pub(super) seeds: Vec<String>,
    pub(super) tier: u8,
    pub(super) reflectors: u8,
    pub(super) parents: Vec<Self>,
    /// What its members keep it at.
    #[serde(default)]
    pub(super) kept_at: Option<KeptAt>,
}

impl NodeConfig {
    /// As the file says that a node is told by.
    pub(super) fn read(path: &Path) -> Result<Self, UpError> {
        let failed = |error| UpError::file(path, error);
        let bytes = std::fs::read(path).map_err(failed)?;
        serde_json::from_slice(&bytes).map_err(|error| failed(std::io::Error::other(error)))
    }

    /// Whether it names a group, as the node's own or as a parent.
    pub(super) fn names(&self, group: &str) -> bool {
        self.groups.iter().any(|one| one.names(group))
    }

    /// What a running node goes by: not the version, and not whom to ask for admission, which is
    /// others' standing at the time.
    pub(super) fn substance(&self) -> Self {
        let groups = self.groups.iter().map(NodeGroup::substance).collect();
        Self {
            version: 0,
            groups,
            ..self.clone()
        }
    }
}

impl NodeGroup {
    fn names(&self, group: &str) -> bool {
        self.name == group || self.parents.iter().any(|parent| parent.names(group))
    }

    fn substance(&self) -> Self {
        Self {
            seeds: Vec::new(),
            parents: self.parents.iter().map(Self::substance).collect(),
            ..self.clone()
        }
    }

    pub(super) fn spec(&self) -> GroupSpec {
        let spec = match &self.cookie {
            Some(cookie) => GroupSpec::with_cookie(&self.name, cookie),
            None => GroupSpec::open(&self.name),
        };
        let seeds = self.seeds.iter();
        let spec = seeds.fold(spec, |spec, seed| spec.seed(seed.as_str()));
        let spec = spec.tier(self.tier);
        let spec = match &self.kept_at {
            Some(kept_at) => spec.kept_at(sizing(kept_at)),
            None => spec,
        };
        if self.parents.is_empty() {
            return spec;
        }
        let parents = self.parents.iter().map(Self::spec);
        parents.fold(spec.reflectors(self.reflectors), GroupSpec::parent)
    }
}

fn sizing(kept_at: &KeptAt) -> Sizing {
    let sizing = match kept_at.span {
        Some((min, max)) => Sizing::within(min, max),
        None => Sizing::of(kept_at.members),
    };
    let sizing = sizing.parent_members(kept_at.parent_members);
    kept_at.by.iter().fold(sizing, Sizing::by)
}

/// Says in each group, once the node is up in it, what the node is labelled with.
async fn label(node: &Node, config: &NodeConfig) {
    for group in config.groups.iter().filter(|it| it.kept_at.is_some()) {
        if node.joined(&group.name).await.is_err() {
            return;
        }
        for (key, value) in &config.attributes {
            let value = Some(Value::from(value.as_str()));
            // Whoever left meanwhile says nothing there.
            let _ = node.group(&group.name).set_attribute(key, value).await;
        }
    }
}

/// Runs the node that the file describes until it is asked to end.
pub(super) async fn run(path: &Path) -> Result<(), UpError> {
    // Before anything else, so that no signal finds the process without a handler.
    let mut asked = signal(SignalKind::terminate()).map_err(UpError::Signal)?;
    let mut hangup = Hangup::new()?;
    let config = NodeConfig::read(path)?;
    let node = start(&config).await?;
    let mut retold = Retold::new(path, config.clone());
    let mut labelled = std::pin::pin!(label(&node, &config));
    let mut is_labelled = false;
    loop {
        tokio::select! {
            _ = asked.recv() => break,
            is_over = hangup.recv() => if is_over { break } else { retold.take(&node).await },
            () = &mut labelled, if !is_labelled => is_labelled = true,
            () = retold.window() => retold.close_window(&node).await,
        }
    }
    node.shutdown().await;
    Ok(())
}

async fn start(config: &NodeConfig) -> Result<Node, UpError> {
    let mut builder = Node::builder(&config.name)
        .realm(&config.realm)
        .listen(&config.listen)
        .key_file(&config.key_file);
    if let Some(path) = &config.groups_file {
        builder = builder.groups_file(path);
    }
    if config.is_reflector {
        builder = builder.reflector();
    }
    for group in &config.groups {
        builder = builder.group(group.spec());
    }
    Ok(builder.start().await?)
}
