//! The desk of a node: starts workers for others, and keeps the states of those that move.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use archipelago_core::wire::Value;
use archipelago_core::{LocalId, NodeId};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::job::Factory;
use super::wire::{self, Answer, Ask, Order, Refusal};
use crate::node::Shared;
use crate::worker::spawn_on;
use crate::{Group, Job, Mailbox, NodeError, Received, Reply, Worker, WorkerContext, WorkerEnd};

/// How long a state is kept for a successor that nobody speaks of.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// What a worker that is ended has to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// Tickets that are remembered, and ends.
const TICKETS_MAX: usize = 8_192;

/// The desk of one node.
#[derive(Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    factories: HashMap<Bytes, Factory>,
    is_open: bool,
    is_closed: bool,
    placed: HashMap<LocalId, Placed>,
    /// The last ones that were used, oldest first.
    tickets: VecDeque<(u64, LocalId)>,
    /// The last workers that ended, and whether they returned by themselves; oldest first.
    ended: VecDeque<(LocalId, bool)>,
}

/// A worker that was started for another node.
struct Placed {
    worker: Worker,
    /// Without the state.
    order: Order,
    stop: watch::Sender<bool>,
    result: Arc<OnceLock<Bytes>>,
    /// Whether its state is asked for, and until when it is kept.
    kept_until: Option<Instant>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state();
        f.debug_struct("Desk")
            .field("factories", &state.factories.len())
            .field("placed", &state.placed.len())
            .finish()
    }
}

impl Desk {
    /// Registers a factory; with the first one the desk opens.
    pub(super) async fn open(
        &self,
        shared: &Arc<Shared>,
        name: Bytes,
        factory: Factory,
    ) -> Result<(), NodeError> {
        let mailbox = Mailbox::open(shared, None).await?;
        let mut state = self.state();
        if state.is_closed {
            return Err(NodeError::Stopped);
        }
        if !state.is_open {
            let local = mailbox.pid().local;
            let desk = Bytes::from_static(wire::NAME);
            let named = shared.mailboxes.name(desk, local);
            named.map_err(|_| NodeError::TooManyMailboxes)?;
            state.is_open = true;
            let serving = serve(Arc::downgrade(shared), mailbox);
            shared.runtime.handle().spawn(serving);
        }
        state.factories.insert(name, factory);
        Ok(())
    }

    pub(super) fn remove(&self, name: &[u8]) {
        self.state().factories.remove(name);
    }

    /// The node has stopped.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        let left = std::mem::take(&mut *state);
        state.is_closed = true;
        drop(state);
        // Handles of workers lead back to this node's common ground: not under the lock.
        drop(left);
    }

    /// What another start of the same ticket made.
    fn known(&self, ticket: u64) -> Option<LocalId> {
        let state = self.state();
        let mut tickets = state.tickets.iter();
        let known = tickets.find(|(known, _)| *known == ticket);
        known.map(|(_, local)| *local)
    }

    fn factory(&self, shared: &Shared, name: &[u8]) -> Result<Factory, Refusal> {
        let state = self.state();
        let factory = state.factories.get(name).cloned();
        let factory = factory.ok_or(Refusal::UnknownFactory)?;
        if state.placed.len() >= shared.limits.workers_for_others_max {
            return Err(Refusal::Quota);
        }
        Ok(factory)
    }

    fn place(&self, local: LocalId, placed: Placed) {
        let mut state = self.state();
        if state.is_closed {
            return;
        }
        if state.tickets.len() >= TICKETS_MAX {
            state.tickets.pop_front();
        }
        state.tickets.push_back((placed.order.ticket, local));
        state.placed.insert(local, placed);
    }

    /// Has a worker end; `kept_until` if its state is asked for. `None`: there is no such worker.
    fn stop(
        &self,
        shared: &Shared,
        local: LocalId,
        kept_until: Option<Instant>,
    ) -> Option<(Worker, Arc<OnceLock<Bytes>>)> {
        let mut state = self.state();
        let placed = state.placed.get_mut(&local)?;
        placed.kept_until = kept_until;
        placed.stop.send_replace(true);
        let found = (placed.worker.clone(), placed.result.clone());
        if kept_until.is_none() && found.0.end().is_some() {
            state.placed.remove(&local);
        }
        drop(state);
        // What is in it can still be read.
        shared.mailboxes.remove(local);
        Some(found)
    }

    /// A worker has ended. Who starts it hears of it before it is watched: it may be over by then.
    fn note_end(&self, local: LocalId, is_returned: bool) {
        let mut state = self.state();
        if state.ended.len() >= TICKETS_MAX {
            state.ended.pop_front();
        }
        state.ended.push_back((local, is_returned));
    }

    /// Whether a worker that ended lately returned by itself.
    fn end_of(&self, local: LocalId) -> Option<bool> {
        let state = self.state();
        let mut ended = state.ended.iter().rev();
        ended.find(|(other, _)| *other == local).map(|end| end.1)
    }

    fn worker(&self, local: LocalId) -> Option<Worker> {
        let state = self.state();
        state.placed.get(&local).map(|placed| placed.worker.clone())
    }

    fn forget(&self, local: LocalId) {
        let gone = self.state().placed.remove(&local);
        drop(gone);
    }

    /// Until when the state of a worker that has ended is kept; forgets it if there is none.
    fn kept_until(&self, local: LocalId) -> Option<Instant> {
        let mut state = self.state();
        let placed = state.placed.get(&local)?;
        let kept = placed.kept_until.filter(|_| placed.result.get().is_some());
        if kept.is_none() {
            state.placed.remove(&local);
        }
        kept
    }

    /// Takes a state that nobody asked for any more, and how its worker was made.
    fn take_back(&self, local: LocalId) -> Option<Order> {
        let placed = self.state().placed.remove(&local)?;
        let state = placed.result.get().map(|state| state.to_vec());
        let order = placed.order.clone();
        Some(Order { state, ..order })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers what is asked, until the node ends.
async fn serve(node: Weak<Shared>, mut mailbox: Mailbox) {
    while let Some(received) = mailbox.recv().await {
        let Some(shared) = node.upgrade() else { return };
        let Received {
            from,
            payload,
            reply: Some(reply),
            ..
        } = received
        else {
            continue;
        };
        let ask = wire::decode(&payload).filter(|_| is_member(&shared, from.node));
        match ask {
            None => answer(&shared, reply, Answer::Refused(Refusal::NotAllowed)),
            Some(Ask::Start(order)) => {
                let made = start(&shared, *order).await;
                answer(
                    &shared,
                    reply,
                    made.map_or_else(Answer::Refused, Answer::Started),
                );
            }
            Some(Ask::Drain(local)) => drain(&shared, local, reply),
            Some(Ask::Release(local)) => {
                shared.desk.forget(local);
                answer(&shared, reply, Answer::Done);
            }
            Some(Ask::Discard(local)) => {
                discard(&shared, local);
                answer(&shared, reply, Answer::Done);
            }
            Some(Ask::Ended(local)) => tell_end(&shared, local, reply),
        }
    }
}

/// Whether a node is in one of this node's groups.
fn is_member(shared: &Shared, node: NodeId) -> bool {
    let replica = &shared.replica;
    let mut boots = replica
        .groups()
        .into_iter()
        .filter_map(|one| replica.boots(one));
    node == shared.id || boots.any(|boots| boots.contains_key(&node))
}

/// Not awaited by the desk: an answer may wait for room on its way.
fn answer(shared: &Arc<Shared>, reply: Reply, answer: Answer) {
    let bytes = wire::encode(&answer);
    // Nobody waits, or the way is gone: the question comes again.
    let sent = async move { drop(reply.send(bytes).await) };
    shared.runtime.handle().spawn(sent);
}

async fn start(shared: &Arc<Shared>, mut order: Order) -> Result<LocalId, Refusal> {
    if let Some(known) = shared.desk.known(order.ticket) {
        return Ok(known);
    }
    let factory = shared.desk.factory(shared, &order.factory)?;
    let state = order.state.take().map(Bytes::from);
    let (stop, stopping) = watch::channel(false);
    let result = Arc::new(OnceLock::new());
    let (arguments, slot) = (
        Bytes::from(order.arguments.clone()),
        order.place.as_ref().map(|place| place.slot),
    );
    let (make, kept) = (factory.make, result.clone());
    let work = move |context: WorkerContext| {
        let run = make(Job {
            mailbox: context.mailbox,
            arguments,
            state,
            slot,
            stop: stopping,
        });
        async move {
            let state = run.await?;
            // Set once: this is the only one that does.
            let _ = kept.set(state);
            Ok::<(), crate::ServiceError>(())
        }
    };
    let name = String::from_utf8_lossy(&order.factory);
    let worker = spawn_on(shared, &factory.on, &name, work).await;
    let worker = worker.map_err(|_| Refusal::Node)?;
    let local = worker.pid().local;
    if let Err(refusal) = announce(shared, &worker, &order).await {
        worker.kill();
        return Err(refusal);
    }
    let placed = Placed {
        worker: worker.clone(),
        order,
        stop,
        result,
        kept_until: None,
    };
    shared.desk.place(local, placed);
    shared
        .runtime
        .handle()
        .spawn(follow(Arc::downgrade(shared), worker));
    Ok(local)
}

/// Says in the group which place of which pool a worker has.
async fn announce(shared: &Arc<Shared>, worker: &Worker, order: &Order) -> Result<(), Refusal> {
    let Some(place) = &order.place else {
        return Ok(());
    };
    let group = Group::new(shared.clone(), &place.group);
    let property = wire::property(&place.pool);
    let slot = Some(Value::Int(place.slot.into()));
    let said = group.set_property(worker.pid(), property, slot).await;
    // One that has ended already is as good as announced: whoever watches it hears so.
    if said.is_err() && worker.end().is_none() {
        return Err(Refusal::Node);
    }
    Ok(())
}

/// Waits for a worker's end, and for somebody to take its state; starts it again if nobody does.
async fn follow(node: Weak<Shared>, mut worker: Worker) {
    let local = worker.pid().local;
    let is_returned = worker.ended().await == WorkerEnd::Returned;
    // What this holds of the worker would keep its node from going.
    drop(worker);
    if let Some(shared) = node.upgrade() {
        shared.desk.note_end(local, is_returned);
    }
    loop {
        let Some(shared) = node.upgrade() else { return };
        let Some(until) = shared.desk.kept_until(local) else {
            return;
        };
        if until <= Instant::now() {
            let order = shared.desk.take_back(local);
            if let Some(order) = order.filter(|order| !is_filled(&shared, order)) {
                let ticket = shared.tables.rng().u64();
                start_again(shared, Order { ticket, ..order }).await;
            }
            return;
        }
        drop(shared);
        tokio::time::sleep_until(until).await;
    }
}

/// Whether another worker has the place by now.
fn is_filled(shared: &Arc<Shared>, order: &Order) -> bool {
    let Some(place) = &order.place else {
        return false;
    };
    let group = Group::new(shared.clone(), &place.group);
    let workers = group.pool_workers(&place.pool);
    workers.iter().any(|(slot, _)| *slot == place.slot)
}

/// Boxed: what is started is followed again.
fn start_again(shared: Arc<Shared>, order: Order) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        // A node that cannot even do this has no room, or has stopped.
        let _ = start(&shared, order).await;
    })
}

fn drain(shared: &Arc<Shared>, local: LocalId, reply: Reply) {
    let kept_until = Some(Instant::now() + KEPT_FOR);
    let Some((mut worker, result)) = shared.desk.stop(shared, local, kept_until) else {
        return answer(shared, reply, Answer::Gone);
    };
    let (node, deadline) = (Arc::downgrade(shared), reply.deadline().instant());
    let waiting = async move {
        let ended = tokio::time::timeout_at(deadline.into(), worker.ended()).await;
        drop(worker);
        // Otherwise it has not ended yet, and is asked again.
        if let (Ok(_), Some(shared)) = (ended, node.upgrade()) {
            let state = result.get().map(|state| state.to_vec());
            answer(&shared, reply, state.map_or(Answer::Gone, Answer::State));
        }
    };
    shared.runtime.handle().spawn(waiting);
}

fn tell_end(shared: &Arc<Shared>, local: LocalId, reply: Reply) {
    let Some(mut worker) = shared.desk.worker(local) else {
        let end = shared.desk.end_of(local);
        return answer(shared, reply, end.map_or(Answer::Gone, Answer::Ended));
    };
    let (node, deadline) = (Arc::downgrade(shared), reply.deadline().instant());
    shared.runtime.handle().spawn(async move {
        let ended = tokio::time::timeout_at(deadline.into(), worker.ended()).await;
        drop(worker);
        if let (Ok(end), Some(shared)) = (ended, node.upgrade()) {
            answer(&shared, reply, Answer::Ended(end == WorkerEnd::Returned));
        }
    });
}

fn discard(shared: &Arc<Shared>, local: LocalId) {
    let Some((mut worker, _)) = shared.desk.stop(shared, local, None) else {
        return;
    };
    shared.runtime.handle().spawn(async move {
        if tokio::time::timeout(GRACE, worker.ended()).await.is_err() {
            worker.kill();
        }
    });
}
