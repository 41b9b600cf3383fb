//! The way to a peer's task: a queue bounded in bytes, and what is known of the way.
//!
//! Everything that is for the task lies under one short lock; the task takes all of it at once.
//!
//! Short messages have a queue of their own, or they would wait for the long ones before them to
//! be accepted; but a short message never passes a long one between the same two mailboxes. Who
//! sends to a full mailbox waits before the queues, and holds up nobody else.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use archipelago_core::channel::{Kind, Message, Path};
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Pid};
use archipelago_router::{LETTERS_BYTES_MAX, LETTERS_LEN_MAX, Unreachable};
use bytes::Bytes;
use futures::task::AtomicWaker;
use libp2p::Stream;
use tokio::sync::{Semaphore, watch};

use crate::SendError;

/// Bytes that a message counts for beside its payload.
const OVERHEAD_BYTES: usize = 64;

/// Longest payload of a short message: what the channel sends in one chunk.
const SHORT_BYTES_MAX: usize = 16 * 1024;

/// Frames by relay that wait for the task; beyond it they are dropped, and sent again.
const RELAYED_MAX: usize = 256;

/// A message on its way into a peer's channel.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Message,
    /// The start of the peer that it is meant for.
    pub(crate) boot: Boot,
    /// Whose room it takes; decided when it enters.
    lane: Lane,
    /// A mailbox of this node whose messages go first.
    pub(crate) after: Option<LocalId>,
}

/// Which of the two queues a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Short messages.
    Short,
    /// Long ones, and short ones that follow a long one between the same mailboxes.
    Long,
}

/// Why a message did not enter.
#[derive(Debug)]
pub(crate) enum PushError {
    /// The task came to rest; another must be started.
    Ended(Outgoing),
    /// It cannot be sent.
    Failed(SendError),
}

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

/// What waited for a task that ended.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) messages: VecDeque<Outgoing>,
    pub(crate) has_letters: bool,
    pub(crate) signals: VecDeque<Signal>,
}

/// All that waits for the task.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) short: VecDeque<Outgoing>,
    pub(crate) long: VecDeque<Outgoing>,
    /// Messages in the long queue or taken from it, and not in the channel yet, by their mailboxes.
    long_flows: HashMap<(LocalId, LocalId), usize>,
    /// At most a few per session that lives: paths and streams come and go with sessions.
    pub(crate) signals: VecDeque<Signal>,
    pub(crate) letters: Letters,
    pub(crate) relayed: VecDeque<(Path, Boot, Bytes)>,
    /// The peer's full mailboxes; each gate closes, and lets all pass, when there is room.
    full: HashMap<LocalId, Arc<Semaphore>>,
    pub(crate) is_ended: bool,
}

/// Letters of the control machine on their way into the channel.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    queue: VecDeque<Outgoing>,
    bytes: usize,
}

/// The way to one peer's task.
#[derive(Debug)]
pub(crate) struct PeerHandle {
    pub(crate) id: NodeId,
    home: OnceLock<GroupId>,
    inbox: Mutex<Inbox>,
    pub(crate) waker: AtomicWaker,
    /// A permit per byte that still fits the queue of short messages.
    room_short: Semaphore,
    /// The same for the queue of long ones.
    room_long: Semaphore,
    /// Messages in `long_flows`: while there are none, no flow has to be looked up.
    long_count: AtomicUsize,
    /// Mailboxes in `full`: while there are none, no gate has to be looked for.
    full_count: AtomicUsize,
    queue_bytes_max: usize,
    reach: watch::Sender<Reach>,
}

impl Outgoing {
    pub(crate) const fn new(from: LocalId, to: Pid, kind: Kind, payload: Bytes) -> Self {
        Self {
            message: Message {
                from,
                to: to.local,
                kind,
                payload,
            },
            boot: to.boot,
            lane: Lane::Short,
            after: None,
        }
    }

    /// A letter, for whichever start of the peer is alive.
    pub(crate) const fn letter(payload: Bytes, after: Option<LocalId>) -> Self {
        Self {
            message: Message {
                from: LocalId::NODE,
                to: LocalId::NODE,
                kind: Kind::Cast,
                payload,
            },
            boot: Boot::ANY,
            lane: Lane::Short,
            after,
        }
    }

    const fn flow(&self) -> (LocalId, LocalId) {
        (self.message.from, self.message.to)
    }
}

impl PeerHandle {
    pub(crate) fn new(id: NodeId, home: Option<GroupId>, queue_bytes_max: usize) -> Self {
        let queue_bytes_max = queue_bytes_max.clamp(OVERHEAD_BYTES, u32::MAX as usize >> 4);
        Self {
            id,
            home: home.map_or_else(OnceLock::new, OnceLock::from),
            inbox: Mutex::default(),
            waker: AtomicWaker::new(),
            room_short: Semaphore::new(queue_bytes_max),
            room_long: Semaphore::new(queue_bytes_max),
            long_count: AtomicUsize::new(0),
            full_count: AtomicUsize::new(0),
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
        {
            let mut inbox = self.lock();
            if inbox.is_ended {
                drop(inbox);
                return Err(self.ended(outgoing));
            }
            match outgoing.lane {
                Lane::Short => inbox.short.push_back(outgoing),
                Lane::Long => {
                    *inbox.long_flows.entry(outgoing.flow()).or_default() += 1;
                    self.long_count.fetch_add(1, Ordering::Relaxed);
                    inbox.long.push_back(outgoing);
                }
            }
        }
        permit.forget();
        self.waker.wake();
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
        if outgoing.message.payload.len() > SHORT_BYTES_MAX {
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

    /// A message longer than the queue takes all of it.
    fn cost(&self, outgoing: &Outgoing) -> u32 {
        let bytes = outgoing
            .message
            .payload
            .len()
            .saturating_add(OVERHEAD_BYTES);
        u32::try_from(bytes.min(self.queue_bytes_max)).unwrap_or(u32::MAX)
    }

    /// Messages left the queue for the channel: their room is free again.
    pub(crate) fn release(&self, outgoing: &Outgoing) {
        if outgoing.lane == Lane::Long {
            self.lock().forget_long(outgoing.flow());
            self.long_count.fetch_sub(1, Ordering::Relaxed);
        }
        self.room(outgoing.lane)
            .add_permits(self.cost(outgoing) as usize);
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

    /// Tells the task something; `false` if it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        {
            let mut inbox = self.lock();
            if inbox.is_ended {
                return false;
            }
            inbox.signals.push_back(signal);
        }
        self.waker.wake();
        true
    }

    /// Hands frames over that came by relay or detour; `false` if there is no room for them.
    pub(crate) fn relayed(&self, path: Path, boot: Boot, frames: Bytes) -> bool {
        {
            let mut inbox = self.lock();
            if inbox.is_ended || inbox.relayed.len() >= RELAYED_MAX {
                return false;
            }
            inbox.relayed.push_back((path, boot, frames));
        }
        self.waker.wake();
        true
    }

    pub(crate) fn set_reach(&self, reach: Reach) {
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

impl Letters {
    /// Whether there was room.
    fn push(&mut self, letter: Outgoing) -> bool {
        let bytes = self.bytes.saturating_add(letter.message.payload.len());
        if self.queue.len() >= LETTERS_LEN_MAX || bytes > LETTERS_BYTES_MAX {
            return false;
        }
        self.bytes = bytes;
        self.queue.push_back(letter);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes them out, first come first.
    pub(crate) fn take(&mut self) -> VecDeque<Outgoing> {
        self.bytes = 0;
        std::mem::take(&mut self.queue)
    }
}

impl Inbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.short.is_empty()
            && self.long.is_empty()
            && self.signals.is_empty()
            && self.letters.is_empty()
            && self.relayed.is_empty()
    }

    fn open_gates(&mut self) {
        for (_, gate) in self.full.drain() {
            gate.close();
        }
    }

    /// Whether a message of this mailbox waits.
    pub(crate) fn holds_from(&self, local: LocalId) -> bool {
        let mut all = self.short.iter().chain(&self.long);
        all.any(|outgoing| outgoing.message.from == local)
    }

    fn forget_long(&mut self, flow: (LocalId, LocalId)) {
        if let Some(count) = self.long_flows.get_mut(&flow) {
            *count -= 1;
            if *count == 0 {
                self.long_flows.remove(&flow);
            }
        }
    }
}
