//! The task of an outbox: carries between its machine, its disk and the node.
//!
//! One write of the disk is under way at a time, and takes with it all that came meanwhile. It
//! decides nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archipelago_core::{Pid, Rng, Time};
use archipelago_router::outbox::{
    Accepted, Change, Destination, Loaded, Outbox, OutboxConfig, Output, Record, RecordId,
    StoreError, forget_head, head, record,
};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};

use super::delivery::{Delivery, Tried};
use super::shared::{Closed, SharedStore};
use super::{OutboxError, OutboxStats, Request, blocking};
use crate::node::{Life, Shared};
use crate::{Group, Mailbox};

/// Bytes that one write takes, beyond which what comes waits for the next.
const COMMIT_BYTES: usize = 8 << 20;
/// How long records that are delivered may wait to be forgotten, if nothing else is written.
const FORGET_DELAY: Duration = Duration::from_secs(1);
/// As long as a timer may be; what is further away is looked at again.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

type Answered = oneshot::Sender<Result<RecordId, OutboxError>>;

/// What one write was to make safe.
struct Writing {
    changes: Vec<Change>,
    /// How many of the changes forget something, at the front.
    forgets: usize,
    records: Vec<(RecordId, Answered)>,
}

/// The driver of one outbox.
pub(super) struct Task {
    shared: Arc<Shared>,
    mailbox: Mailbox,
    machine: Outbox,
    answer_timeout: Duration,
    rng: Rng,
    /// The machine's time at `opened`.
    start: Time,
    opened: Instant,
    store: SharedStore,
    next: Writing,
    next_bytes: usize,
    /// When what is to be forgotten is forgotten at the latest.
    forget_at: Option<Instant>,
    outputs: Vec<Output>,
    tries: FuturesUnordered<BoxFuture<'static, Tried>>,
    awaited: FuturesUnordered<BoxFuture<'static, Destination>>,
    awaited_names: BTreeSet<Destination>,
    store_failures: u64,
    is_damaged: bool,
    stats: watch::Sender<OutboxStats>,
}

type Written = (Writing, Result<(), StoreError>);

impl Task {
    pub(super) fn new(
        (shared, mailbox): (Arc<Shared>, Mailbox),
        (config, rng): (OutboxConfig, Rng),
        loaded: &Loaded,
        store: SharedStore,
    ) -> (Self, watch::Receiver<OutboxStats>) {
        let is_damaged = store.with(|store| store.is_damaged());
        let (stats, watched) = watch::channel(OutboxStats::default());
        let task = Self {
            shared,
            mailbox,
            answer_timeout: config.answer_timeout,
            machine: Outbox::new(config, loaded),
            rng,
            start: Outbox::start(loaded),
            opened: Instant::now(),
            store,
            next: Writing::new(),
            next_bytes: 0,
            forget_at: None,
            outputs: Vec::new(),
            tries: FuturesUnordered::new(),
            awaited: FuturesUnordered::new(),
            awaited_names: BTreeSet::new(),
            store_failures: 0,
            is_damaged,
            stats,
        };
        task.tell();
        (task, watched)
    }

    /// Runs until it is closed, all handles are gone, or the node ends.
    pub(super) async fn run(mut self, mut requests: mpsc::Receiver<Request>, closed: Closed) {
        let mut life = self.shared.life.subscribe();
        let mut writing: Option<BoxFuture<'static, Written>> = None;
        let mut closing = None;
        self.on_timeout();
        loop {
            if writing.is_none() && self.is_write_due() {
                writing = Some(self.write());
            }
            if closing.is_some() && writing.is_none() {
                break;
            }
            let has_room = closing.is_none() && self.next_bytes < COMMIT_BYTES;
            let wake = tokio::time::sleep(self.sleep());
            tokio::select! {
                biased;
                _ = life.wait_for(|life| *life >= Life::Killed) => break,
                written = some(&mut writing) => {
                    writing = None;
                    self.on_written(written);
                }
                Some(tried) = self.tries.next() => self.on_tried(tried),
                Some(to) = self.awaited.next() => self.on_holder(&to),
                request = requests.recv(), if has_room => match request {
                    Some(Request::Send { to, payload, reply }) => self.on_send(&to, payload, reply),
                    Some(Request::Close(reply)) => closing = Some(Some(reply)),
                    None => closing = Some(None),
                },
                () = wake => self.on_timeout(),
            }
            self.perform();
            self.tell();
        }
        // What the disk has begun to write or to read ends by itself; the store is let go after it.
        drop(writing);
        drop(self);
        closed.wait().await;
        drop(closing);
    }

    fn now(&self) -> Time {
        self.start.after(self.opened.elapsed())
    }

    fn sleep(&self) -> Duration {
        let forget = self
            .forget_at
            .map(|at| at.saturating_duration_since(Instant::now()));
        let due = self
            .machine
            .poll_timeout()
            .map(|(at, _)| at.since(self.now()));
        let first = [forget, due].into_iter().flatten().min();
        first.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)
    }

    fn on_send(&mut self, to: &Destination, payload: Bytes, reply: Answered) {
        let now = self.now();
        let bytes = payload.len();
        let (machine, out) = (&mut self.machine, &mut self.outputs);
        match machine.handle_send(to, bytes, now, &mut self.rng, out) {
            Ok(accepted) => {
                // What makes room is forgotten in the same write.
                self.perform();
                self.next_bytes += bytes;
                self.next.put(accepted, to.clone(), now, payload, reply);
            }
            // Who does not wait any more does not care.
            Err(refused) => drop(reply.send(Err(refused.into()))),
        }
    }

    fn on_written(&mut self, (writing, result): Written) {
        let now = self.now();
        let result = result.inspect_err(|_| {
            self.store_failures += 1;
            self.next.forget_first(writing.changes, writing.forgets);
            self.forget_at = Some(Instant::now() + FORGET_DELAY);
        });
        for (id, reply) in writing.records {
            let told = match &result {
                Ok(()) => {
                    self.machine.handle_stored(id, now, &mut self.outputs);
                    Ok(id)
                }
                Err(error) => {
                    self.machine.handle_not_stored(id, now, &mut self.outputs);
                    Err(error.clone().into())
                }
            };
            drop(reply.send(told));
        }
    }

    fn on_tried(&mut self, tried: Tried) {
        for id in tried.corrupt {
            self.machine.handle_corrupt(id);
        }
        let now = (self.now(), &mut self.rng);
        let (machine, out) = (&mut self.machine, &mut self.outputs);
        match tried.answer {
            Some(answer) => machine.handle_answer(tried.attempt, answer, now, out),
            None => {
                machine.handle_failure(tried.attempt, now, out);
                self.await_holder(tried.to, tried.holder);
            }
        }
    }

    fn on_holder(&mut self, to: &Destination) {
        self.awaited_names.remove(to);
        let now = self.now();
        self.machine.handle_holder(to, now, &mut self.outputs);
    }

    fn on_timeout(&mut self) {
        let now = self.now();
        let (machine, out) = (&mut self.machine, &mut self.outputs);
        machine.handle_timeout(now, &mut self.rng, out);
        self.perform();
    }

    /// Waits for another holder than the one that did not answer: in a group of one's own its
    /// coming ends the pause.
    fn await_holder(&mut self, to: Destination, tried: Option<Pid>) {
        let group = Group::by_id(self.shared.clone(), to.group);
        let Some(mut watch) = group.watch_name(&to.name) else {
            return;
        };
        if self.awaited_names.insert(to.clone()) {
            self.awaited.push(Box::pin(async move {
                while watch.holder().is_none_or(|held| Some(held.pid) == tried) {
                    if watch.changed().await.is_none() && group.shared.is_stopped() {
                        std::future::pending::<()>().await;
                    }
                }
                to
            }));
        }
    }

    fn perform(&mut self) {
        for output in std::mem::take(&mut self.outputs) {
            match output {
                Output::Deliver {
                    attempt,
                    to,
                    stream,
                    seqs,
                } => {
                    let delivery = Delivery {
                        attempt,
                        to,
                        stream,
                        seqs,
                    };
                    let with = (self.store.clone(), self.mailbox.sender());
                    let running = delivery.run(self.shared.clone(), with, self.answer_timeout);
                    self.tries.push(Box::pin(running));
                }
                Output::Forget(id) => self.forget(id.forget()),
                Output::ForgetHead(to) => self.forget(forget_head(&to)),
                // Outputs of a later version of the machine come with their driver.
                _ => {}
            }
        }
    }

    fn forget(&mut self, change: Change) {
        self.next.forget_first(vec![change], 1);
        let at = Instant::now() + FORGET_DELAY;
        self.forget_at.get_or_insert(at);
    }

    fn is_write_due(&self) -> bool {
        let is_late = self.forget_at.is_some_and(|at| at <= Instant::now());
        is_late || !self.next.records.is_empty()
    }

    fn write(&mut self) -> BoxFuture<'static, Written> {
        self.forget_at = None;
        self.next_bytes = 0;
        let writing = std::mem::replace(&mut self.next, Writing::new());
        let (shared, store) = (self.shared.clone(), self.store.clone());
        Box::pin(async move {
            let changes = Arc::new(writing.changes);
            let written = changes.clone();
            let result = blocking(&shared, move || store.with(|s| s.commit(&written))).await;
            let changes = Arc::try_unwrap(changes).unwrap_or_else(|shared| (*shared).clone());
            let writing = Writing { changes, ..writing };
            (writing, result.and_then(|written| written))
        })
    }

    fn tell(&self) {
        let (records, bytes) = self.machine.len();
        self.stats.send_replace(OutboxStats {
            records,
            bytes,
            counters: *self.machine.counters(),
            store_failures: self.store_failures,
            is_damaged: self.is_damaged,
        });
    }
}

impl Writing {
    const fn new() -> Self {
        Self {
            changes: Vec::new(),
            forgets: 0,
            records: Vec::new(),
        }
    }

    fn put(
        &mut self,
        accepted: Accepted,
        to: Destination,
        at: Time,
        payload: Bytes,
        reply: Answered,
    ) {
        let id = accepted.id;
        self.changes.push(head(&to, id.stream, accepted.next));
        self.changes.push(record(&Record {
            id,
            to,
            at,
            payload,
        }));
        self.records.push((id, reply));
    }

    /// Forgets come before what is put: a head may be forgotten and put anew.
    fn forget_first(&mut self, mut forgets: Vec<Change>, count: usize) {
        forgets.truncate(count);
        self.changes.splice(self.forgets..self.forgets, forgets);
        self.forgets += count;
    }
}

/// Waits for what is there; for ever where nothing is.
async fn some<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
