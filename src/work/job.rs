//! What a factory makes a worker of, and how factories are registered.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use archipelago_core::Pid;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::{Mailbox, Node, NodeError, ServiceError};

/// What a worker that was started by name gets to work with.
#[derive(Debug)]
pub struct Job {
    /// Its mailbox; the pid ends with the worker in any case. Once the worker is to hand over, it
    /// yields what is in it, and then `None`.
    pub mailbox: Mailbox,
    pub(super) arguments: Bytes,
    pub(super) state: Option<Bytes>,
    pub(super) slot: Option<u32>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Job {
    /// Its pid.
    pub const fn pid(&self) -> Pid {
        self.mailbox.pid()
    }

    /// What whoever started it gave along.
    pub const fn arguments(&self) -> &Bytes {
        &self.arguments
    }

    /// The same, as a value that [`Group::start_worker_typed`](crate::Group::start_worker_typed)
    /// wrote.
    ///
    /// # Errors
    /// Where the bytes are no such value.
    pub fn arguments_as<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        Ok(postcard::from_bytes(&self.arguments)?)
    }

    /// What its predecessor returned when it had to move; `None`: it begins anew.
    pub const fn state(&self) -> Option<&Bytes> {
        self.state.as_ref()
    }

    /// Its place in its pool, from 0 on; `None`: it is in no pool.
    pub const fn place(&self) -> Option<u32> {
        self.slot
    }

    /// Ends when the worker is to end and to return its state: for one that does more than to wait
    /// for messages. What it yields may go to another task. Cancel safe.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.clone();
        async move {
            // An error: its node has stopped.
            let _ = stop.wait_for(|is_set| *is_set).await;
        }
    }
}

pub(super) type Run = Pin<Box<dyn Future<Output = Result<Bytes, ServiceError>> + Send>>;

/// How workers of one name are made, and where they run.
#[derive(Clone)]
pub(super) struct Factory {
    pub(super) make: Arc<dyn Fn(Job) -> Run + Send + Sync>,
    pub(super) on: Handle,
}

impl Node {
    /// This node makes workers of the name `name` for members of its groups: by what `make` makes
    /// of a [`Job`], on the tokio runtime that this is called on (the node's own where there is
    /// none). A second factory of a name replaces the first for workers to come.
    ///
    /// What a worker returns is its state, which goes to its successor if it was asked to hand
    /// over, and nowhere otherwise. It ends as other workers do: by returning, failing, panicking,
    /// or with its node.
    ///
    /// Cancel safe: dropped before it returns, nothing is registered.
    ///
    /// # Errors
    /// As for [`Node::mailbox`]; nothing is registered.
    pub async fn factory<F>(
        &self,
        name: impl AsRef<[u8]>,
        make: impl Fn(Job) -> F + Send + Sync + 'static,
    ) -> Result<(), NodeError>
    where
        F: Future<Output = Result<Bytes, ServiceError>> + Send + 'static,
    {
        let shared = self.shared();
        let own = || shared.runtime.handle().clone();
        let factory = Factory {
            make: Arc::new(move |job| Box::pin(make(job))),
            on: Handle::try_current().unwrap_or_else(|_| own()),
        };
        let name = Bytes::copy_from_slice(name.as_ref());
        shared.desk.open(shared, name, factory).await
    }

    /// This node starts no more workers of that name; those that run go on.
    pub fn remove_factory(&self, name: impl AsRef<[u8]>) {
        self.shared().desk.remove(name.as_ref());
    }
}
