//! The keys of nodes that charters name: they must be known before any node starts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use archipelago::{Identity, IdentityError, NodeId};

use crate::cluster::Plan;

/// Key files in a folder of their own, which goes with this value.
#[derive(Debug)]
pub(crate) struct Pins {
    folder: PathBuf,
    ids: BTreeMap<usize, NodeId>,
}

/// The keys could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinsError {
    #[error("no folder for the keys of the reflectors: {0}")]
    Folder(#[from] std::io::Error),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl Pins {
    /// Keys for the reflectors of all groups that have parents.
    pub(crate) fn new(plan: &Plan) -> Result<Self, PinsError> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = format!("archipelago-keys-{}-{number}", std::process::id());
        let mut pins = Self {
            folder: std::env::temp_dir().join(folder),
            ids: BTreeMap::new(),
        };
        let led_up = plan.groups.iter().filter(|group| !group.parents.is_empty());
        let pinned: BTreeSet<usize> = led_up.flat_map(|group| group.reflectors.clone()).collect();
        if !pinned.is_empty() {
            std::fs::create_dir_all(&pins.folder)?;
        }
        for node in pinned {
            let identity = Identity::load_or_create(&path(&pins.folder, node))?;
            pins.ids.insert(node, identity.id());
        }
        Ok(pins)
    }

    /// Who the node with this index is, if its key was made.
    pub(crate) fn id(&self, node: usize) -> Option<NodeId> {
        self.ids.get(&node).copied()
    }

    /// Where the key of the node with this index is, if it was made.
    pub(crate) fn key_file(&self, node: usize) -> Option<PathBuf> {
        let is_made = self.ids.contains_key(&node);
        is_made.then(|| path(&self.folder, node))
    }
}

fn path(folder: &Path, node: usize) -> PathBuf {
    folder.join(format!("{node}.key"))
}

impl Drop for Pins {
    fn drop(&mut self) {
        // What is left of a run that was killed is the system's to clear.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
