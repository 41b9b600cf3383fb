//! What a workload needs of a transport: the same few words for Archipelago and for bare TCP.

use std::future::Future;

use bytes::Bytes;

use super::error::LoadError;
use super::tally::Received;

/// The sending end of a transport; clones send over the same way.
pub trait Link: Clone + Send + Sync + 'static {
    /// Sends a message that is counted where it arrives, waiting while a queue is full.
    fn send(&self, body: Bytes) -> impl Future<Output = Result<(), LoadError>> + Send;

    /// Asks what was received, in the order of what was sent before.
    fn flush(&self) -> impl Future<Output = Result<Received, LoadError>> + Send;

    /// Sends a request and waits for the same bytes back.
    fn call(&self, body: Bytes) -> impl Future<Output = Result<Bytes, LoadError>> + Send;
}
