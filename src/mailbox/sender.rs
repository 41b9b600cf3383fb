//! Sends in a mailbox's name: on this node directly, to others through the peer's queue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use archipelago_core::Pid;
use archipelago_core::channel::Kind;
use bytes::Bytes;
use serde::Serialize;

use super::{Deliver, Received, SendError, Slot};
use crate::call::Reply;
use crate::node::Shared;
use crate::peer::{Opening, Outgoing, PeerHandle, Place, PushError};
use crate::stream::{Far, Pipe, StreamReader, StreamWriter, Way};

/// What sends in the name of one mailbox. Clones send in the same name.
///
/// Messages of one task to one pid arrive in the order in which their sends returned, once, and
/// without gaps while neither end forgets the other (a restart, or
/// [`NodeEvent::Undelivered`](crate::NodeEvent::Undelivered)).
#[derive(Clone, Debug)]
pub struct Sender {
    shared: Arc<Shared>,
    pid: Pid,
    recent: Recent,
}

/// The peer that was written to last: while its task runs, writing to it again needs no look-up.
#[derive(Debug, Default)]
struct Recent(Mutex<Option<Arc<PeerHandle>>>);

impl Recent {
    /// Puts the message into the peer's queue if it is that peer and nothing is to be waited for,
    /// or sends it at once if nothing is before it; gives it back otherwise.
    fn push_now(&self, to: &Pid, outgoing: Outgoing) -> Result<(), Outgoing> {
        let waiting = match &*self.lock() {
            Some(peer) if peer.id == to.node => {
                let is_waited_for = peer.push_now(outgoing)?;
                is_waited_for.then(|| peer.clone())
            }
            _ => return Err(outgoing),
        };
        if let Some(peer) = waiting {
            peer.send_now();
        }
        Ok(())
    }

    fn set(&self, peer: Arc<PeerHandle>) {
        *self.lock() = Some(peer);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<PeerHandle>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Recent {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }
}

impl Sender {
    pub(crate) const fn new(shared: Arc<Shared>, pid: Pid) -> Self {
        let recent = Recent(Mutex::new(None));
        Self {
            shared,
            pid,
            recent,
        }
    }

    /// One that writes to `peer` first of all.
    pub(crate) const fn towards(shared: Arc<Shared>, pid: Pid, peer: Arc<PeerHandle>) -> Self {
        let recent = Recent(Mutex::new(Some(peer)));
        Self {
            shared,
            pid,
            recent,
        }
    }

    /// Puts what was checked into the queue to another node, if that can be done at once; gives it
    /// back otherwise.
    pub(crate) fn deliver_now(&self, to: Pid, kind: Kind, payload: Bytes) -> Result<(), Bytes> {
        let outgoing = Outgoing::new(self.pid.local, to, kind, payload);
        let pushed = self.recent.push_now(&to, outgoing);
        pushed.map_err(|outgoing| outgoing.message.payload)
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// In whose name it sends.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends bytes to `to`, waiting while a queue on the way is full, and until a first path to a
    /// far node is found (a look-up of some milliseconds, not a dial).
    ///
    /// `Ok` says that the message has its place in the order; it is delivered unless the peer
    /// ends, and if it may not have been, the node says
    /// [`NodeEvent::Undelivered`](crate::NodeEvent::Undelivered).
    ///
    /// Cancel safe: dropped before it returns, nothing was sent.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent. A node that cannot be reached is an error as soon as the
    /// look-up says so, never a hang.
    pub async fn send(&self, to: Pid, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let payload = self.checked(payload.into())?;
        self.deliver(to, Kind::Cast, payload).await
    }

    /// Sends what was checked; dropped before it returns, nothing was sent.
    pub(crate) async fn deliver(
        &self,
        to: Pid,
        kind: Kind,
        payload: Bytes,
    ) -> Result<(), SendError> {
        if to.node == self.shared.id {
            let slot = self.here(to)?;
            return self.put(slot, self.received(kind, payload)).await;
        }
        let outgoing = Outgoing::new(self.pid.local, to, kind, payload);
        let Err(mut outgoing) = self.recent.push_now(&to, outgoing) else {
            return Ok(());
        };
        loop {
            let peer = self.shared.peer(to.node, to.home)?;
            peer.reached(to.boot).await?;
            match peer.push(outgoing).await {
                Ok(()) => {
                    self.recent.set(peer);
                    return Ok(());
                }
                // Its task came to rest in between: start it again.
                Err(PushError::Ended(back)) => outgoing = back,
                Err(PushError::Failed(error)) => return Err(error),
            }
        }
    }

    /// Sends bytes to `to` if every queue on the way has room now.
    ///
    /// To a far node that no path leads to yet, the message waits in the peer's queue for the
    /// look-up; if that fails, the node says
    /// [`NodeEvent::Undelivered`](crate::NodeEvent::Undelivered).
    ///
    /// # Errors
    /// [`SendError::Full`] when a queue is full; other [`SendError`]s as for [`Sender::send`].
    /// Nothing was sent.
    pub fn try_send(&self, to: Pid, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let payload = self.checked(payload.into())?;
        self.try_deliver(to, Kind::Cast, payload)
    }

    /// Sends what was checked, if every queue on the way has room.
    pub(crate) fn try_deliver(&self, to: Pid, kind: Kind, payload: Bytes) -> Result<(), SendError> {
        if to.node == self.shared.id {
            self.here(to)?;
            return self.try_put(to, self.received(kind, payload));
        }
        let outgoing = Outgoing::new(self.pid.local, to, kind, payload);
        let Err(mut outgoing) = self.recent.push_now(&to, outgoing) else {
            return Ok(());
        };
        loop {
            let peer = self.shared.peer(to.node, to.home)?;
            match peer.try_push(outgoing) {
                Ok(()) => {
                    self.recent.set(peer);
                    return Ok(());
                }
                Err(PushError::Ended(back)) => outgoing = back,
                Err(PushError::Failed(error)) => return Err(error),
            }
        }
    }

    /// Opens a stream of bytes to `to`, for a body of any length: the receiver gets a message with
    /// `about` as its payload and a [`StreamReader`] in [`Received::stream`], in the order of this
    /// sender's messages to `to`.
    ///
    /// What is written leaves as the reader takes it, whatever path there is, and beside all other
    /// messages: pieces wait for no one's messages and hold up none. `Ok` says that the opening has
    /// its place in the order; what comes of it the [`StreamWriter`] says.
    ///
    /// Cancel safe: dropped before it returns, nothing was sent.
    ///
    /// # Errors
    /// [`SendError::TooManyStreams`] beyond [`Limits::streams_per_peer_max`]; other [`SendError`]s
    /// as for [`Sender::send`]. Nothing was sent.
    ///
    /// [`Limits::streams_per_peer_max`]: crate::Limits::streams_per_peer_max
    pub async fn send_stream(
        &self,
        to: Pid,
        about: impl Into<Bytes>,
    ) -> Result<StreamWriter, SendError> {
        let about = self.checked(about.into())?;
        if to.node == self.shared.id {
            return self.stream_here(to, about).await;
        }
        let limits = &self.shared.limits;
        let (id, way) = (self.shared.stream_id(), Way::Out);
        let pipe = Pipe::new(limits.stream_buffer_bytes, None);
        let mut outgoing = Outgoing::new(self.pid.local, to, Kind::Stream { id }, about);
        loop {
            let peer = self.shared.peer(to.node, to.home)?;
            peer.reached(to.boot).await?;
            let place = Place::take(&peer, limits.streams_per_peer_max);
            let place = place.ok_or(SendError::TooManyStreams)?;
            let far = Far { peer, way, id };
            pipe.set_far(far.clone());
            outgoing.stream = Some(Box::new(Opening::new(pipe.clone(), place)));
            match far.peer.push(outgoing).await {
                Ok(()) => return Ok(StreamWriter::new(pipe)),
                Err(PushError::Ended(mut back)) => {
                    back.stream.take().and_then(|opening| opening.take());
                    outgoing = back;
                }
                Err(PushError::Failed(error)) => return Err(error),
            }
        }
    }

    /// A stream between two mailboxes of this node: one pipe, and nothing else.
    async fn stream_here(&self, to: Pid, about: Bytes) -> Result<StreamWriter, SendError> {
        let slot = self.here(to)?;
        let pipe = Pipe::new(self.shared.limits.stream_window_bytes, None);
        let writer = StreamWriter::new(pipe.clone());
        let mut received = self.received(Kind::Cast, about);
        received.stream = Some(StreamReader::new(pipe));
        self.put(slot, received).await?;
        Ok(writer)
    }

    /// Sends a value to `to`, written with postcard; [`Mailbox::recv_typed`] reads it.
    ///
    /// Cancel safe, as [`Sender::send`].
    ///
    /// # Errors
    /// [`SendError::Encode`], and as for [`Sender::send`].
    ///
    /// [`Mailbox::recv_typed`]: crate::Mailbox::recv_typed
    pub async fn send_typed<T: Serialize + Sync>(
        &self,
        to: Pid,
        value: &T,
    ) -> Result<(), SendError> {
        let bytes =
            postcard::to_stdvec(value).map_err(|error| SendError::Encode(error.to_string()))?;
        self.send(to, bytes).await
    }

    pub(crate) fn checked(&self, payload: Bytes) -> Result<Bytes, SendError> {
        let max = self.shared.channel_config.message_bytes_max;
        if payload.len() > max {
            return Err(SendError::TooLong {
                len: payload.len(),
                max,
            });
        }
        if self.shared.is_stopped() {
            return Err(SendError::Stopped);
        }
        Ok(payload)
    }

    /// As the receiver on this node gets it.
    pub(crate) fn received(&self, kind: Kind, payload: Bytes) -> Received {
        let received = Received::cast(self.pid, payload);
        let Kind::Call { id, deadline } = kind else {
            return received;
        };
        let reply = Reply::new(&self.shared, self.pid.local, self.pid, id, deadline);
        Received {
            reply: Some(reply),
            ..received
        }
    }

    /// Waits for room in a mailbox of this node. Dropped before it returns, nothing was sent.
    pub(crate) async fn put(&self, slot: Slot, received: Received) -> Result<(), SendError> {
        let Some(room) = slot.queue.room(1).await else {
            withdraw(received);
            return Err(SendError::NoMailbox);
        };
        room.put(received);
        self.shared.metrics.messages_local.add(1);
        Ok(())
    }

    /// Puts a message into a mailbox of this node, if that has room.
    pub(crate) fn try_put(&self, to: Pid, received: Received) -> Result<(), SendError> {
        match self.shared.mailboxes.deliver(to.local, received) {
            Deliver::Done => {
                self.shared.metrics.messages_local.add(1);
                Ok(())
            }
            Deliver::Full => Err(SendError::Full),
            Deliver::NoMailbox => Err(SendError::NoMailbox),
        }
    }

    /// The way into a mailbox of this node.
    pub(crate) fn here(&self, to: Pid) -> Result<Slot, SendError> {
        if !to.boot.covers(self.shared.boot()) {
            return Err(SendError::NoMailbox);
        }
        self.shared
            .mailboxes
            .find(to.local)
            .ok_or(SendError::NoMailbox)
    }
}

/// A call that was not handed over is not answered by its reply's end, but by the error.
fn withdraw(received: Received) {
    if let Some(reply) = received.reply {
        reply.forget();
    }
}
