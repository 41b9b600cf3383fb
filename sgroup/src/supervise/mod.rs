//! Workers of a pool kept running on other nodes: placed, restarted, moved with their state.
//!
//! A [`Supervisor`] has a fixed number of places, each with one worker. It is told which nodes
//! qualify, best first, and what became of what it asked for; it says what to start, to watch and
//! to move. It starts nothing itself, and holds no state of a worker but of one that is moving.
//!
//! ```text
//!           ┌───────────────── refused, nothing sent ─────────────────┐
//!           ▼                                                         │
//!  ─────► Vacant ── a node has room ──► Starting ── answer lost ──► Unsure ── asked again ─┐
//!         ▲  ▲                            │  ▲                                              │
//!         │  └── ended, by policy ── Running │◄─────────────────────────────────────────────┘
//!         │                            │
//!         └─ state handed over ─ Draining ◄── too many there, or the node qualifies no more
//! ```
//!
//! *Promises*: at most one worker of a place runs, as long as a node that is called dead is dead
//! and workers outlive a lost supervisor on their own: whose start may have succeeded is asked for
//! again at the same node, by the same ticket, until that node answers or is gone. A worker that
//! moves ends before its successor starts, and its state is not let go before the successor runs.
//! More than `restarts_max` restarts within `restarts_window`: it gives up, says so, and leaves
//! alone what runs. Workers that a lost node took with it are started elsewhere and do not count.
//!
//! *Never*: a second move while anything is not settled; a start on a node beyond `per_node_max`.
//!
//! Source: supervisors of Erlang/OTP (one for one, intensity and period), with places in nodes'
//! stead. Cost: O(w + c) per input for w workers and c nodes that qualify; some 100 bytes a worker.

mod api;
mod place;
mod slot;

pub use api::{
    Ending, HandOver, PoolConfig, Restart, Spread, StartAnswer, SuperviseEvent, SuperviseOutput,
    SuperviseOutputs, Ticket,
};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use archipelago_core::{NodeId, Pid, Time};
use bytes::Bytes;

use slot::{Slot, State};

/// First pause after a failure; it doubles.
pub const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);
/// After a run of this length a failure counts as the first one.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);
/// How often a state that waits for its successor is asked to be kept.
pub const KEEP_PERIOD: Duration = Duration::from_secs(15);
/// Most workers of a pool.
pub const WORKERS_MAX: u32 = 65_536;

/// Keeps the workers of one pool running.
#[derive(Clone, Debug)]
pub struct Supervisor {
    config: PoolConfig,
    slots: Vec<Slot>,
    /// Nodes that qualify, best first.
    candidates: Vec<NodeId>,
    /// Nodes that are there, whether they qualify or not.
    alive: BTreeSet<NodeId>,
    /// Nodes that would not start a worker, until when they are passed over, and how often.
    avoided: BTreeMap<NodeId, (Time, u32)>,
    /// Restarts of the last window.
    restarts: VecDeque<Time>,
    last_ticket: u64,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Workers that run already are made known.
    Adopting,
    Supervising,
    GaveUp,
    /// All workers are to end.
    Ending,
}

impl Supervisor {
    /// One that supervises from [`Supervisor::start`] on. Tickets begin after `tickets_from`, which
    /// is drawn at random: no two supervisors use the same.
    pub fn new(config: PoolConfig, tickets_from: u64) -> Self {
        let workers = config.workers.min(WORKERS_MAX);
        Self {
            slots: (0..workers).map(|_| Slot::default()).collect(),
            config,
            candidates: Vec::new(),
            alive: BTreeSet::new(),
            avoided: BTreeMap::new(),
            restarts: VecDeque::new(),
            last_ticket: tickets_from,
            phase: Phase::Adopting,
        }
    }

    /// A worker of the pool runs already, left by an earlier supervisor. One for a place that is
    /// taken, or that there is not, is ended.
    pub fn handle_adopted(&mut self, slot: u32, pid: Pid, now: Time, out: &mut SuperviseOutputs) {
        let free = self.slot(slot).filter(|slot| slot.is_vacant());
        match free {
            Some(found) => {
                found.run(pid, now);
                out.push(SuperviseOutput::Watch { slot, pid });
            }
            None => out.push(SuperviseOutput::Discard { pid }),
        }
    }

    /// All that run already are known: what is missing is started.
    pub fn start(&mut self, now: Time, out: &mut SuperviseOutputs) {
        if self.phase == Phase::Adopting {
            self.phase = Phase::Supervising;
        }
        self.settle(now, out);
    }

    /// Which nodes qualify now, best first, and which are there at all.
    pub fn handle_nodes(
        &mut self,
        candidates: Vec<NodeId>,
        alive: BTreeSet<NodeId>,
        now: Time,
        out: &mut SuperviseOutputs,
    ) {
        self.avoided.retain(|node, _| alive.contains(node));
        for slot in &mut self.slots {
            slot.on_nodes(&alive, now);
        }
        (self.candidates, self.alive) = (candidates, alive);
        let gone = self.slots.iter().filter_map(|slot| slot.lost(&self.alive));
        for pid in gone.collect::<Vec<_>>() {
            self.handle_ended(pid, Ending::Lost, now, out);
        }
        self.settle(now, out);
    }

    /// What became of [`SuperviseOutput::Start`].
    pub fn handle_started(
        &mut self,
        slot: u32,
        ticket: Ticket,
        answer: StartAnswer,
        now: Time,
        out: &mut SuperviseOutputs,
    ) {
        let is_ending = self.phase == Phase::Ending;
        let found = self.slot(slot).filter(|_| !is_ending);
        let on = found.and_then(|slot| slot.on_answer(ticket, answer, now));
        match (on, answer) {
            // Too late: it was given up, and another one may run.
            (None, StartAnswer::Started(pid)) => out.push(SuperviseOutput::Discard { pid }),
            (None, _) => return,
            (Some(on), StartAnswer::Started(pid)) => {
                self.avoided.remove(&on);
                self.on_running(slot, pid, out);
            }
            (Some(on), StartAnswer::Refused | StartAnswer::Unsent) => self.avoid(on, now),
            (Some(_), StartAnswer::Unsure) => {}
        }
        self.settle(now, out);
    }

    /// A worker that was to be watched has ended. Ignored for one that is known no more.
    pub fn handle_ended(
        &mut self,
        pid: Pid,
        ending: Ending,
        now: Time,
        out: &mut SuperviseOutputs,
    ) {
        let mut slots = (0_u32..).zip(&mut self.slots);
        let Some((slot, found)) = slots.find(|(_, slot)| slot.pid() == Some(pid)) else {
            return;
        };
        if found.on_ended_draining(ending) {
            return;
        }
        let policy = self.config.restart;
        let is_wanted = found.on_ended(policy, ending, now);
        let event = SuperviseEvent::Ended { slot, pid, ending };
        out.push(SuperviseOutput::Event(event));
        if is_wanted && ending != Ending::Lost {
            self.on_restart(now, out);
        }
        self.settle(now, out);
    }

    /// What became of [`SuperviseOutput::Drain`].
    pub fn handle_drained(
        &mut self,
        slot: u32,
        pid: Pid,
        answer: HandOver,
        now: Time,
        out: &mut SuperviseOutputs,
    ) {
        let found = self.slot(slot);
        let found = found.filter(|slot| slot.is_draining() && slot.pid() == Some(pid));
        let Some(found) = found else { return };
        match answer {
            HandOver::State(state) => found.on_handed(pid, state, now),
            HandOver::Unsure => found.drain_again(now),
            HandOver::Gone => {
                let ending = found.on_gone(now);
                return self.handle_ended(pid, ending, now, out);
            }
        }
        self.settle(now, out);
    }

    /// Ends all workers; their states are let go.
    pub fn end(&mut self, out: &mut SuperviseOutputs) {
        self.phase = Phase::Ending;
        for slot in &mut self.slots {
            let pids = slot.give_up();
            out.extend(pids.map(|pid| SuperviseOutput::Discard { pid }));
        }
    }

    /// Does what is due by `now`; harmless when early, late or repeated.
    pub fn handle_timeout(&mut self, now: Time, out: &mut SuperviseOutputs) {
        self.settle(now, out);
    }

    /// When to call `handle_timeout`, and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        if matches!(self.phase, Phase::Adopting | Phase::Ending) {
            return None;
        }
        let is_starting = self.phase == Phase::Supervising;
        let due = self.slots.iter().map(|slot| slot.due(is_starting)).min();
        let due = due.filter(|due| *due != Time::NEVER);
        due.map(|due| (due, "a worker of a pool"))
    }

    /// Where each place's worker runs; `None` where it does not.
    pub fn workers(&self) -> impl Iterator<Item = Option<Pid>> {
        self.slots.iter().map(Slot::running)
    }

    /// Whether it gave up: it restarts nothing any more.
    pub fn has_given_up(&self) -> bool {
        self.phase == Phase::GaveUp
    }

    fn slot(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(slot).ok()?)
    }

    fn on_running(&mut self, slot: u32, pid: Pid, out: &mut SuperviseOutputs) {
        out.push(SuperviseOutput::Watch { slot, pid });
        let moved = self.slot(slot).and_then(|slot| slot.moved.take());
        let event = match moved {
            Some(moved) => {
                let from = moved.from;
                out.push(SuperviseOutput::Release { pid: from });
                SuperviseEvent::Moved { slot, from, pid }
            }
            None => SuperviseEvent::Started { slot, pid },
        };
        out.push(SuperviseOutput::Event(event));
    }

    /// One more restart; gives up if there were too many.
    fn on_restart(&mut self, now: Time, out: &mut SuperviseOutputs) {
        let window = self.config.restarts_window;
        while self
            .restarts
            .front()
            .is_some_and(|at| now.since(*at) >= window)
        {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
        let restarts = u32::try_from(self.restarts.len()).unwrap_or(u32::MAX);
        if restarts > self.config.restarts_max && self.phase == Phase::Supervising {
            self.phase = Phase::GaveUp;
            let event = SuperviseEvent::GaveUp { restarts, window };
            out.push(SuperviseOutput::Event(event));
        }
    }

    fn avoid(&mut self, node: NodeId, now: Time) {
        let known = self.avoided.get(&node).map_or(0, |(_, times)| *times);
        let times = known.saturating_add(1);
        self.avoided.insert(node, (now.after(pause(times)), times));
    }

    fn settle(&mut self, now: Time, out: &mut SuperviseOutputs) {
        match self.phase {
            Phase::Adopting | Phase::Ending => {}
            Phase::GaveUp => self.follow_up(now, out),
            Phase::Supervising => {
                self.follow_up(now, out);
                self.place(now, out);
                self.rebalance(now, out);
            }
        }
    }

    /// Asks again what was not answered, and has states kept.
    fn follow_up(&mut self, now: Time, out: &mut SuperviseOutputs) {
        for (number, slot) in (0_u32..).zip(&mut self.slots) {
            slot.follow_up(number, now, out);
        }
    }
}

/// The pause after so many failures in a row.
fn pause(times: u32) -> Duration {
    let factor = 1_u32 << times.saturating_sub(1).min(16);
    PAUSE_MIN.saturating_mul(factor).min(PAUSE_MAX)
}

/// A state that is on its way from one worker to the next.
#[derive(Clone, Debug)]
struct Moved {
    from: Pid,
    state: Bytes,
    /// When to ask again that it be kept.
    keep_at: Time,
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
