//! What is remembered of a running cluster between one master and the next: a folder.
//!
//! ```text
//! DIR/cluster.json     the master, and for each node its address, process and standing
//! DIR/cluster.lock     held by who changes the cluster: a master, or who stops it
//! DIR/reload.json      a wish that the master takes the cluster file anew
//! DIR/reloaded.json    its answer
//! DIR/nodes/NAME.json  what a node is told (with cookies: readable by its owner only)
//!          /NAME.taken what it answered when it was told anew
//!          /NAME.key   its key
//!          /NAME.log   what it said
//! ```
//! Files are replaced as a whole, so that a crash leaves the old or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use archipelago::Launched;
use serde::{Deserialize, Serialize};

use super::UpError;

/// The folder of the nodes' files, in the cluster's.
const NODES: &str = "nodes";

/// The folder of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// What is known of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Who looks after it.
    pub(super) master: Option<Launched>,
    /// Its nodes, in the order of the cluster file.
    pub(super) nodes: Vec<NodeState>,
}

/// What is known of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeState {
    /// As in the cluster file.
    pub(super) name: String,
    /// Where it listens, at every start.
    pub(super) address: String,
    /// Its process, whether or not it lives.
    pub(super) process: Option<Launched>,
    /// How often it was started.
    pub(super) starts: u64,
    /// Whether it ended too often.
    pub(super) is_given_up: bool,
    /// Whether it runs by an older file, since it could not do all that the new one says.
    #[serde(default)]
    pub(super) is_behind: bool,
}

impl NodeState {
    /// Whether its process lives.
    pub(super) fn is_alive(&self) -> bool {
        self.process.is_some_and(|process| process.is_alive())
    }
}

impl State {
    /// The master, if it lives and is not this process.
    pub(super) fn other_master(&self) -> Option<Launched> {
        let other = self.master.filter(Launched::is_alive);
        other.filter(|&master| Some(master) != Launched::me())
    }
}

impl Folder {
    /// The folder at `path`, made if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, UpError> {
        fs::create_dir_all(path.join(NODES)).map_err(|error| UpError::file(path, error))?;
        let path = path
            .canonicalize()
            .map_err(|error| UpError::file(path, error))?;
        Ok(Self(path))
    }

    /// A file of the cluster.
    pub(super) fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.0.join(format!("{name}.{ending}"))
    }

    /// A file of one node, in a folder apart: a node may have any name.
    pub(super) fn node_file(&self, name: &str, ending: &str) -> PathBuf {
        self.0.join(NODES).join(format!("{name}.{ending}"))
    }

    /// What is known; nothing where there is no file yet.
    pub(super) fn load(&self) -> Result<State, UpError> {
        let path = self.file("cluster", "json");
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| UpError::file(&path, io::Error::other(error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
            Err(error) => Err(UpError::file(&path, error)),
        }
    }

    /// Keeps what is known.
    pub(super) fn save(&self, state: &State) -> Result<(), UpError> {
        replace(&self.file("cluster", "json"), state)
    }

    /// Writes what a node is told, readable by its owner only, at once as a whole.
    pub(super) fn write(&self, name: &str, value: &impl Serialize) -> Result<(), UpError> {
        replace(&self.node_file(name, "json"), value)
    }
}

/// Writes a file of JSON, readable by its owner only, at once as a whole.
pub(super) fn replace(path: &Path, value: &impl Serialize) -> Result<(), UpError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let write = || {
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(true).write(true).mode(0o600);
        let mut file: File = options.open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_data()?;
        fs::rename(&new, path)
    };
    write().map_err(|error| UpError::file(path, error))
}
