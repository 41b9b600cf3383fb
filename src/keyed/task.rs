//! The task that drives one host, and decides nothing.
//!
//! ```text
//!  mailbox ──────▶┐                      ┌─▶ workers' tasks, on the user's executor
//!  workers' ends ─┼─▶ this task ─▶ Host ─┼─▶ lines to other hosts
//!  who hosts ────▶┘                      └─▶ replies
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use archipelago_core::wire::{KeyedAnswer, KeyedPacket, Offer};
use archipelago_core::{NodeId, Pid, Time};
use archipelago_sgroup::keyed::{
    Host, HostConfig, HostInfo, HostOutput, Refusal, Start, StopReason,
};
use bytes::Bytes;
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::lines::Lines;
use super::office::{Office, Term};
use super::{KeyedRequest, KeyedWorker};
use crate::node::Life;
use crate::{Group, Mailbox, NodeEvent, Received, RegistryEvents, Reply, Sender};

/// Messages and ends of work taken at once.
const BATCH_MAX: usize = 64;

/// Ends of work that wait for the task; beyond it the workers wait.
const ENDS_MAX: usize = 1_024;

/// What the user asks of the task.
#[derive(Debug)]
pub(super) enum Order {
    /// Hand everything over, and say when that is done.
    Leave(oneshot::Sender<()>),
}

/// What the user may look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HostState {
    pub(super) workers: usize,
    pub(super) shards: usize,
    pub(super) is_settled: bool,
}

/// A request, and the way back.
#[derive(Debug)]
struct Asked {
    key: Bytes,
    request: KeyedRequest,
    reply: Reply,
}

/// A worker comes back.
enum Back<W> {
    Done(Bytes, u64, Option<W>),
    Stopped(Bytes, u64, Option<Bytes>),
}

/// A host's task, at work.
pub(super) struct Task<W, S> {
    group: Group,
    service: Bytes,
    sender: Sender,
    mailbox: Mailbox,
    machine: Host<W, Asked>,
    hosts: BTreeMap<NodeId, Pid>,
    changes: RegistryEvents,
    lines: Lines,
    start: Arc<S>,
    on: Handle,
    /// Work that is lent, to be dropped when its worker is not this host's any more.
    lent: HashMap<u64, AbortHandle>,
    back: mpsc::Sender<Back<W>>,
    ends: mpsc::Receiver<Back<W>>,
    leaving: Option<oneshot::Sender<()>>,
    /// With leases only.
    office: Option<Office>,
    /// Hosts that have leases where this one has none, or none where it has.
    differing: BTreeSet<NodeId>,
}

impl<W, S, F> Task<W, S>
where
    W: KeyedWorker,
    F: Future<Output = W> + Send + 'static,
    S: Fn(Bytes, Option<Bytes>) -> F + Send + Sync + 'static,
{
    pub(super) fn new(
        group: Group,
        service: Bytes,
        mailbox: Mailbox,
        config: HostConfig,
        start: Arc<S>,
        on: Handle,
    ) -> Self {
        let (back, ends) = mpsc::channel(ENDS_MAX);
        let shared = &group.shared;
        let now = shared.clock.now();
        let (_, changes) = group.watch_service(&service);
        let pid = mailbox.pid();
        let office = config
            .lease
            .map(|_| Office::open(group.clone(), &service, pid));
        Self {
            machine: Host::new(shared.id, service.clone(), config, now),
            sender: mailbox.sender(),
            hosts: BTreeMap::new(),
            lines: Lines::default(),
            lent: HashMap::new(),
            leaving: None,
            office,
            differing: BTreeSet::new(),
            group,
            service,
            mailbox,
            changes,
            start,
            on,
            back,
            ends,
        }
    }

    /// Runs until its user lets go of it, or its node ends or leaves the group.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        teller: watch::Sender<HostState>,
    ) {
        let shared = self.group.shared.clone();
        let mut life = shared.life.subscribe();
        let (mut batch, mut ends) = (Vec::new(), Vec::new());
        self.on_hosts();
        loop {
            let due = self.machine.poll_timeout();
            let due = shared.clock.instant(due.map_or(Time::NEVER, |(at, _)| at));
            tokio::select! {
                taken = self.mailbox.recv_many(&mut batch, BATCH_MAX) => {
                    if taken == 0 { break }
                    batch.drain(..).for_each(|received| self.on_message(received));
                }
                _ = self.ends.recv_many(&mut ends, BATCH_MAX) => {
                    ends.drain(..).for_each(|end| self.on_end(end));
                }
                change = self.changes.next() => {
                    if change.is_none() { break }
                    while self.changes.try_next().is_some() {}
                    self.on_hosts();
                }
                order = orders.recv() => match order {
                    Some(Order::Leave(done)) => self.on_leave(done),
                    None => break,
                },
                term = changed(&mut self.office) => {
                    self.input(|host, now, out| host.handle_office(term, now, out));
                }
                () = tokio::time::sleep_until(due) => self.input(Host::handle_timeout),
                _ = life.wait_for(|life| *life >= Life::Killed) => break,
            }
            self.tell(&teller);
        }
        for (_, task) in self.lent.drain() {
            task.abort();
        }
        // A group that was left, or a node that has stopped, has forgotten it already.
        let _ = self.group.withdraw(&self.service, self.mailbox.pid()).await;
    }

    fn tell(&mut self, teller: &watch::Sender<HostState>) {
        let state = HostState {
            workers: self.machine.workers_len(),
            shards: self.machine.shards_len(),
            is_settled: self.machine.is_settled(self.group.shared.clock.now()),
        };
        teller.send_if_modified(|known| std::mem::replace(known, state) != state);
        if let Some(done) = self.leaving.take_if(|_| self.machine.has_left()) {
            // Who asked may have gone.
            let _ = done.send(());
        }
    }

    /// Gives the machine an input, and does what it says.
    fn input(
        &mut self,
        give: impl FnOnce(&mut Host<W, Asked>, Time, &mut Vec<HostOutput<W, Asked>>),
    ) {
        let now = self.group.shared.clock.now();
        let mut out = Vec::new();
        give(&mut self.machine, now, &mut out);
        for output in out {
            self.perform(output);
        }
    }

    fn on_message(&mut self, received: Received) {
        let from = received.from;
        match (KeyedPacket::decode(&received.payload), received.reply) {
            (Ok((KeyedPacket::Request { is_cast, key }, payload)), Some(reply)) => {
                let bytes = payload.len();
                let fence = None;
                let request = KeyedRequest {
                    payload,
                    is_cast,
                    fence,
                };
                let asked = Asked {
                    key: key.clone(),
                    request,
                    reply,
                };
                self.input(|host, now, out| host.handle_request(key, asked, bytes, now, out));
            }
            (Ok((KeyedPacket::Word(word), body)), _) => {
                if self.machine.is_host(from.node, from.local) {
                    self.input(|host, now, out| host.handle_word(from.node, word, body, now, out));
                } else {
                    self.group.shared.metrics.keyed_ignored.add(1);
                }
            }
            (Ok((KeyedPacket::Request { .. }, _)) | Err(_), _) => {
                self.group.shared.metrics.keyed_ignored.add(1);
            }
        }
    }

    fn on_end(&mut self, end: Back<W>) {
        match end {
            Back::Done(key, run, worker) => {
                self.lent.remove(&run);
                self.input(|host, now, out| host.handle_done(key, run, worker, now, out));
            }
            Back::Stopped(key, run, state) => {
                self.lent.remove(&run);
                self.input(|host, now, out| host.handle_stopped(key, run, state, now, out));
            }
        }
    }

    /// Somebody hosts the service, or does not any more.
    fn on_hosts(&mut self) {
        let offers = self.group.offers(&self.service);
        let hosts = offers.iter().map(|(pid, offer)| HostInfo {
            node: pid.node,
            run: pid.local,
            is_leaving: offer.is_leaving,
        });
        let hosts: Vec<HostInfo> = hosts.collect();
        self.hosts = offers.iter().map(|(pid, _)| (pid.node, *pid)).collect();
        self.compare(&offers);
        let known = &self.hosts;
        self.lines
            .retain(|to| known.get(&to.node).is_some_and(|pid| pid == to));
        self.input(|host, now, out| host.handle_hosts(&hosts, now, out));
    }

    /// Tells of hosts that differ from this one, each once.
    fn compare(&mut self, offers: &[(Pid, Offer)]) {
        let is_leased = self.office.is_some();
        let differing = offers.iter();
        let differing = differing.filter(|(_, offer)| offer.is_leased != is_leased);
        let differing: BTreeSet<NodeId> = differing.map(|(pid, _)| pid.node).collect();
        for &node in differing.difference(&self.differing) {
            self.group.shared.hub.tell(&NodeEvent::KeyedHostsDiffer {
                group: self.group.present(),
                service: self.service.clone(),
                node,
                is_leased: !is_leased,
            });
        }
        self.differing = differing;
    }

    fn on_leave(&mut self, done: oneshot::Sender<()>) {
        self.leaving = Some(done);
        self.input(Host::leave);
    }

    fn perform(&mut self, output: HostOutput<W, Asked>) {
        match output {
            HostOutput::Send { to, word, body } => {
                if let Some(to) = self.hosts.get(&to) {
                    self.lines.send(&self.sender, *to, word, body);
                }
            }
            HostOutput::Run {
                key,
                run,
                worker,
                mut message,
                fence,
            } => {
                message.request.fence = fence;
                self.work(key, run, worker, message);
            }
            HostOutput::Stop {
                key,
                run,
                worker,
                reason,
            } => self.stop(key, run, worker, reason),
            HostOutput::Abort { run, .. } => {
                if let Some(task) = self.lent.remove(&run) {
                    task.abort();
                }
            }
            HostOutput::Refuse { message, refusal } => self.refuse(message, refusal),
            _ => {}
        }
    }

    fn work(&mut self, key: Bytes, run: u64, worker: Start<W>, asked: Asked) {
        let (start, back) = (self.start.clone(), self.back.clone());
        let task = self.on.spawn(async move {
            let (worker, answer) = work(&*start, &key, worker, asked).await;
            // A host that has ended wants it no more.
            let _ = back.send(Back::Done(key, run, worker)).await;
            if let Some((reply, answer)) = answer {
                // A caller that has gone hears nothing.
                let _ = reply.send(answer).await;
            }
        });
        self.lent.insert(run, task.abort_handle());
    }

    fn stop(&mut self, key: Bytes, run: u64, worker: W, reason: StopReason) {
        let back = self.back.clone();
        let task = self.on.spawn(async move {
            let stopping = AssertUnwindSafe(worker.stop(reason)).catch_unwind();
            let state = stopping.await.unwrap_or(None);
            let _ = back.send(Back::Stopped(key, run, state)).await;
        });
        if run != 0 {
            self.lent.insert(run, task.abort_handle());
        }
    }

    fn refuse(&self, asked: Asked, refusal: Refusal) {
        let answer = match refusal {
            Refusal::Full => KeyedAnswer::Full,
            Refusal::Unleased => KeyedAnswer::Unleased,
            Refusal::Key => return asked.reply.refuse(),
            Refusal::Moved => {
                let owner = self.machine.owner_of(&asked.key);
                let to = owner.and_then(|owner| self.hosts.get(&owner).copied());
                KeyedAnswer::Moved { to }
            }
        };
        let reply = asked.reply.send(answer.encode(&[]));
        self.group.shared.runtime.handle().spawn(reply);
    }
}

/// The next change of the service's strict name, where there is one. Cancel safe.
async fn changed(office: &mut Option<Office>) -> Term {
    match office {
        Some(office) => office.changed().await,
        None => std::future::pending().await,
    }
}

/// Has a worker do a request; the worker, unless it failed, and what to answer, if somebody waits.
async fn work<W, S, F>(
    start: &S,
    key: &Bytes,
    worker: Start<W>,
    asked: Asked,
) -> (Option<W>, Option<(Reply, Bytes)>)
where
    W: KeyedWorker,
    F: Future<Output = W>,
    S: Fn(Bytes, Option<Bytes>) -> F,
{
    let Asked { request, reply, .. } = asked;
    // What a panic left half done goes with the worker.
    let started = AssertUnwindSafe(async {
        match worker {
            Start::Fresh => start(key.clone(), None).await,
            Start::Kept(state) => start(key.clone(), Some(state)).await,
            Start::Active(worker) => worker,
        }
    });
    let Ok(mut worker) = started.catch_unwind().await else {
        return (None, Some((reply, KeyedAnswer::Failed.encode(&[]))));
    };
    if reply.is_expired() {
        return (Some(worker), None);
    }
    let mut reply = Some(reply);
    if let Some(reply) = reply.take_if(|_| request.is_cast) {
        // A caller that has gone hears nothing.
        let _ = reply.send(KeyedAnswer::Done.encode(&[])).await;
    }
    let handled = AssertUnwindSafe(worker.handle(request))
        .catch_unwind()
        .await;
    let (worker, answer) = match handled {
        Ok(answer) => (Some(worker), KeyedAnswer::Done.encode(&answer)),
        Err(_) => (None, KeyedAnswer::Failed.encode(&[])),
    };
    (worker, reply.map(|reply| (reply, answer)))
}
