//! Over Archipelago: two mailboxes at each end, one for messages and one for calls.
//!
//! A call and a message between the same two mailboxes keep their order, so that small calls
//! would wait for the long messages before them; of other mailboxes they do not.

use std::time::Duration;

use archipelago::{Mailbox, Node, NodeError, Pid, Sender};
use bytes::Bytes;

use super::error::LoadError;
use super::link::Link;
use super::tally::{Received, Tally};

/// Longest time that a call may take before the measurement is given up.
const CALL_MAX: Duration = Duration::from_secs(30);

/// Messages taken out of a mailbox at once.
const BATCH: usize = 256;

/// The sending end.
#[derive(Clone, Debug)]
pub struct Ours {
    messages: (Sender, Pid),
    calls: (Sender, Pid),
}

impl Ours {
    /// Sends from the mailboxes of `sink` and `echo` to those of the other process.
    pub fn new(sink: (&Mailbox, Pid), echo: (&Mailbox, Pid)) -> Self {
        Self {
            messages: (sink.0.sender(), sink.1),
            calls: (echo.0.sender(), echo.1),
        }
    }
}

impl Link for Ours {
    async fn send(&self, body: Bytes) -> Result<(), LoadError> {
        let (sender, to) = &self.messages;
        let sent = sender.send(*to, body).await;
        sent.map_err(LoadError::transport)
    }

    async fn flush(&self) -> Result<Received, LoadError> {
        let (sender, to) = &self.messages;
        let answer = sender.call(*to, Bytes::new(), CALL_MAX).await;
        Ok(serde_json::from_slice(
            &answer.map_err(LoadError::transport)?,
        )?)
    }

    async fn call(&self, body: Bytes) -> Result<Bytes, LoadError> {
        let (sender, to) = &self.calls;
        let answer = sender.call(*to, body, CALL_MAX).await;
        answer.map_err(LoadError::transport)
    }
}

/// The receiving end: serves two new mailboxes while the node lives; who they are, `sink` first.
pub async fn serve(node: &Node) -> Result<(Pid, Pid), NodeError> {
    let (sink, echo) = (node.mailbox().await?, node.mailbox().await?);
    let pids = (sink.pid(), echo.pid());
    tokio::spawn(count(sink));
    tokio::spawn(answer(echo));
    Ok(pids)
}

/// A call asks for what was counted; everything else is counted.
async fn count(mut sink: Mailbox) {
    let mut tally = Tally::new();
    let mut batch = Vec::new();
    while sink.recv_many(&mut batch, BATCH).await > 0 {
        for received in batch.drain(..) {
            match received.reply {
                None => tally.count(&received.payload),
                Some(reply) => {
                    let counted = serde_json::to_vec(&tally.take());
                    // Who gave up asking needs no answer.
                    let _ = reply.send(counted.unwrap_or_default()).await;
                }
            }
        }
    }
}

async fn answer(mut echo: Mailbox) {
    let mut batch = Vec::new();
    while echo.recv_many(&mut batch, BATCH).await > 0 {
        for received in batch.drain(..) {
            if let Some(reply) = received.reply {
                let _ = reply.send(received.payload).await;
            }
        }
    }
}
