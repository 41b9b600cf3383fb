//! Keyed workers: one worker for each key of a service, wherever it lives now.
//!
//! Members of a group host a service ([`Group::host_keyed`]); its keys spread over them. Anybody asks
//! a worker by its key ([`Group::keyed`]), from any node. A worker is a value that starts with the
//! first request for its key, does one request at a time, and lies in a table without a task while
//! it has nothing to do: a hundred thousand are as many entries. When members come and go, workers
//! move with their states, and no request is lost or done out of order.
//!
//! What decides is [`archipelago_sgroup::keyed`]; here are its task, its executor and its users.

mod ask;
mod error;
mod host;
mod lines;
mod office;
mod task;

pub use ask::Keyed;
pub use error::{HostError, KeyedError};
pub use host::KeyedHost;

use std::future::Future;

use archipelago_sgroup::keyed::{Fence, StopReason};
use bytes::Bytes;

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyedRequest {
    /// What was sent; shared bytes, not copied for the worker.
    pub payload: Bytes,
    /// Nobody waits for what is returned.
    pub is_cast: bool,
    /// Of the lease under which it is done, where the service has leases
    /// ([`HostConfig::lease`](crate::HostConfig::lease)): what the worker writes elsewhere carries it, and whoever keeps
    /// that refuses lower ones, also of a worker that has lost its lease and does not know it yet.
    pub fence: Option<Fence>,
}

/// A worker of one key.
///
/// It is a value that lives in a table, so it should be small and own what it needs. It runs on
/// the executor that [`Group::host_keyed`](crate::Group::host_keyed) was called on.
pub trait KeyedWorker: Sized + Send + 'static {
    /// Does one request; nothing else happens to the worker meanwhile. A panic ends the worker and
    /// loses its state; the next request for its key starts another.
    fn handle(&mut self, request: KeyedRequest) -> impl Future<Output = Bytes> + Send;

    /// Stops the worker, because it is idle or moves to another host. What it returns starts it
    /// again, here or there; `None`: it needs nothing, or has stored it elsewhere. Default: `None`.
    fn stop(self, reason: StopReason) -> impl Future<Output = Option<Bytes>> + Send {
        let _ = reason;
        std::future::ready(None)
    }
}
