//! The way to a peer's task: a queue bounded in bytes, and what is known of the way.
//!
//! Everything that is for the task lies under one short lock; the task takes all of it at once.
//!
//! Short messages have a queue of their own, or they would wait for the long ones before them to
//! be accepted; but a short message never passes a long one between the same two mailboxes. Who
//! sends to a full mailbox waits before the queues, and holds up nobody else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use archipelago_core::channel::{ChannelConfig, Path, StreamId};
use archipelago_core::{Boot, GroupId, LocalId, NodeId};
use archipelago_router::Unreachable;
use bytes::Bytes;
use futures::task::AtomicWaker;
use libp2p::Stream;
use tokio::sync::{Semaphore, watch};

use super::driven::Driven;
use super::figures::{Figures, PeerInfo};
use super::inbox::{Inbox, Left};
use super::outgoing::{Freed, Lane, OVERHEAD_BYTES, Outgoing, PushError};
use crate::stream::Way;
use crate::{Limits, SendError};

/// Frames by relay that wait for the task; beyond it they are dropped, and sent again.
const RELAYED_MAX: usize = 256;

/// What is known of the way to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// A path is being looked for.
    Seeking,
    /// A path to this start of the peer is attached.
    Attached(Boot),
    /// No path was found.
    Failed(Unreachable),
    /// The task came to rest.
    Ended,
    /// This node has stopped.
    Stopped,
}

/// Something for the task from the node's task.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A path may be used.
    Attach(Path, Boot),
    /// It may no longer.
    Detach(Path),
    /// No path was found.
    Unreachable(Unreachable),
    /// The peer opened its data stream.
    Inbound(archipelago_core::wire::SessionId, Stream),
    /// Our data stream, as asked for.
    Outbound(archipelago_core::wire::SessionId, Stream),
}

/// What became of frames that came by relay or detour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relayed {
    /// The task has them.
    Taken,
    /// There is no room for them.
    NoRoom,
    /// The task came to rest in between; another must be started.
    Ended,
}

/// The way to one peer's task.
#[derive(Debug)]
pub(crate) struct PeerHandle {
    pub(crate) id: NodeId,
    home: OnceLock<GroupId>,
    inbox: Mutex<Inbox>,
    pub(crate) waker: AtomicWaker,
    /// The task, while it runs.
    driven: OnceLock<Weak<Driven>>,
    /// A permit per byte that still fits the queue of short messages.
    room_short: Semaphore,
    /// The same for the queue of long ones.
    room_long: Semaphore,
    /// Messages in `long_flows`: while there are none, no flow has to be looked up.
    long_count: AtomicUsize,
    /// Mailboxes in `full`: while there are none, no gate has to be looked for.
    full_count: AtomicUsize,
    /// Streams to the peer that have a place.
    pub(super) streams_len: AtomicUsize,
    pub(super) figures: Figures,
    queue_bytes_max: usize,
    reach: watch::Sender<Reach>,
}

impl PeerHandle {
    pub(crate) fn new(id: NodeId, home: Option<GroupId>, queue_bytes_max: usize) -> Self {
        let queue_bytes_max = queue_bytes_max.clamp(OVERHEAD_BYTES, u32::MAX as usize >> 4);
        Self {
            id,
            home: home.map_or_else(OnceLock::new, OnceLock::from),
            inbox: Mutex::default(),
            waker: AtomicWaker::new(),
            driven: OnceLock::new(),
            room_short: Semaphore::new(queue_bytes_max),
            room_long: Semaphore::new(queue_bytes_max),
            long_count: AtomicUsize::new(0),
            full_count: AtomicUsize::new(0),
            streams_len: AtomicUsize::new(0),
            figures: Figures::default(),
            queue_bytes_max,
            reach: watch::Sender::new(Reach::Seeking),
        }
    }

    /// Where to look the peer up; none until somebody says so.
    pub(crate) fn home(&self) -> Option<GroupId> {
        self.home.get().copied()
    }

    /// Somebody knows where to look the peer up; the first word counts.
    pub(crate) fn learn_home(&self, home: Option<GroupId>) {
        if let Some(home) = home {
            // It is only a hint: the second word is as good as the first.
            let _ = self.home.set(home);
        }
    }

    /// Waits until a path leads to the start `boot` of the peer, or the task ends.
    pub(crate) async fn reached(&self, boot: Boot) -> Result<(), SendError> {
        let known = *self.reach.borrow();
        let reach = match known {
            Reach::Seeking => {
                let mut changes = self.reach.subscribe();
                let found = changes.wait_for(|reach| *reach != Reach::Seeking).await;
                found.map_or(Reach::Stopped, |reach| *reach)
            }
            reach => reach,
        };
        match reach {
            Reach::Attached(attached) if attached > boot && boot != Boot::ANY => {
                Err(SendError::NoMailbox)
            }
            // An older start of the peer is still attached: the queue waits for the new one.
            Reach::Attached(_) | Reach::Seeking | Reach::Ended => Ok(()),
            Reach::Failed(reason) => Err(SendError::Unreachable(reason)),
            Reach::Stopped => Err(SendError::Stopped),
        }
    }

    /// What takes from the queue.
    pub(super) fn set_driven(&self, driven: &Arc<Driven>) {
        let known = self.driven.set(Arc::downgrade(driven));
        debug_assert!(known.is_ok(), "a handle is of one task");
    }

    /// Puts a short message into the queue, if a path is there and nothing is to be waited for;
    /// gives it back otherwise. Whether the task waits for it: then call [`Self::send_now`].
    pub(crate) fn push_now(&self, outgoing: Outgoing) -> Result<bool, Outgoing> {
        if !outgoing.is_short() {
            return Err(outgoing);
        }
        let Ok(permit) = self.room_short.try_acquire_many(self.cost(&outgoing)) else {
            return Err(outgoing);
        };
        let mut inbox = self.lock();
        if !inbox.takes_now(&outgoing) {
            return Err(outgoing);
        }
        inbox.short.push_back(outgoing);
        let is_waited_for = std::mem::take(&mut inbox.wants_short);
        drop(inbox);
        permit.forget();
        Ok(is_waited_for)
    }

    /// Sends what the task waits for, in its place if it may be, or wakes it. It may take some
    /// system calls: no lock of the caller's should be held.
    pub(crate) fn send_now(&self) {
        let driven = self.driven.get().and_then(Weak::upgrade);
        if !driven.is_some_and(|driven| driven.send_now()) {
            self.waker.wake();
        }
    }

    /// Puts a message into the queue, waiting for room, and for room in the peer's mailbox if that
    /// is known to be full. Cancel safe: it is there or not.
    pub(crate) async fn push(&self, mut outgoing: Outgoing) -> Result<(), PushError> {
        while let Some(gate) = self.gate(outgoing.message.to) {
            // It has no permits: it is left when it closes.
            let _closed = gate.acquire().await;
        }
        outgoing.lane = self.lane(&outgoing);
        let room = self.room(outgoing.lane);
        let Ok(permit) = room.acquire_many(self.cost(&outgoing)).await else {
            return Err(self.ended(outgoing));
        };
        self.insert(outgoing, permit)
    }

    /// Puts a message into the queue, if that and the peer's mailbox have room.
    pub(crate) fn try_push(&self, mut outgoing: Outgoing) -> Result<(), PushError> {
        if self.gate(outgoing.message.to).is_some() {
            return Err(PushError::Failed(SendError::Full));
        }
        outgoing.lane = self.lane(&outgoing);
        match self
            .room(outgoing.lane)
            .try_acquire_many(self.cost(&outgoing))
        {
            Ok(permit) => self.insert(outgoing, permit),
            Err(tokio::sync::TryAcquireError::NoPermits) => Err(PushError::Failed(SendError::Full)),
            Err(tokio::sync::TryAcquireError::Closed) => Err(self.ended(outgoing)),
        }
    }

    /// Where the senders to a full mailbox of the peer wait.
    fn gate(&self, to: LocalId) -> Option<Arc<Semaphore>> {
        if self.full_count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.lock().full.get(&to).cloned()
    }

    /// For the task: a mailbox of the peer is full, or has room again.
    pub(crate) fn set_full(&self, to: LocalId, is_full: bool) {
        let mut inbox = self.lock();
        if is_full && !inbox.is_ended {
            let gate = || Arc::new(Semaphore::new(0));
            inbox.full.entry(to).or_insert_with(gate);
        } else if let Some(gate) = inbox.full.remove(&to) {
            gate.close();
        }
        self.full_count.store(inbox.full.len(), Ordering::Relaxed);
    }

    /// For the task: no mailbox of the peer is known to be full any more.
    pub(crate) fn clear_full(&self) {
        let mut inbox = self.lock();
        inbox.open_gates();
        self.full_count.store(0, Ordering::Relaxed);
    }

    fn insert(
        &self,
        outgoing: Outgoing,
        permit: tokio::sync::SemaphorePermit<'_>,
    ) -> Result<(), PushError> {
        let mut inbox = self.lock();
        if inbox.is_ended {
            drop(inbox);
            return Err(self.ended(outgoing));
        }
        let is_waited_for = match outgoing.lane {
            Lane::Short => {
                inbox.short.push_back(outgoing);
                std::mem::take(&mut inbox.wants_short)
            }
            Lane::Long => {
                *inbox.long_flows.entry(outgoing.flow()).or_default() += 1;
                self.long_count.fetch_add(1, Ordering::Relaxed);
                inbox.long.push_back(outgoing);
                std::mem::take(&mut inbox.wants_long)
            }
        };
        drop(inbox);
        permit.forget();
        if is_waited_for {
            self.waker.wake();
        }
        Ok(())
    }

    fn ended(&self, outgoing: Outgoing) -> PushError {
        match *self.reach.borrow() {
            Reach::Failed(reason) => PushError::Failed(SendError::Unreachable(reason)),
            Reach::Stopped => PushError::Failed(SendError::Stopped),
            Reach::Seeking | Reach::Attached(_) | Reach::Ended => PushError::Ended(outgoing),
        }
    }

    /// A short message joins the long ones that its own sender gave its receiver before.
    fn lane(&self, outgoing: &Outgoing) -> Lane {
        if !outgoing.is_short() {
            return Lane::Long;
        }
        let follows = self.long_count.load(Ordering::Relaxed) > 0
            && self.lock().long_flows.contains_key(&outgoing.flow());
        if follows { Lane::Long } else { Lane::Short }
    }

    const fn room(&self, lane: Lane) -> &Semaphore {
        match lane {
            Lane::Short => &self.room_short,
            Lane::Long => &self.room_long,
        }
    }

    fn cost(&self, outgoing: &Outgoing) -> u32 {
        u32::try_from(outgoing.cost(self.queue_bytes_max)).unwrap_or(u32::MAX)
    }

    /// What is held for the peer.
    pub(crate) fn info(&self, limits: &Limits, config: &ChannelConfig) -> PeerInfo {
        let free = self.room_short.available_permits() + self.room_long.available_permits();
        let queued = (2 * self.queue_bytes_max).saturating_sub(free);
        self.figures.read(self.id, queued, limits, config)
    }

    /// Bytes that each of the two queues has room for.
    pub(super) const fn queue_bytes_max(&self) -> usize {
        self.queue_bytes_max
    }

    /// For the task: a message left the queue for the channel, or is given up.
    pub(super) fn note_freed(&self, outgoing: &Outgoing, freed: &mut Freed) {
        freed.add(outgoing, self.queue_bytes_max);
    }

    /// For the task: the room that messages left is free again.
    pub(super) fn release(&self, freed: Freed) {
        if !freed.long_flows.is_empty() {
            let mut inbox = self.lock();
            for flow in &freed.long_flows {
                inbox.forget_long(*flow);
            }
            drop(inbox);
            self.long_count
                .fetch_sub(freed.long_flows.len(), Ordering::Relaxed);
        }
        for (room, bytes) in [
            (&self.room_short, freed.short),
            (&self.room_long, freed.long),
        ] {
            if bytes > 0 {
                room.add_permits(bytes);
            }
        }
    }

    /// Puts a letter into its queue, if that has room and the task has not ended.
    pub(crate) fn push_letter(&self, letter: Outgoing) -> Result<(), PushError> {
        {
            let mut inbox = self.lock();
            if inbox.is_ended {
                drop(inbox);
                return Err(self.ended(letter));
            }
            if !inbox.letters.push(letter) {
                return Err(PushError::Failed(SendError::Full));
            }
        }
        self.waker.wake();
        Ok(())
    }

    /// Tells the task something; gives it back if the task has ended.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Box<Signal>> {
        {
            let mut inbox = self.lock();
            if inbox.is_ended {
                return Err(Box::new(signal));
            }
            inbox.signals.push_back(signal);
        }
        self.waker.wake();
        Ok(())
    }

    /// Hands frames over that came by relay or detour.
    pub(crate) fn relayed(&self, path: Path, boot: Boot, frames: Bytes) -> Relayed {
        {
            let mut inbox = self.lock();
            if inbox.is_ended {
                return Relayed::Ended;
            }
            if inbox.relayed.len() >= RELAYED_MAX {
                return Relayed::NoRoom;
            }
            inbox.relayed.push_back((path, boot, frames));
        }
        self.waker.wake();
        Relayed::Taken
    }

    /// A user did something with a stream that the task is to look at.
    pub(crate) fn touch(&self, way: Way, id: StreamId) {
        {
            let mut inbox = self.lock();
            if inbox.is_ended {
                return;
            }
            inbox.touched.push((way, id));
        }
        self.waker.wake();
    }

    pub(crate) fn set_reach(&self, reach: Reach) {
        self.lock().attached = match reach {
            Reach::Attached(boot) => Some(boot),
            _ => None,
        };
        self.reach.send_replace(reach);
    }

    /// For the task: everything that waits.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the task: ends the queue if nothing waits in it.
    pub(crate) fn end_if_empty(&self) -> bool {
        let mut inbox = self.lock();
        if !inbox.is_empty() {
            return false;
        }
        inbox.is_ended = true;
        inbox.open_gates();
        self.full_count.store(0, Ordering::Relaxed);
        drop(inbox);
        self.set_reach(Reach::Ended);
        self.room_short.close();
        self.room_long.close();
        true
    }

    /// For the task: ends the queue, whatever waits in it, and returns that.
    pub(crate) fn end(&self, reach: Reach) -> Left {
        self.set_reach(reach);
        let mut inbox = self.lock();
        inbox.open_gates();
        self.full_count.store(0, Ordering::Relaxed);
        let left = std::mem::take(&mut *inbox);
        inbox.is_ended = true;
        drop(inbox);
        self.room_short.close();
        self.room_long.close();
        let mut messages = left.short;
        messages.extend(left.long);
        Left {
            messages,
            has_letters: !left.letters.is_empty(),
            signals: left.signals,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream or a frame that comes in the moment in which the task ends is not lost: whoever
    /// brings it has it back, for the next task.
    #[test]
    fn a_task_that_ended_gives_back_what_comes_for_it() {
        let handle = PeerHandle::new(NodeId([1; 32]), None, 1_024);
        let boot = Boot(1);
        let frames = Bytes::from_static(b"frames");
        assert!(handle.signal(Signal::Attach(Path::Relay, boot)).is_ok());
        let relayed = handle.relayed(Path::Relay, boot, frames.clone());
        assert_eq!(relayed, Relayed::Taken);
        assert!(!handle.end_if_empty());
        handle.end(Reach::Ended);
        let back = handle.signal(Signal::Attach(Path::Relay, boot));
        assert!(matches!(
            back.map_err(|back| *back),
            Err(Signal::Attach(Path::Relay, Boot(1)))
        ));
        let relayed = handle.relayed(Path::Relay, boot, frames);
        assert_eq!(relayed, Relayed::Ended);
    }
}
