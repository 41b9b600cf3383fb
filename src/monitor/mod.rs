//! Monitors: one word of the end of a process or a node, wherever it is.
//!
//! The protocol is [`archipelago_router::watch`]; this keeps who waits for which word.

mod table;

pub(crate) use table::Table;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use archipelago_router::Command;
use archipelago_router::watch::{EndReason, MonitorRef, Target};
use tokio::sync::oneshot;

use crate::NodeError;
use crate::node::Shared;

/// Waits for the end of a process or a node: a future that yields why, once.
///
/// What the process sent to this node, and what of it arrived, arrived before it yields
/// [`EndReason::Exited`]. Dropping it ends the watch. It may be awaited by `&mut` in a `select!`,
/// and is cancel safe there.
#[derive(Debug)]
#[must_use = "dropped, it watches no more"]
pub struct Monitor {
    shared: Arc<Shared>,
    monitor: MonitorRef,
    end: oneshot::Receiver<EndReason>,
    is_over: bool,
}

impl Monitor {
    /// Cancel safe: dropped before it returns, nothing is watched.
    pub(crate) async fn start(shared: Arc<Shared>, target: Target) -> Result<Self, NodeError> {
        let (monitor, end) = shared.monitors.begin();
        let this = Self {
            shared: shared.clone(),
            monitor,
            end,
            is_over: false,
        };
        let command = Command::Monitor { monitor, target };
        // On an error `this` is dropped, and with it what waits.
        shared.command(command).await?;
        Ok(this)
    }
}

impl Future for Monitor {
    type Output = EndReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<EndReason> {
        let end = Pin::new(&mut self.end).poll(cx);
        end.map(|reason| {
            self.is_over = true;
            // A node that was killed told nobody.
            reason.unwrap_or(EndReason::Reset)
        })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.monitors.forget(self.monitor);
        }
    }
}
