//! A node that is told anew while it runs: what it does about it, and what it answers.
//!
//! The answer is a file beside the one that it is told by, `NAME.taken`, replaced as a whole: what
//! became of each group, or why nothing changed. What a running node cannot change is refused as a
//! whole, before anything is done.
//!
//! Of a changed cookie the previous one counts for [`COOKIE_WINDOW`] more: time for all the others
//! to be told. Who has not the new one by then is out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use archipelago::{Applied, Node, NodeError};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::node::{NodeConfig, NodeGroup};
use super::state::replace;

/// How long a node goes on to take the cookie that was changed.
const COOKIE_WINDOW: Duration = Duration::from_secs(30);

/// What a node answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Of what it was told.
    pub(super) version: u64,
    /// Why nothing changed.
    pub(super) error: Option<String>,
    pub(super) groups: Vec<TakenGroup>,
}

/// What became of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TakenGroup {
    pub(super) group: String,
    /// `joined`, `left`, `changed`, `rejoined`, `kept` or `failed`.
    pub(super) outcome: String,
    /// Why it failed.
    pub(super) error: Option<String>,
}

/// A node's side.
#[derive(Debug)]
pub(super) struct Retold {
    path: PathBuf,
    config: NodeConfig,
    window: Option<Window>,
}

/// Cookies that were changed, by group, and until when they count.
#[derive(Debug)]
struct Window {
    ends: Instant,
    previous: Vec<(String, String)>,
    /// What the node was told last, by which it goes on without them.
    groups: Vec<NodeGroup>,
}

impl Retold {
    /// Of a node that runs by `config`, which was read from `path`.
    pub(super) fn new(path: &Path, config: NodeConfig) -> Self {
        let path = path.to_owned();
        let window = None;
        Self {
            path,
            config,
            window,
        }
    }

    /// Reads the file again, does as it says, and answers.
    pub(super) async fn take(&mut self, node: &Node) {
        let config = match NodeConfig::read(&self.path) {
            Ok(config) => config,
            Err(error) => return eprintln!("archipelago: {error}"),
        };
        let taken = self.apply(node, &config).await;
        if taken.error.is_none() {
            self.open_window(&config);
        }
        if taken.is_done() {
            self.config = config;
        }
        if let Err(error) = replace(&Taken::path(&self.path), &taken) {
            eprintln!("archipelago: {error}");
        }
    }

    /// The cookies that were just changed, and those that were lately, count for a while.
    fn open_window(&mut self, config: &NodeConfig) {
        let previous = config.groups.iter().filter_map(|group| {
            let cookie = self.previous(group)?;
            Some((group.name.clone(), cookie.to_owned()))
        });
        let previous: Vec<_> = previous.collect();
        self.window = (!previous.is_empty()).then(|| Window {
            ends: Instant::now() + COOKIE_WINDOW,
            previous,
            groups: config.groups.clone(),
        });
    }

    async fn apply(&self, node: &Node, config: &NodeConfig) -> Taken {
        let version = config.version;
        let fixed = fixed(&self.config, config);
        if !fixed.is_empty() {
            let error = format!(
                "{} cannot change while it runs: end process {}, which is started again by the file",
                fixed.join(", "),
                std::process::id()
            );
            let error = Some(error);
            let groups = Vec::new();
            return Taken {
                version,
                error,
                groups,
            };
        }
        let specs = config.groups.iter().map(|group| {
            let spec = group.spec();
            match self.previous(group) {
                Some(cookie) => spec.previous_cookie(cookie),
                None => spec,
            }
        });
        match node.apply(specs.collect()).await {
            Ok(results) => Taken {
                version,
                error: None,
                groups: results.into_iter().map(TakenGroup::of).collect(),
            },
            Err(error) => Taken {
                version,
                error: Some(error.to_string()),
                groups: Vec::new(),
            },
        }
    }

    /// The cookie that the group had before the present one, while it counts.
    fn previous(&self, new: &NodeGroup) -> Option<&str> {
        let cookie = new.cookie.as_deref()?;
        let old = self.config.groups.iter().find(|old| old.name == new.name);
        let old = old.and_then(|old| old.cookie.as_deref());
        if let Some(changed) = old.filter(|&old| old != cookie) {
            return Some(changed);
        }
        let mut open = self.window.iter().flat_map(|window| &window.previous);
        let (_, previous) = open.find(|(group, _)| *group == new.name)?;
        Some(previous)
    }

    /// Until the previous cookies end; for ever where there are none. Cancel safe.
    pub(super) async fn window(&self) {
        match &self.window {
            Some(window) => tokio::time::sleep_until(window.ends).await,
            None => std::future::pending().await,
        }
    }

    /// From now on the present cookies alone count.
    pub(super) async fn close_window(&mut self, node: &Node) {
        let Some(window) = self.window.take() else {
            return;
        };
        let specs = window.groups.iter().map(NodeGroup::spec);
        if let Err(error) = node.apply(specs.collect()).await {
            eprintln!("archipelago: {error}");
        }
    }
}

impl Taken {
    /// The file of the answer, beside the one that a node is told by.
    pub(super) fn path(told: &Path) -> PathBuf {
        told.with_extension("taken")
    }

    /// What the node answered to `version`, if it has.
    pub(super) fn read(told: &Path, version: u64) -> Option<Self> {
        let bytes = std::fs::read(Self::path(told)).ok()?;
        let taken: Self = serde_json::from_slice(&bytes).ok()?;
        (taken.version == version).then_some(taken)
    }

    /// Whether all that was asked for is done.
    pub(super) fn is_done(&self) -> bool {
        self.error.is_none() && self.groups.iter().all(|group| group.error.is_none())
    }
}

impl TakenGroup {
    fn of((group, result): (String, Result<Applied, NodeError>)) -> Self {
        let outcome = match &result {
            Ok(Applied::Joined) => "joined",
            Ok(Applied::Left) => "left",
            Ok(Applied::Changed) => "changed",
            Ok(Applied::Rejoined) => "rejoined",
            Ok(_) => "kept",
            Err(_) => "failed",
        };
        Self {
            group,
            outcome: outcome.to_owned(),
            error: result.err().map(|error| error.to_string()),
        }
    }
}

/// What differs of that which a running node cannot change.
fn fixed(old: &NodeConfig, new: &NodeConfig) -> Vec<&'static str> {
    let differences = [
        ("its name", old.name != new.name),
        ("its realm", old.realm != new.realm),
        ("its address", old.listen != new.listen),
        ("its key file", old.key_file != new.key_file),
        ("whether it reflects", old.is_reflector != new.is_reflector),
    ];
    let differing = differences.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(what, _)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> NodeConfig {
        NodeConfig {
            version: 1,
            name: "node".to_owned(),
            realm: "realm".to_owned(),
            listen: "/ip4/127.0.0.1/tcp/0".to_owned(),
            key_file: "node.key".into(),
            groups_file: None,
            is_reflector: false,
            groups: Vec::new(),
            attributes: std::collections::BTreeMap::new(),
        }
    }

    /// G10: what cannot change at run time is named.
    #[test]
    fn g10_what_cannot_change_at_run_time_is_named() {
        let old = config();
        let new = NodeConfig {
            realm: "other".to_owned(),
            is_reflector: true,
            version: 2,
            ..config()
        };
        assert_eq!(fixed(&old, &new), ["its realm", "whether it reflects"]);
        assert_eq!(fixed(&old, &config()), [""; 0]);
        assert_eq!(old.substance(), config().substance());
        assert_ne!(old.substance(), new.substance());
    }
}
