//! `archipelago reload`: a cluster file is taken anew while its nodes run (G10).
//!
//! ```text
//!  reload ── reload.json, SIGHUP ──► master ── NAME.json, SIGHUP ──► each node that is concerned
//!  reload ◄── reloaded.json ──────── master ◄── NAME.taken ───────── each of them
//! ```
//! The file is checked before anybody is told. A SIGHUP to the master alone makes it read the file
//! that it was started with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use serde::{Deserialize, Serialize};

use super::retold::TakenGroup;
use super::state::{Folder, replace};
use super::{UpError, Where};
use crate::cluster;

const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// `archipelago reload`.
#[derive(Debug, Args)]
pub(crate) struct ReloadOptions {
    /// The changed cluster file.
    cluster: PathBuf,
    #[command(flatten)]
    at: Where,
    /// One line of JSON in place of the table.
    #[arg(long)]
    json: bool,
    /// Seconds to wait for the answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
}

/// What is wished of the master.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Wish {
    /// Comes back in the answer.
    id: u128,
    pub(super) cluster: PathBuf,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Reloaded {
    /// Of the wish; 0 where there was none.
    id: u128,
    /// Why nothing changed.
    pub(super) error: Option<String>,
    pub(super) nodes: Vec<ReloadedNode>,
}

/// What came of it at one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReloadedNode {
    pub(super) name: String,
    /// `told`, `kept`, `started`, `stopped` or `failed`.
    pub(super) outcome: String,
    /// Why it goes by its old file.
    pub(super) error: Option<String>,
    /// What became of each of its groups, if it was told.
    pub(super) groups: Vec<TakenGroup>,
}

impl Wish {
    /// The wish in the folder, which is taken out of it.
    pub(super) fn take(folder: &Folder) -> Option<Self> {
        let path = folder.file("reload", "json");
        let bytes = std::fs::read(&path).ok()?;
        let _ = std::fs::remove_file(&path);
        serde_json::from_slice(&bytes).ok()
    }
}

impl Reloaded {
    /// The answer to a wish, in the folder.
    pub(super) fn answer(self, wish: Option<&Wish>, folder: &Folder) -> Result<(), UpError> {
        let id = wish.map_or(0, |wish| wish.id);
        replace(&folder.file("reloaded", "json"), &Self { id, ..self })
    }

    fn read(folder: &Folder, id: u128) -> Option<Self> {
        let bytes = std::fs::read(folder.file("reloaded", "json")).ok()?;
        let reloaded: Self = serde_json::from_slice(&bytes).ok()?;
        (reloaded.id == id).then_some(reloaded)
    }

    fn is_done(&self) -> bool {
        self.error.is_none() && self.nodes.iter().all(|node| node.error.is_none())
    }
}

impl ReloadedNode {
    /// Nothing is said of its groups.
    pub(super) fn new(name: &str, outcome: &str) -> Self {
        Self {
            name: name.to_owned(),
            outcome: outcome.to_owned(),
            error: None,
            groups: Vec::new(),
        }
    }

    /// It goes by its old file.
    pub(super) fn failed(name: &str, error: impl Into<String>) -> Self {
        let error = Some(error.into());
        Self {
            error,
            ..Self::new(name, "failed")
        }
    }
}

/// Has the master of a cluster take a changed file; says what came of it, node by node.
pub(crate) async fn reload(options: &ReloadOptions) -> Result<ExitCode, UpError> {
    let folder = Folder::open(&options.at.state)?;
    // What is wrong with the file is told here, with its line, and nobody is disturbed.
    cluster::read(&options.cluster)?;
    let file = |error| UpError::file(&options.cluster, error);
    let cluster = options.cluster.canonicalize().map_err(file)?;
    let master = folder.load()?.other_master().ok_or(UpError::NoMaster)?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let id = since.map_or(1, |since| since.as_nanos());
    replace(&folder.file("reload", "json"), &Wish { id, cluster })?;
    if !master.hang_up() {
        return Err(UpError::NoMaster);
    }
    let reloaded = answered(&folder, id, Duration::from_secs(options.wait)).await?;
    print(&reloaded, options.json, &options.at.state)?;
    Ok(ExitCode::from(u8::from(!reloaded.is_done())))
}

async fn answered(folder: &Folder, id: u128, wait: Duration) -> Result<Reloaded, UpError> {
    let begun = Instant::now();
    loop {
        if let Some(reloaded) = Reloaded::read(folder, id) {
            return Ok(reloaded);
        }
        if begun.elapsed() >= wait {
            return Err(UpError::Silent(wait));
        }
        tokio::time::sleep(LOOK_PERIOD).await;
    }
}

fn print(reloaded: &Reloaded, json: bool, path: &Path) -> Result<(), UpError> {
    if json {
        let json = serde_json::to_string(reloaded).map_err(std::io::Error::other);
        println!("{}", json.map_err(|error| UpError::file(path, error))?);
    } else if let Some(error) = &reloaded.error {
        println!("nothing changed: {error}");
    } else {
        println!("{}", table(&reloaded.nodes));
    }
    Ok(())
}

/// One line a node; groups that stay as they were are left out.
pub(super) fn table(nodes: &[ReloadedNode]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["node", "outcome", "groups"]);
    for node in nodes {
        let changed = node.groups.iter().filter(|one| one.outcome != "kept");
        let groups = changed.map(|one| match &one.error {
            Some(error) => format!("{} {}: {error}", one.group, one.outcome),
            None => format!("{} {}", one.group, one.outcome),
        });
        let said: Vec<String> = node.error.iter().cloned().chain(groups).collect();
        table.add_row([&node.name, &node.outcome, &said.join("\n")]);
    }
    table.to_string()
}
