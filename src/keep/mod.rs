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

use file::Rotated;
pub(crate) use file::{Configured, Contents, read};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::GroupId;
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
        contents: Contents,
        shared: Arc<Shared>,
    ) -> Self {
        let Contents {
            groups,
            descent,
            rotated,
        } = contents;
        let (latest, changes) = watch::channel(file::encode(&groups, descent, &rotated));
        Self {
            configured,
            is_over: false,
            latest,
            writer: tokio::spawn(write(path, changes, shared)),
        }
    }

    /// Keeps what the node is in now.
    pub(crate) fn keep(&self, node: &Node) {
        if self.is_over {
            return;
        }
        let configured = self.configured.iter();
        let ids: Vec<GroupId> = configured.clone().map(|config| config.group).collect();
        let rotated = configured.filter_map(|from| Rotated::since(from, node.cookies(from.group)?));
        let rotated: Vec<Rotated> = rotated.collect();
        let bytes = file::encode(&node.kept(&ids), node.descent(), &rotated);
        self.latest.send_if_modified(|kept| {
            let is_new = *kept != bytes;
            if is_new {
                *kept = bytes;
            }
            is_new
        });
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
