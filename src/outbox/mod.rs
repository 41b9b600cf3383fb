//! The outbox: records for names that may be down, safe on disk until their receivers are done.
//!
//! What decides is [`archipelago_router::outbox`]; here are its disk ([`Disk`]), its task, and its
//! users: [`Outbox`] sends, [`Intake`] receives. Nothing of it runs on a node that has neither.
//! Cost: one task per outbox, 40 bytes of memory and some 120 bytes of disk beside its payload per
//! record; all that is sent while the disk is busy shares its next write.

mod delivery;
mod disk;
mod intake;
mod shared;
mod task;

pub use disk::Disk;
pub use intake::{Intake, Taken};

use std::path::Path;
use std::sync::Arc;

use archipelago_core::{GroupId, Rng};
use archipelago_router::outbox::{
    Destination, OutboxConfig, OutboxCounters, RecordId, Refused, Store, StoreError, load,
    set_aside,
};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use self::shared::SharedStore;
use crate::identity::random_seed;
use crate::node::Shared;
use crate::{Node, NodeError};

/// Records that wait for the task.
const REQUESTS_LEN_MAX: usize = 256;

/// A durable stream of records to names that may be down. Clones are handles to the same outbox;
/// it sends while one of them and its node live, and goes on from its disk when it is opened again.
#[derive(Clone, Debug)]
pub struct Outbox {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    stats: watch::Receiver<OutboxStats>,
}

/// What an outbox holds, and what it counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxStats {
    /// Records that wait or are out.
    pub records: usize,
    /// Their bytes of payload.
    pub bytes: u64,
    /// What became of others.
    pub counters: OutboxCounters,
    /// Writes to the disk that failed.
    pub store_failures: u64,
    /// The file was damaged in more than single records when it was opened: others may be missing.
    pub is_damaged: bool,
}

/// A record was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// It was not taken; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The disk did not take it. Where [`StoreError::is_uncertain`], it may be delivered all the
    /// same: send it again only if twice does no harm.
    #[error("the record is not safe: {0}")]
    Store(#[from] StoreError),
    /// The outbox was closed, or its node has stopped; the record may be delivered all the same.
    #[error("the outbox is closed, or its node has stopped: open it anew")]
    Closed,
    /// The node has no mailbox for it.
    #[error(transparent)]
    Node(#[from] NodeError),
}

enum Request {
    Send {
        to: Destination,
        payload: Bytes,
        reply: oneshot::Sender<Result<RecordId, OutboxError>>,
    },
    /// Ends the task; dropped when it has.
    Close(oneshot::Sender<()>),
}

impl Node {
    /// Opens the outbox whose records are in the file `path`, made if it is not there, and goes on
    /// sending what it holds.
    ///
    /// One outbox of one process can have a file open. Cancel safe.
    ///
    /// # Errors
    /// [`OutboxError::Store`] where the file is open already, cannot be read, or is corrupt as a
    /// whole (move it away to begin anew); [`OutboxError::Node`]. Nothing runs. Single records
    /// that are corrupt are set aside in the file, and counted ([`OutboxCounters::corrupt`]).
    pub async fn outbox(
        &self,
        path: impl AsRef<Path>,
        config: OutboxConfig,
    ) -> Result<Outbox, OutboxError> {
        let path = path.as_ref().to_owned();
        let opened = blocking(self.shared(), move || Disk::open(&path)).await??;
        self.outbox_in(opened, config).await
    }

    /// As [`Node::outbox`], in a store of the caller's.
    ///
    /// # Errors
    /// As there.
    pub async fn outbox_in(
        &self,
        store: impl Store + 'static,
        config: OutboxConfig,
    ) -> Result<Outbox, OutboxError> {
        let shared = self.shared();
        let mailbox = self.mailbox().await?;
        let rng = Rng::new(*random_seed().map_err(|_| NodeError::NoRandom)?);
        let mut store: Box<dyn Store> = Box::new(store);
        let (loaded, store) = blocking(shared, move || {
            let loaded = load(&mut *store)?;
            let aside: Vec<_> = loaded
                .corrupt
                .iter()
                .flat_map(|(_, e)| set_aside(e))
                .collect();
            if !aside.is_empty() {
                store.commit(&aside)?;
            }
            Ok::<_, StoreError>((loaded, store))
        })
        .await??;
        let (requests, waiting) = mpsc::channel(REQUESTS_LEN_MAX);
        let (store, closed) = SharedStore::new(store);
        let (task, stats) =
            task::Task::new((shared.clone(), mailbox), (config, rng), &loaded, store);
        shared.runtime.handle().spawn(task.run(waiting, closed));
        Ok(Outbox {
            shared: shared.clone(),
            requests,
            stats,
        })
    }
}

impl Outbox {
    /// Hands a record over for whoever holds `name` in `group`, now or later, member of it or not;
    /// returns its stream and number when it is safe on disk.
    ///
    /// It is then delivered as soon as somebody who takes records ([`Intake`]) holds the name, in
    /// the order of acceptance among records to that name, however often this node or the receiver
    /// restarts; unless it grows too old, or the outbox drops the oldest when full
    /// ([`OutboxStats::counters`] tell).
    ///
    /// Waits for the disk only: some milliseconds, shared by all that is sent meanwhile. Not cancel
    /// safe: dropped before it returns, the record may be stored, and then is delivered.
    ///
    /// # Errors
    /// [`OutboxError`], which says whether it may be delivered all the same.
    pub async fn send(
        &self,
        group: &str,
        name: impl AsRef<[u8]>,
        payload: impl Into<Bytes>,
    ) -> Result<RecordId, OutboxError> {
        let to = Destination {
            group: GroupId::new(&self.shared.realm, group),
            name: Bytes::copy_from_slice(name.as_ref()),
        };
        let payload = payload.into();
        let (reply, answer) = oneshot::channel();
        let request = Request::Send { to, payload, reply };
        let sent = self.requests.send(request).await;
        sent.map_err(|_| OutboxError::Closed)?;
        answer.await.map_err(|_| OutboxError::Closed)?
    }

    /// What it holds and what it counted; a local read.
    pub fn stats(&self) -> OutboxStats {
        *self.stats.borrow()
    }

    /// Waits until it holds no record: all that was sent has been received, or is counted as
    /// something else. Unbounded, as a name may be down for ever; give it a deadline. Cancel safe.
    ///
    /// # Errors
    /// [`OutboxError::Closed`].
    pub async fn emptied(&self) -> Result<(), OutboxError> {
        let mut stats = self.stats.clone();
        let emptied = stats.wait_for(|stats| stats.records == 0).await;
        emptied.map(|_| ()).map_err(|_| OutboxError::Closed)
    }

    /// Ends it, for all its handles, and waits until its file is free. What it holds stays there.
    /// Cancel safe: once begun it goes on.
    pub async fn close(&self) {
        let (reply, ended) = oneshot::channel();
        if self.requests.send(Request::Close(reply)).await.is_ok() {
            // An error says that the task is gone, as is wished.
            let _ = ended.await;
        }
    }
}

/// Runs what waits for a disk, where waiting harms nobody.
async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let running = shared.runtime.handle().spawn_blocking(work);
    running.await.map_err(|error| StoreError {
        reason: format!("the store's thread ended: {error}"),
        is_uncertain: true,
        is_full: false,
    })
}
