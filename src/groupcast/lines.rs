//! The ways to other nodes: a bounded queue and a task for each that has something to get.
//!
//! A slow node holds up nobody else. What its queue has no room for is dropped, and comes when that
//! node asks for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::channel::Kind;
use archipelago_core::{NodeId, Pid};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::MAILBOX;
use crate::Sender;
use crate::node::Shared;

/// Words that wait for one node: some 16 MiB in pieces.
const WAITING_MAX: usize = 256;

/// A line with nothing to carry for so long ends.
const LINGER: Duration = Duration::from_secs(10);

/// The lines of one node.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: HashMap<NodeId, mpsc::Sender<Bytes>>,
}

impl Lines {
    /// Puts a word on the line to `to`, opened if there is none; whether there was room.
    pub(super) fn send(&mut self, shared: &Arc<Shared>, to: Pid, word: Bytes) -> bool {
        let tried = match self.open.get(&to.node) {
            Some(line) => line.try_send(word),
            None => Err(mpsc::error::TrySendError::Closed(word)),
        };
        match tried {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => false,
            Err(mpsc::error::TrySendError::Closed(word)) => {
                self.open.retain(|_, line| !line.is_closed());
                let (line, words) = mpsc::channel(WAITING_MAX);
                let is_taken = line.try_send(word).is_ok();
                self.open.insert(to.node, line);
                shared
                    .runtime
                    .handle()
                    .spawn(carry(shared.clone(), to, words));
                is_taken
            }
        }
    }
}

async fn carry(shared: Arc<Shared>, to: Pid, mut words: mpsc::Receiver<Bytes>) {
    let from = Pid {
        node: shared.id,
        boot: shared.boot(),
        local: MAILBOX,
        home: shared.home(),
    };
    let sender = Sender::new(shared.clone(), from);
    while let Ok(Some(word)) = tokio::time::timeout(LINGER, words.recv()).await {
        if sender.deliver(to, Kind::Cast, word).await.is_err() {
            shared.metrics.groupcast_words_dropped.add(1);
        }
    }
}
