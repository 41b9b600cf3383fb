//! Mailboxes: where messages between pids come out, and what sends them.
//!
//! A mailbox is bounded: a full one holds back its own senders, on this node or afar, and nobody
//! else. Messages between mailboxes of one node take no codec and no socket.

mod ended;
mod error;
mod local_names;
mod queue;
mod sender;
mod table;

pub(crate) use ended::Ended;
pub use error::{RecvError, SendError};
pub use local_names::LocalNameError;
pub(crate) use queue::{Intake, Room, end};
pub use sender::Sender;
pub(crate) use table::{Deliver, Slot, Table};

use std::any::{Any, TypeId};
use std::sync::Arc;

use archipelago_core::wire::Exit;
use archipelago_core::{LocalId, Pid};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::{CallError, Deadline, Reply};
use crate::identity::random_seed;
use crate::node::Shared;
use crate::{NodeError, StreamReader, StreamWriter, groupcast};
use queue::Outlet;

/// A message as its receiver gets it.
#[derive(Debug)]
pub struct Received {
    /// Who sent it; proved as far as its node, whose word it is which of its mailboxes.
    pub from: Pid,
    /// What was sent; shared bytes, not copied for the receiver.
    pub payload: Bytes,
    /// How to answer, if the sender waits for that.
    pub reply: Option<Reply>,
    /// The stream of bytes that it opens, if it was sent by [`Sender::send_stream`]; the payload
    /// says what it is about.
    pub stream: Option<StreamReader>,
    /// In place of the payload, from a sender on this node to a mailbox of the value's type.
    pub(crate) value: Option<Box<dyn Any + Send>>,
}

/// A mailbox of a node, with the pid that others send to. Dropping it ends the pid.
#[derive(Debug)]
pub struct Mailbox {
    sender: Sender,
    queue: Outlet,
    /// What its watchers hear when it is dropped.
    exit: Exit,
    /// Its end is the worker's to tell.
    has_worker: bool,
}

impl Mailbox {
    /// A new one, as soon as the node's boot is final.
    pub(crate) async fn open(
        shared: &Arc<Shared>,
        type_id: Option<TypeId>,
    ) -> Result<Self, NodeError> {
        let boot = shared.started().await?;
        // 64 random bits: a second draw after a clash is already unheard of.
        for _ in 0..4 {
            let local = LocalId(random_u64()?);
            if matches!(local, LocalId::NODE | LocalId::STREAMS | groupcast::MAILBOX) {
                continue;
            }
            if let Some(queue) = shared.mailboxes.insert(local, type_id) {
                let pid = Pid {
                    node: shared.id,
                    boot,
                    local,
                    home: shared.home(),
                };
                return Ok(Self::new(shared.clone(), pid, queue));
            }
        }
        Err(NodeError::TooManyMailboxes)
    }

    fn new(shared: Arc<Shared>, pid: Pid, queue: Outlet) -> Self {
        Self {
            sender: Sender::new(shared, pid),
            queue,
            exit: Exit::Normal,
            has_worker: false,
        }
    }

    /// The worker that it is given to tells of its end, with the reason.
    pub(crate) const fn leave_end_to_worker(&mut self) {
        self.has_worker = true;
    }

    /// What others send to.
    pub const fn pid(&self) -> Pid {
        self.sender.pid()
    }

    /// Ends the pid as a process that ended like this: whoever monitors it hears
    /// [`EndReason::Exited`](crate::EndReason::Exited) with it. Dropped, it ends with
    /// [`Exit::Normal`].
    pub fn end(mut self, exit: Exit) {
        self.exit = exit;
    }

    /// The next message, or `None` when the mailbox is empty and the node has stopped, or the
    /// mailbox was killed (by [`OnLoss::Kill`](crate::OnLoss::Kill)).
    ///
    /// Cancel safe: a message is taken only when it is returned.
    pub async fn recv(&mut self) -> Option<Received> {
        loop {
            let received = self.queue.recv().await?;
            if let Some(received) = self.fresh(received) {
                return Some(received);
            }
        }
    }

    /// The next message, if one is there.
    pub fn try_recv(&mut self) -> Option<Received> {
        loop {
            let received = self.queue.try_recv()?;
            if let Some(received) = self.fresh(received) {
                return Some(received);
            }
        }
    }

    /// Waits for a message and appends it and what else is there, at most `len_max`; returns how
    /// many. 0: the node has stopped and the mailbox is empty.
    ///
    /// Cancel safe: nothing is taken unless it is appended.
    pub async fn recv_many(&mut self, batch: &mut Vec<Received>, len_max: usize) -> usize {
        let before = batch.len();
        while self.queue.recv_many(batch, len_max).await > 0 {
            let taken = batch.split_off(before);
            batch.extend(taken.into_iter().filter_map(|one| self.fresh(one)));
            if batch.len() > before {
                break;
            }
        }
        batch.len() - before
    }

    /// The message, unless it is a call that nobody waits for any more: that is counted, and gone.
    fn fresh(&self, mut received: Received) -> Option<Received> {
        match received.reply.take() {
            Some(reply) if reply.is_expired() => {
                self.sender.shared().metrics.calls_expired.add(1);
                reply.forget();
                None
            }
            reply => Some(Received { reply, ..received }),
        }
    }

    /// The next message as a value that was sent by [`Sender::send_typed`].
    ///
    /// Cancel safe: a message is taken only when it is returned.
    ///
    /// # Errors
    /// [`RecvError::Decode`] for a message that is not a `T` (it is taken out);
    /// [`RecvError::Stopped`] at the end.
    pub async fn recv_typed<T: DeserializeOwned>(&mut self) -> Result<(Pid, T), RecvError> {
        let received = self.recv().await.ok_or(RecvError::Stopped)?;
        received.decode()
    }

    /// What sends in this mailbox's name; cheap to clone, and free to go to another task.
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// As [`Sender::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&self, to: Pid, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.send(to, payload).await
    }

    /// As [`Sender::send_stream`].
    ///
    /// # Errors
    /// As there.
    pub async fn send_stream(
        &self,
        to: Pid,
        about: impl Into<Bytes>,
    ) -> Result<StreamWriter, SendError> {
        self.sender.send_stream(to, about).await
    }

    /// As [`Sender::call`].
    ///
    /// # Errors
    /// As there.
    pub async fn call(
        &self,
        to: Pid,
        payload: impl Into<Bytes>,
        deadline: impl Into<Deadline>,
    ) -> Result<Bytes, CallError> {
        self.sender.call(to, payload, deadline).await
    }

    /// As [`Sender::try_send`].
    ///
    /// # Errors
    /// As there.
    pub fn try_send(&self, to: Pid, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.sender.try_send(to, payload)
    }

    /// As [`Sender::send_typed`].
    ///
    /// # Errors
    /// As there.
    pub async fn send_typed<T: Serialize + Sync>(
        &self,
        to: Pid,
        value: &T,
    ) -> Result<(), SendError> {
        self.sender.send_typed(to, value).await
    }
}

impl Received {
    /// One that nobody waits for an answer to.
    pub(crate) const fn cast(from: Pid, payload: Bytes) -> Self {
        Self {
            from,
            payload,
            reply: None,
            stream: None,
            value: None,
        }
    }

    /// The payload as a value that was sent by [`Sender::send_typed`].
    ///
    /// # Errors
    /// [`RecvError::Decode`] when the bytes are not a `T`, or more than a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<(Pid, T), RecvError> {
        let failed = |reason: String| RecvError::Decode {
            from: self.from,
            reason,
        };
        let (value, rest) =
            postcard::take_from_bytes(&self.payload).map_err(|error| failed(error.to_string()))?;
        if rest.is_empty() {
            Ok((self.from, value))
        } else {
            Err(failed(format!("{} bytes too many", rest.len())))
        }
    }
}

fn random_u64() -> Result<u64, NodeError> {
    let bytes = random_seed().map_err(|_| NodeError::NoRandom)?;
    let (first, _) = bytes.split_first_chunk().ok_or(NodeError::NoRandom)?;
    Ok(u64::from_le_bytes(*first))
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let (shared, local) = (self.sender.shared(), self.pid().local);
        shared.mailboxes.remove(local);
        if !self.has_worker {
            shared.ended.note(local, self.exit.clone());
        }
        // What is left ends with the queue.
    }
}
