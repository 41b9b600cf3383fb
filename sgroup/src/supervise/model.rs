//! A supervisor and nodes that crash, come, refuse, and lose answers, in any order (proptest).
//!
//! Held after each step: no place has two living workers, counters that workers carry never fall
//! but where a node took them with it; and once the faults end, every place has its worker, evenly.
#![allow(clippy::unwrap_used)]

use archipelago_core::{Boot, LocalId};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;

use super::*;

const NODES: u8 = 5;
const WORKERS: u32 = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A node crashes; whoever asked it anything hears nothing.
    Crash(u8),
    /// It is there (again).
    Come(u8),
    /// It qualifies no more, or again.
    Toggle(u8),
    /// The next question is answered; the answer may be lost.
    Answer { index: usize, is_lost: bool },
    /// The next question is refused, if it is a start.
    Refuse(usize),
    /// A worker fails.
    Fail(usize),
    /// A worker counts.
    Count(usize),
    /// Time passes, in ms.
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..NODES).prop_map(Step::Crash),
        2 => (0..NODES).prop_map(Step::Come),
        1 => (0..NODES).prop_map(Step::Toggle),
        8 => (any::<usize>(), prop::bool::weighted(0.3))
            .prop_map(|(index, is_lost)| Step::Answer { index, is_lost }),
        1 => any::<usize>().prop_map(Step::Refuse),
        1 => any::<usize>().prop_map(Step::Fail),
        3 => any::<usize>().prop_map(Step::Count),
        4 => (1_u16..4_000).prop_map(Step::Pass),
    ]
}

/// A worker, as its node knows it.
#[derive(Clone, Debug)]
struct Worker {
    slot: u32,
    ticket: Ticket,
    pid: Pid,
    count: u8,
    is_alive: bool,
    /// Kept until it is released.
    state: Option<u8>,
}

struct World {
    supervisor: Supervisor,
    now: Time,
    nodes: BTreeMap<u8, bool>,
    workers: Vec<Worker>,
    asked: Vec<SuperviseOutput>,
    watched: BTreeSet<Pid>,
    last: u64,
    /// By place: the highest count that no crash has taken.
    counted: BTreeMap<u32, u8>,
}

fn id(node: u8) -> NodeId {
    NodeId([node + 1; 32])
}

impl World {
    fn new() -> Self {
        let config = PoolConfig {
            restarts_max: u32::MAX,
            ..PoolConfig::new(WORKERS)
        };
        let mut world = Self {
            supervisor: Supervisor::new(config, 0),
            now: Time::START,
            nodes: BTreeMap::new(),
            workers: Vec::new(),
            asked: Vec::new(),
            watched: BTreeSet::new(),
            last: 0,
            counted: BTreeMap::new(),
        };
        world.run(|supervisor, now, out| supervisor.start(now, out));
        world
    }

    fn run(&mut self, act: impl FnOnce(&mut Supervisor, Time, &mut SuperviseOutputs)) {
        let mut out = Vec::new();
        act(&mut self.supervisor, self.now, &mut out);
        for output in out {
            match output {
                SuperviseOutput::Start { .. } | SuperviseOutput::Drain { .. } => {
                    self.asked.push(output);
                }
                SuperviseOutput::Watch { pid, .. } => {
                    self.watched.insert(pid);
                }
                SuperviseOutput::Release { pid } => self.forget(pid),
                SuperviseOutput::Discard { pid } => {
                    self.end(pid);
                    self.forget(pid);
                }
                _ => {}
            }
        }
        self.tell_ends();
    }

    /// Monitors fire for whoever has ended or never was.
    fn tell_ends(&mut self) {
        let nodes = &self.nodes;
        let is_up = |pid: &Pid| nodes.contains_key(&(pid.node.0[0] - 1));
        let workers = &self.workers;
        let lives = |pid: &Pid| workers.iter().any(|one| one.pid == *pid && one.is_alive);
        let ended: Vec<(Pid, Ending)> = self
            .watched
            .iter()
            .filter(|pid| !lives(pid))
            .map(|pid| {
                (
                    *pid,
                    if is_up(pid) {
                        Ending::Failed
                    } else {
                        Ending::Lost
                    },
                )
            })
            .collect();
        for (pid, ending) in ended {
            self.watched.remove(&pid);
            self.run(|supervisor, now, out| supervisor.handle_ended(pid, ending, now, out));
        }
    }

    fn end(&mut self, pid: Pid) {
        for one in self.workers.iter_mut().filter(|one| one.pid == pid) {
            one.is_alive = false;
        }
    }

    fn forget(&mut self, pid: Pid) {
        for one in self.workers.iter_mut().filter(|one| one.pid == pid) {
            one.state = None;
        }
    }

    fn tell_nodes(&mut self) {
        let alive: BTreeSet<NodeId> = self.nodes.keys().copied().map(id).collect();
        let good = self.nodes.iter().filter(|(_, is_good)| **is_good);
        let good: Vec<NodeId> = good.map(|(node, _)| id(*node)).collect();
        self.run(|supervisor, now, out| supervisor.handle_nodes(good, alive, now, out));
    }

    fn answer(&mut self, index: usize, is_lost: bool, is_refused: bool) {
        if self.asked.is_empty() {
            return;
        }
        let index = index % self.asked.len();
        match self.asked.remove(index) {
            SuperviseOutput::Start {
                slot,
                on,
                ticket,
                state,
            } => {
                let answer = self.start(slot, on, ticket, state, is_refused);
                let answer = if is_lost { StartAnswer::Unsure } else { answer };
                self.run(|supervisor, now, out| {
                    supervisor.handle_started(slot, ticket, answer, now, out);
                });
            }
            SuperviseOutput::Drain { slot, pid } => {
                let answer = self.drain(pid);
                let answer = if is_lost { HandOver::Unsure } else { answer };
                self.run(|supervisor, now, out| {
                    supervisor.handle_drained(slot, pid, answer, now, out);
                });
            }
            _ => {}
        }
    }

    fn start(
        &mut self,
        slot: u32,
        on: NodeId,
        ticket: Ticket,
        state: Option<Bytes>,
        is_refused: bool,
    ) -> StartAnswer {
        if !self.nodes.contains_key(&(on.0[0] - 1)) {
            return StartAnswer::Unsure;
        }
        let mut known = self.workers.iter();
        if let Some(known) = known.find(|one| one.pid.node == on && one.ticket == ticket) {
            return StartAnswer::Started(known.pid);
        }
        if is_refused {
            return StartAnswer::Refused;
        }
        self.last += 1;
        let pid = Pid {
            node: on,
            boot: Boot(1),
            local: LocalId(self.last),
            home: None,
        };
        let count = state.map_or(0, |state| state[0]);
        self.workers.push(Worker {
            slot,
            ticket,
            pid,
            count,
            is_alive: true,
            state: None,
        });
        StartAnswer::Started(pid)
    }

    fn drain(&mut self, pid: Pid) -> HandOver {
        if !self.nodes.contains_key(&(pid.node.0[0] - 1)) {
            return HandOver::Unsure;
        }
        let Some(worker) = self.workers.iter_mut().find(|one| one.pid == pid) else {
            return HandOver::Gone;
        };
        if worker.is_alive {
            worker.is_alive = false;
            worker.state = Some(worker.count);
        }
        let state = worker.state.map(|count| Bytes::copy_from_slice(&[count]));
        state.map_or(HandOver::Gone, HandOver::State)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Crash(node) => {
                self.nodes.remove(&node);
                let on = id(node);
                for one in self.workers.iter().filter(|one| one.pid.node == on) {
                    // Who runs there is lost, with what it counted.
                    if one.is_alive || one.state.is_some() {
                        self.counted.insert(one.slot, 0);
                    }
                }
                self.workers.retain(|one| one.pid.node != on);
                self.tell_ends();
                self.lose_questions(on);
                self.tell_nodes();
            }
            Step::Come(node) => {
                self.nodes.entry(node).or_insert(true);
                self.tell_nodes();
            }
            Step::Toggle(node) => {
                if let Some(is_good) = self.nodes.get_mut(&node) {
                    *is_good = !*is_good;
                }
                self.tell_nodes();
            }
            Step::Answer { index, is_lost } => self.answer(index, is_lost, false),
            Step::Refuse(index) => self.answer(index, false, true),
            Step::Fail(index) => {
                let alive: Vec<(u32, Pid)> = self.alive().map(|one| (one.slot, one.pid)).collect();
                if let Some((slot, pid)) = alive.get(index % alive.len().max(1)) {
                    self.counted.insert(*slot, 0);
                    self.end(*pid);
                    self.tell_ends();
                }
            }
            Step::Count(index) => {
                let mut alive: Vec<&mut Worker> =
                    self.workers.iter_mut().filter(|one| one.is_alive).collect();
                let len = alive.len().max(1);
                if let Some(worker) = alive.get_mut(index % len) {
                    worker.count = worker.count.saturating_add(1);
                    self.counted.insert(worker.slot, worker.count);
                }
            }
            Step::Pass(ms) => {
                self.now = self.now.after(Duration::from_millis(ms.into()));
                self.run(Supervisor::handle_timeout);
            }
        }
    }

    /// What was asked of a node that crashed is answered by nobody, and not read by its next start.
    fn lose_questions(&mut self, on: NodeId) {
        let is_lost = |asked: &SuperviseOutput| match asked {
            SuperviseOutput::Start { on: node, .. } => *node == on,
            SuperviseOutput::Drain { pid, .. } => pid.node == on,
            _ => false,
        };
        while let Some(index) = self.asked.iter().position(is_lost) {
            self.answer(index, true, false);
        }
    }

    fn alive(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().filter(|one| one.is_alive)
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut seen = BTreeSet::new();
        for worker in self.alive() {
            prop_assert!(seen.insert(worker.slot), "two in place {}", worker.slot);
            let counted = self.counted.get(&worker.slot).copied().unwrap_or(0);
            prop_assert!(worker.count >= counted, "a state was lost: {:?}", worker);
        }
        Ok(())
    }

    /// The faults end: everything is answered, and time passes.
    fn heal(&mut self) {
        for node in 0..3 {
            self.nodes.insert(node, true);
        }
        self.tell_nodes();
        for _ in 0..200 {
            while !self.asked.is_empty() {
                self.answer(0, false, false);
            }
            self.step(Step::Pass(2_000));
        }
    }
}

proptest! {
    /// U29, U31: whatever nodes and answers do, one worker a place, with its state; and all of them
    /// once that ends.
    #[test]
    fn u29_u31_one_worker_a_place_whatever_happens(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.check()?;
        }
        world.heal();
        world.check()?;
        let alive: Vec<&Worker> = world.alive().collect();
        prop_assert_eq!(alive.len(), WORKERS as usize);
        let known: Vec<Option<Pid>> = world.supervisor.workers().collect();
        for worker in &alive {
            prop_assert_eq!(known[worker.slot as usize], Some(worker.pid));
        }
        let mut counts: BTreeMap<NodeId, u32> = BTreeMap::new();
        for (node, is_good) in &world.nodes {
            if *is_good {
                counts.insert(id(*node), 0);
            }
        }
        for worker in &alive {
            let count = counts.get_mut(&worker.pid.node);
            prop_assert!(count.is_some(), "on a node that does not qualify");
            *count.unwrap() += 1;
        }
        let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
        prop_assert!(most - least <= 1, "uneven: {:?}", counts);
    }
}
