//! A pool of workers on other nodes: its task, which does what the machine says, and its handle.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use archipelago_core::{LocalId, NodeId, Pid, Time};
use archipelago_router::watch::{EndReason, Target};
use archipelago_sgroup::registry::choose::Choice;
use archipelago_sgroup::supervise::{
    Ending, HandOver, PoolConfig, StartAnswer, SuperviseEvent, SuperviseOutput, Supervisor, Ticket,
};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::StartWorkerError;
use super::remote::{DRAIN_TIMEOUT, Remote, START_TIMEOUT, state};
use super::wire::{Answer, Ask, Order, Place};
use crate::node::Life;
use crate::{CallError, Deadline, Exit, Group, Mailbox, Monitor, NodeError};

/// How often nodes are chosen anew, besides when members change.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// Answers and events that wait.
const WAITING_MAX: usize = 1_024;
/// Longest name of a pool in bytes.
const NAME_BYTES_MAX: usize = 200;

/// What a pool is.
#[derive(Clone, Debug)]
pub struct PoolSpec {
    /// Its name in the group, 1 to 200 bytes: a new pool of the name takes over the workers of one
    /// that is gone. Two at once would each start their own: supervise under a
    /// [`Tenure`](crate::Tenure) where that can happen.
    pub name: Bytes,
    /// Who makes its workers, on every node that qualifies.
    pub factory: Bytes,
    /// For each of them.
    pub arguments: Bytes,
    /// How many, where, and what becomes of those that end.
    pub config: PoolConfig,
    /// Which nodes qualify, and which of them first; chosen anew every second. Default: all members
    /// of the group, at random.
    pub choice: Choice,
}

impl PoolSpec {
    /// So many workers of one factory, anywhere in the group.
    pub fn new(name: impl AsRef<[u8]>, factory: impl AsRef<[u8]>, workers: u32) -> Self {
        Self {
            name: Bytes::copy_from_slice(name.as_ref()),
            factory: Bytes::copy_from_slice(factory.as_ref()),
            arguments: Bytes::new(),
            config: PoolConfig::new(workers),
            choice: Choice::default(),
        }
    }
}

/// A pool was not begun; nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Names have 1 to 200 bytes.
    #[error("a pool's name of {bytes} bytes: 1 to {NAME_BYTES_MAX} are allowed")]
    Name {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The node is not in the group, or has stopped, or has no room for a mailbox.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// A pool, as its supervisor holds it. Dropping it ends the supervision and no worker.
#[derive(Debug)]
pub struct Pool {
    events: mpsc::Receiver<SuperviseEvent>,
    workers: watch::Receiver<Vec<Option<Pid>>>,
    missed: Arc<Mutex<u64>>,
    /// Dropped, it ends the task; `true` said before that ends the workers.
    end: watch::Sender<bool>,
}

impl Group {
    /// Keeps workers running on members of this group, as `spec` says, as long as the [`Pool`] and
    /// this node live. Workers of an earlier pool of the name are taken over first; waits until
    /// this node is up in the group for that.
    ///
    /// Cancel safe: dropped before it returns, nothing was started.
    ///
    /// # Errors
    /// [`PoolError`]; nothing was started.
    pub async fn supervise(&self, spec: PoolSpec) -> Result<Pool, PoolError> {
        let bytes = spec.name.len();
        if !(1..=NAME_BYTES_MAX).contains(&bytes) {
            return Err(PoolError::Name { bytes });
        }
        self.shared.joined(self.present()).await?;
        let mailbox = Mailbox::open(&self.shared, None).await?;
        let tickets_from = self.shared.tables.rng().u64();
        let (told, events) = mpsc::channel(WAITING_MAX);
        let (shown, workers) = watch::channel(Vec::new());
        let (end, ending) = watch::channel(false);
        let (inputs, waiting) = mpsc::channel(WAITING_MAX);
        let missed = Arc::new(Mutex::new(0));
        let remote = Remote {
            group: self.clone(),
            from: mailbox.sender(),
        };
        let task = Task {
            machine: Supervisor::new(spec.config.clone(), tickets_from),
            spec,
            remote,
            inputs,
            told,
            shown,
            missed: missed.clone(),
            _mailbox: mailbox,
        };
        self.shared
            .runtime
            .handle()
            .spawn(task.run(waiting, ending));
        Ok(Pool {
            events,
            workers,
            missed,
            end,
        })
    }
}

impl Pool {
    /// What happens, or `None` when the node has stopped. Cancel safe.
    ///
    /// 1,024 wait here; what comes then is not told, and counted ([`Pool::missed`]).
    pub async fn next(&mut self) -> Option<SuperviseEvent> {
        self.events.recv().await
    }

    /// Where each place's worker runs now; `None` where it does not.
    pub fn workers(&self) -> Vec<Option<Pid>> {
        self.workers.borrow().clone()
    }

    /// Waits until every place has a running worker, and returns them.
    ///
    /// Cancel safe. Waits for ever where they find no room: give it a deadline.
    ///
    /// # Errors
    /// [`NodeError::Stopped`].
    pub async fn complete(&mut self) -> Result<Vec<Pid>, NodeError> {
        let all =
            |workers: &Vec<Option<Pid>>| !workers.is_empty() && workers.iter().all(Option::is_some);
        let full = self.workers.wait_for(all).await;
        let full = full.map_err(|_| NodeError::Stopped)?;
        Ok(full.iter().flatten().copied().collect())
    }

    /// Events that were not told.
    pub fn missed(&self) -> u64 {
        *self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the supervision and all workers, without waiting for them. One whose start was not
    /// answered yet may be left; [`Group::pool_workers`] shows it.
    pub fn end(self) {
        self.end.send_replace(true);
    }
}

/// What comes back from other nodes.
enum Input {
    Started(u32, Ticket, StartAnswer),
    Drained(u32, Pid, HandOver),
    Ended(Pid, Ending),
}

struct Task {
    machine: Supervisor,
    spec: PoolSpec,
    remote: Remote,
    inputs: mpsc::Sender<Input>,
    told: mpsc::Sender<SuperviseEvent>,
    shown: watch::Sender<Vec<Option<Pid>>>,
    missed: Arc<Mutex<u64>>,
    /// In its name others are asked.
    _mailbox: Mailbox,
}

impl Task {
    async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut ending: watch::Receiver<bool>) {
        let shared = self.remote.group.shared.clone();
        let mut life = shared.life.subscribe();
        let mut changes = shared.replica.watch();
        let mut look = tokio::time::interval(LOOK_PERIOD);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.adopt();
        loop {
            let due = self.machine.poll_timeout();
            let due = due.map_or(Time::NEVER, |(due, _)| due);
            tokio::select! {
                input = inputs.recv() => if let Some(input) = input { self.on_input(input) },
                _ = changes.changed() => self.look(),
                _ = look.tick() => self.look(),
                () = tokio::time::sleep_until(shared.clock.instant(due)) => {
                    self.step(|machine, now, out| machine.handle_timeout(now, out));
                }
                dropped = ending.changed() => {
                    if dropped.is_ok() {
                        self.step(|machine, _, out| machine.end(out));
                    }
                    return;
                }
                _ = life.wait_for(|life| *life >= Life::Killed) => return,
            }
        }
    }

    /// Takes over what runs, and begins.
    fn adopt(&mut self) {
        let running = self.remote.group.pool_workers(&self.spec.name);
        self.step(|machine, now, out| {
            for (slot, pid) in running {
                machine.handle_adopted(slot, pid, now, out);
            }
        });
        self.look();
        self.step(Supervisor::start);
    }

    /// Chooses nodes anew.
    fn look(&mut self) {
        let group = &self.remote.group;
        // Outside of the group nothing is known, and nothing can be done.
        let Some(boots) = group.shared.replica.boots(group.present()) else {
            return;
        };
        let alive: BTreeSet<NodeId> = boots.into_keys().collect();
        let candidates = group.choose_nodes(&self.spec.choice);
        self.step(|machine, now, out| machine.handle_nodes(candidates, alive, now, out));
    }

    fn on_input(&mut self, input: Input) {
        self.step(|machine, now, out| match input {
            Input::Started(slot, ticket, answer) => {
                machine.handle_started(slot, ticket, answer, now, out);
            }
            Input::Drained(slot, pid, answer) => {
                machine.handle_drained(slot, pid, answer, now, out);
            }
            Input::Ended(pid, ending) => machine.handle_ended(pid, ending, now, out),
        });
    }

    fn step(&mut self, act: impl FnOnce(&mut Supervisor, Time, &mut Vec<SuperviseOutput>)) {
        let now = self.remote.group.shared.clock.now();
        let mut out = Vec::new();
        act(&mut self.machine, now, &mut out);
        let workers: Vec<Option<Pid>> = self.machine.workers().collect();
        self.shown.send_if_modified(|shown| {
            let is_other = *shown != workers;
            *shown = workers;
            is_other
        });
        for output in out {
            self.perform(output);
        }
    }

    fn perform(&self, output: SuperviseOutput) {
        let remote = self.remote.clone();
        match output {
            SuperviseOutput::Start {
                slot,
                on,
                ticket,
                state: handed,
            } => {
                let order = self.order(slot, ticket, handed);
                self.spawn(async move {
                    let deadline = Deadline::after(START_TIMEOUT);
                    let started = remote.start(on, order, deadline).await;
                    Input::Started(slot, ticket, start_answer(started))
                });
            }
            SuperviseOutput::Watch { pid, .. } => {
                self.spawn(async move { Input::Ended(pid, watch_end(&remote, pid).await) });
            }
            SuperviseOutput::Drain { slot, pid } => self.spawn(async move {
                let deadline = Deadline::after(DRAIN_TIMEOUT);
                let answer = remote.of_worker(pid, Ask::Drain, deadline).await;
                Input::Drained(slot, pid, hand_over(answer))
            }),
            SuperviseOutput::Keep { pid } => say(remote, pid, Ask::Drain),
            SuperviseOutput::Release { pid } => say(remote, pid, Ask::Release),
            SuperviseOutput::Discard { pid } => say(remote, pid, Ask::Discard),
            SuperviseOutput::Event(event) => self.tell(event),
            _ => {}
        }
    }

    fn tell(&self, event: SuperviseEvent) {
        if self.told.try_send(event).is_err() {
            *self.missed.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
    }

    fn order(&self, slot: u32, ticket: Ticket, handed: Option<Bytes>) -> Order {
        let place = Place {
            group: self.remote.group.name().to_owned(),
            pool: self.spec.name.to_vec(),
            slot,
        };
        Order {
            ticket: ticket.0,
            factory: self.spec.factory.to_vec(),
            arguments: self.spec.arguments.to_vec(),
            state: state(handed),
            place: Some(place),
        }
    }

    /// Does something elsewhere, and takes what came of it.
    fn spawn(&self, work: impl Future<Output = Input> + Send + 'static) {
        let inputs = self.inputs.clone();
        self.remote.group.shared.runtime.handle().spawn(async move {
            tokio::select! {
                // A task that has ended wants to know nothing.
                () = inputs.closed() => {}
                input = work => drop(inputs.send(input).await),
            }
        });
    }
}

/// Says something to a worker's desk; three times if need be.
fn say(remote: Remote, pid: Pid, ask: impl Fn(LocalId) -> Ask + Copy + Send + 'static) {
    let handle = remote.group.shared.runtime.handle().clone();
    handle.spawn(async move {
        for _ in 0..3 {
            let deadline = Deadline::after(START_TIMEOUT);
            match remote.of_worker(pid, ask, deadline).await {
                Err(error) if error.may_be_done() => {}
                _ => return,
            }
        }
    });
}

fn start_answer(started: Result<Pid, StartWorkerError>) -> StartAnswer {
    match started {
        Ok(pid) => StartAnswer::Started(pid),
        Err(StartWorkerError::NoMember) => StartAnswer::Unsent,
        Err(StartWorkerError::Call(error)) if !error.may_be_done() => StartAnswer::Unsent,
        Err(error) if error.may_be_started() => StartAnswer::Unsure,
        Err(_) => StartAnswer::Refused,
    }
}

fn hand_over(answer: Result<Option<Answer>, CallError>) -> HandOver {
    match answer {
        Ok(Some(Answer::State(state))) => HandOver::State(state.into()),
        // The desk is gone with its start of the node, and the worker with it.
        Ok(Some(Answer::Gone)) | Err(CallError::NotSent(crate::SendError::NoMailbox)) => {
            HandOver::Gone
        }
        _ => HandOver::Unsure,
    }
}

/// Waits for the end of a worker.
async fn watch_end(remote: &Remote, pid: Pid) -> Ending {
    loop {
        let shared = remote.group.shared.clone();
        let Ok(monitor) = Monitor::start(shared, Target::Process(pid)).await else {
            // As many monitors as may be; or the node has stopped, and this task with it.
            tokio::time::sleep(LOOK_PERIOD).await;
            continue;
        };
        return match monitor.await {
            EndReason::Exited(Exit::Normal) => Ending::Done,
            EndReason::NodeDown | EndReason::Unreachable | EndReason::Reset => Ending::Lost,
            EndReason::Refused => {
                tokio::time::sleep(LOOK_PERIOD).await;
                continue;
            }
            EndReason::NoProc => told_end(remote, pid).await,
            _ => Ending::Failed,
        };
    }
}

/// How a worker ended that was over before it was watched, as its node remembers it.
async fn told_end(remote: &Remote, pid: Pid) -> Ending {
    let deadline = Deadline::after(START_TIMEOUT);
    match remote.of_worker(pid, Ask::Ended, deadline).await {
        Ok(Some(Answer::Ended(true))) => Ending::Done,
        _ => Ending::Failed,
    }
}
