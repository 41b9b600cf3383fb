//! Calls as a [`Service`], so that retries, limits and load-shedding come from tower.
//!
//! [`CallService`] calls one pid; every call gets the same time. It is always ready: what is full
//! says so by its error. Put a concurrency limit below `load_shed` to refuse before anything is
//! sent; and retry only what [`CallError::may_be_done`] denies, unless doing it twice is harmless.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use archipelago_core::Pid;
use bytes::Bytes;
use tower_service::Service;

use crate::{CallError, Protocol, Recipient, Sender};

/// A call under way.
type Called<T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send>>;

/// Calls one pid in the name of one mailbox; each call within the same time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallService<C> {
    callee: C,
    timeout: Duration,
}

/// A pid that takes bytes, as one mailbox calls it.
#[derive(Clone, Debug)]
pub struct BytesCallee {
    sender: Sender,
    to: Pid,
}

impl Sender {
    /// Calls to `to` as a service of bytes; each has `timeout` for its answer.
    pub fn call_service(&self, to: Pid, timeout: Duration) -> CallService<BytesCallee> {
        let sender = self.clone();
        let callee = BytesCallee { sender, to };
        CallService { callee, timeout }
    }
}

impl<M: Protocol> Recipient<M> {
    /// Calls to this recipient as a service of its protocol; each has `timeout` for its answer.
    pub fn call_service(&self, timeout: Duration) -> CallService<Self> {
        let callee = self.clone();
        CallService { callee, timeout }
    }
}

impl Service<Bytes> for CallService<BytesCallee> {
    type Response = Bytes;
    type Error = CallError;
    type Future = Called<Bytes>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Bytes) -> Called<Bytes> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        Box::pin(async move { callee.sender.call(callee.to, request, timeout).await })
    }
}

impl<M: Protocol> Service<M> for CallService<Recipient<M>> {
    type Response = M::Reply;
    type Error = CallError;
    type Future = Called<M::Reply>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: M) -> Called<M::Reply> {
        let (callee, timeout) = (self.callee.clone(), self.timeout);
        Box::pin(async move { callee.call(request, timeout).await })
    }
}
