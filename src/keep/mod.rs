//! Groups that were made or entered while the node ran, and cookies of configured ones that were
//! changed, kept over its restarts.
//!
//! ```text
//!  node's task ── what is to be kept, when it changed ──▶ latest ──▶ writer ──▶ file
//! ```
//! The newest state wins: while one is written, those between are passed over. A file is written as
//! a whole, synced and renamed, for its owner only, since it holds the groups' cookies. Its limits:
//! as many groups as a node can be in, and [`file::LEN_MAX`] bytes.
//! Promise: what a call returned is in the file within one write of it, or
//! [`NodeEvent::GroupsNotKept`] says why not. Never: a decision about a group.
//! Cost: a comparison of two numbers for each batch of inputs; nothing without a file.

mod file;
mod secret;

use file::Rotated;
pub(crate) use file::{Configured, Contents, read};
use secret::{KeptSecret, Windows};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use archipelago_core::{GroupId, Time};
use archipelago_router::Node;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::NodeEvent;
use crate::node::Shared;

/// How long the last write may take when the node ends.
const LAST_WRITE_MAX: Duration = Duration::from_secs(5);

/// What is kept of one node.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Groups that the configuration names: of them no more is kept than cookies that were changed.
    configured: Vec<Configured>,
    /// Those that are open for changed cookies.
    windows: Windows,
    /// The node leaves all of its groups because it ends: they are kept as they were.
    is_over: bool,
    latest: watch::Sender<Zeroizing<Vec<u8>>>,
    writer: JoinHandle<()>,
}

impl Keeper {
    /// Keeps in the file at `path`, which holds `contents`.
    pub(crate) fn new(
        path: PathBuf,
        configured: Vec<Configured>,
        contents: &Contents,
        shared: Arc<Shared>,
    ) -> Self {
        let (latest, changes) = watch::channel(file::encode(contents));
        Self {
            configured,
            windows: Windows::default(),
            is_over: false,
            latest,
            writer: tokio::spawn(write(path, changes, shared)),
        }
    }

    /// Keeps what the node is in now, at `now`.
    pub(crate) fn keep(&mut self, node: &Node, now: Time) {
        if self.is_over {
            return;
        }
        let configured = self.configured.iter();
        let ids: Vec<GroupId> = configured.clone().map(|config| config.group).collect();
        let rotated = configured.filter_map(|from| Rotated::since(from, node.cookies(from.group)?));
        let rotated = rotated.collect();
        let groups = node.kept(&ids);
        let secrets = self.secrets(node, groups.iter().map(|kept| kept.id()).chain(ids), now);
        let bytes = file::encode(&Contents {
            groups,
            descent: node.descent(),
            rotated,
            secrets,
        });
        self.latest.send_if_modified(|kept| {
            let is_new = *kept != bytes;
            if is_new {
                *kept = bytes;
            }
            is_new
        });
    }

    fn secrets(
        &mut self,
        node: &Node,
        groups: impl Iterator<Item = GroupId>,
        now: Time,
    ) -> Vec<KeptSecret> {
        let at = (now, SystemTime::now());
        self.windows
            .retain(|group| node.secret_state(*group).is_some());
        let secret = |group: GroupId| {
            let (cookies, state) = (node.cookies(group)?, node.secret_state(group)?);
            self.windows.keep(group, cookies, state, at)
        };
        groups.filter_map(secret).collect()
    }

    /// The node is about to leave its groups because it ends.
    pub(crate) const fn end(&mut self) {
        self.is_over = true;
    }

    /// Waits for the last write.
    pub(crate) async fn close(self) {
        drop(self.latest);
        // A disk that hangs holds up no shutdown for ever.
        let _ = tokio::time::timeout(LAST_WRITE_MAX, self.writer).await;
    }
}

async fn write(
    path: PathBuf,
    mut changes: watch::Receiver<Zeroizing<Vec<u8>>>,
    shared: Arc<Shared>,
) {
    while changes.changed().await.is_ok() {
        let bytes = changes.borrow_and_update().clone();
        let to = path.clone();
        let written = tokio::task::spawn_blocking(move || file::write(&to, &bytes)).await;
        let reason = match written {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        shared.hub.tell(&NodeEvent::GroupsNotKept { reason });
    }
}
