//! A peer's task under a lock, so that a sender may do its work at once.
//!
//! What finds nothing of this node's under way to the peer is written by its sender, on the sender's
//! thread; what comes meanwhile goes by the task, which joins it (as RFC 896 does with segments).
//! So a lone message changes threads once less, and a burst is still written in one piece. The task
//! never waits for a sender, whose thread may not be running: it is woken when the lock is free.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::PeerHandle;
use super::task::{Step, Task};
use crate::lent::Lent;
use crate::node::Shared;

/// The task of one peer, for its own turns and for its senders.
pub(crate) struct Driven {
    /// In a box: senders remember this for longer than it runs.
    task: Lent<Box<Task>>,
    handle: Arc<PeerHandle>,
    shared: Arc<Shared>,
}

impl Driven {
    pub(super) fn new(task: Task, handle: Arc<PeerHandle>, shared: Arc<Shared>) -> Self {
        Self {
            task: Lent::new(Box::new(task)),
            handle,
            shared,
        }
    }

    /// Runs the task until nothing is left to do.
    pub(super) async fn run(self: Arc<Self>) {
        let requests = &self.shared.requests;
        loop {
            let request = match std::future::poll_fn(|cx| self.poll(cx)).await {
                Step::Request(request) => request,
                Step::End(last) => {
                    if let Some(last) = last {
                        // A node that has stopped needs to hear nothing.
                        let _ = requests.send(last).await;
                    }
                    return;
                }
            };
            if requests.send(request).await.is_err() {
                return;
            }
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Step> {
        self.handle.waker.register(cx.waker());
        match self.task.own() {
            Some(mut task) => task.poll(cx),
            None => Poll::Pending,
        }
    }

    /// For a sender: sends what waits, if nothing is under way; whether the task has nothing to do
    /// for it any more.
    pub(super) fn send_now(&self) -> bool {
        let wake = || self.handle.waker.wake();
        let sent = self.task.try_with(|task| task.send_now(), wake);
        sent.unwrap_or(false)
    }
}
