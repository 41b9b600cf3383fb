//! Hosts in a small world of their own: words in order but late, hosts that come, leave, crash and
//! start anew, views of them that lag, paths that lose what is on them.
//!
//! Each mutant tampers at the world's edge, as a missing rule would, and must be caught.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

const KEYS: u8 = 24;
const TICK: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
enum Op {
    Join(u8),
    Leave(u8),
    Crash(u8),
    See(u8),
    Request(u8, u8),
    Deliver(u8, u8),
    Lose(u8, u8),
    Finish(u8),
    Fail(u8),
    Tick,
}

/// A rule that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    /// A shard is released before its states are sent, which then are not waited for.
    FlipsFirst,
    /// A worker whose shard moves goes on at its old owner.
    KeepsTheWorker,
    /// Whoever asked a host that the key has left is not told.
    MovedUnsaid,
}

/// A request, and which.
type Message = u32;
/// A word under way, from which run of its host.
type Word = (LocalId, KeyedWord, Bytes);
/// A worker: how many requests it has done.
type Counter = u64;

#[derive(Debug)]
struct Member {
    host: Host<Counter, Message>,
    run: LocalId,
    born: Time,
    view: usize,
}

#[derive(Debug)]
struct Lent {
    at: NodeId,
    key: Bytes,
    run: u64,
    worker: Counter,
    /// Why, if it is stopping.
    stopping: Option<StopReason>,
}

#[derive(Debug)]
struct World {
    mutant: Option<Mutant>,
    now: Time,
    members: BTreeMap<NodeId, Member>,
    /// Who hosts, as time went on.
    truth: Vec<Vec<HostInfo>>,
    links: BTreeMap<(NodeId, NodeId), VecDeque<Word>>,
    lent: Vec<Lent>,
    /// Requests done for each key; `None`: a crash lost what is unknown.
    counts: BTreeMap<Bytes, Option<Counter>>,
    asked: u32,
    ended: BTreeSet<Message>,
    last_run: u64,
    keys: Vec<Bytes>,
}

fn node(number: u8) -> NodeId {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&crate::view::rendezvous(3, number.into()).to_le_bytes());
    NodeId(id)
}

fn config() -> HostConfig {
    HostConfig {
        idle_timeout: Duration::from_millis(700),
        transfers_max: 2,
        ..HostConfig::default()
    }
}

impl World {
    fn new(mutant: Option<Mutant>) -> Self {
        let keys = (0..KEYS).map(|number| Bytes::copy_from_slice(&[number]));
        Self {
            mutant,
            now: Time::START,
            members: BTreeMap::new(),
            truth: vec![Vec::new()],
            links: BTreeMap::new(),
            lent: Vec::new(),
            counts: BTreeMap::new(),
            asked: 0,
            ended: BTreeSet::new(),
            last_run: 0,
            keys: keys.collect(),
        }
    }

    fn take(&mut self, op: Op) {
        match op {
            Op::Join(number) => self.join(node(number % 5)),
            Op::Leave(which) => self.on_one(which, Self::leave),
            Op::Crash(which) => self.on_one(which, |world, at| {
                world.crash(at);
            }),
            Op::See(which) => self.on_one(which, Self::see),
            Op::Request(which, key) => self.on_one(which, |world, at| world.request(at, key)),
            Op::Deliver(which, count) => self.on_link(which, |world, link| {
                for _ in 0..=count {
                    world.deliver(link);
                }
            }),
            Op::Lose(which, keep) => self.on_link(which, |world, link| {
                let queue = world.links.entry(link).or_default();
                queue.truncate(usize::from(keep % 4));
            }),
            Op::Finish(which) => self.finish(which, true),
            Op::Fail(which) => self.finish(which, false),
            Op::Tick => self.tick(),
        }
        self.check();
    }

    fn on_one(&mut self, which: u8, act: impl FnOnce(&mut Self, NodeId)) {
        let all: Vec<NodeId> = self.members.keys().copied().collect();
        if !all.is_empty() {
            act(self, all[usize::from(which) % all.len()]);
        }
    }

    fn on_link(&mut self, which: u8, act: impl FnOnce(&mut Self, (NodeId, NodeId))) {
        let busy = self.links.iter().filter(|(_, queue)| !queue.is_empty());
        let all: Vec<(NodeId, NodeId)> = busy.map(|(link, _)| *link).collect();
        if !all.is_empty() {
            act(self, all[usize::from(which) % all.len()]);
        }
    }

    fn join(&mut self, at: NodeId) {
        self.crash(at);
        self.last_run += 1;
        let run = LocalId(self.last_run);
        let host = Host::new(at, Bytes::from_static(b"s"), config(), self.now);
        let member = Member {
            host,
            run,
            born: self.now,
            view: 0,
        };
        self.members.insert(at, member);
        self.say(at, Some((run, false)));
        self.see(at);
    }

    fn leave(&mut self, at: NodeId) {
        let run = self.members[&at].run;
        self.say(at, Some((run, true)));
        self.with(at, |host, now, out| host.leave(now, out));
    }

    fn crash(&mut self, at: NodeId) {
        if self.members.remove(&at).is_none() {
            return;
        }
        self.links.retain(|(from, to), _| *from != at && *to != at);
        self.lent.retain(|lent| lent.at != at);
        self.counts.values_mut().for_each(|count| *count = None);
        // Whoever asked there hears that the node is down.
        self.ended.extend(0..self.asked);
        self.say(at, None);
    }

    fn say(&mut self, node: NodeId, host: Option<(LocalId, bool)>) {
        let mut hosts = self.truth.last().cloned().unwrap_or_default();
        hosts.retain(|known| known.node != node);
        hosts.extend(host.map(|(run, is_leaving)| HostInfo {
            node,
            run,
            is_leaving,
        }));
        self.truth.push(hosts);
    }

    fn see(&mut self, at: NodeId) {
        let hosts = self.truth.last().cloned().unwrap_or_default();
        let view = self.truth.len();
        self.members.get_mut(&at).unwrap().view = view;
        self.with(at, |host, now, out| host.handle_hosts(&hosts, now, out));
    }

    fn request(&mut self, at: NodeId, key: u8) {
        let key = self.keys[usize::from(key % KEYS)].clone();
        let message = self.asked;
        self.asked += 1;
        self.with(at, |host, now, out| {
            host.handle_request(key, message, 1, now, out);
        });
    }

    fn deliver(&mut self, (from, to): (NodeId, NodeId)) {
        let queue = self.links.entry((from, to)).or_default();
        let Some((run, word, body)) = queue.pop_front() else {
            return;
        };
        if self.members[&to].host.is_host(from, run) {
            self.with(to, |host, now, out| {
                host.handle_word(from, word, body, now, out);
            });
        }
    }

    fn finish(&mut self, which: u8, is_well: bool) {
        if self.lent.is_empty() {
            return;
        }
        let lent = self.lent.remove(usize::from(which) % self.lent.len());
        let Lent {
            key, run, worker, ..
        } = lent;
        if let Some(reason) = lent.stopping {
            let state = Bytes::copy_from_slice(&worker.to_le_bytes());
            if (self.mutant, reason) == (Some(Mutant::KeepsTheWorker), StopReason::Moved) {
                self.lend(lent.at, key.clone(), run, worker, None);
            }
            return self.with(lent.at, |host, now, out| {
                host.handle_stopped(key, run, Some(state), now, out);
            });
        }
        let count = self.counts.get_mut(&key).unwrap();
        *count = Some(if is_well { worker + 1 } else { 0 });
        let worker = is_well.then_some(worker + 1);
        self.with(lent.at, |host, now, out| {
            host.handle_done(key, run, worker, now, out);
        });
    }

    fn tick(&mut self) {
        let settle = config().settle;
        let is_new = |member: &Member| member.born.after(settle) <= self.now.after(TICK * 2);
        if self.members.values().any(is_new) {
            self.see_all();
        }
        self.now = self.now.after(TICK);
        for at in self.members.keys().copied().collect::<Vec<_>>() {
            self.with(at, |host, now, out| {
                if host.poll_timeout().is_some_and(|(due, _)| due <= now) {
                    host.handle_timeout(now, out);
                }
            });
        }
    }

    fn see_all(&mut self) {
        let latest = self.truth.len();
        let behind = self.members.iter().filter(|(_, one)| one.view < latest);
        for at in behind.map(|(at, _)| *at).collect::<Vec<_>>() {
            self.see(at);
        }
    }

    fn with(
        &mut self,
        at: NodeId,
        act: impl FnOnce(&mut Host<Counter, Message>, Time, &mut Vec<HostOutput<Counter, Message>>),
    ) {
        let mut out = Vec::new();
        let member = self.members.get_mut(&at).unwrap();
        act(&mut member.host, self.now, &mut out);
        let run = member.run;
        for output in out {
            self.perform(at, run, output);
        }
    }

    fn perform(&mut self, at: NodeId, host_run: LocalId, output: HostOutput<Counter, Message>) {
        match output {
            HostOutput::Send { to, word, body } => {
                let word = self.tampered(word);
                if let Some(word) = word.filter(|_| self.members.contains_key(&to)) {
                    let link = self.links.entry((at, to)).or_default();
                    link.push_back((host_run, word, body));
                }
            }
            HostOutput::Run {
                key,
                run,
                worker,
                message,
                ..
            } => {
                let worker = match worker {
                    Start::Fresh => 0,
                    Start::Kept(state) => u64::from_le_bytes(state[..].try_into().unwrap()),
                    Start::Active(worker) => worker,
                };
                let expected = self.counts.entry(key.clone()).or_insert(Some(0));
                assert_eq!(
                    worker,
                    expected.unwrap_or(worker),
                    "the state of {key:?} at {at:?}"
                );
                *expected = Some(worker);
                assert!(
                    !self.lent.iter().any(|lent| lent.key == key),
                    "{key:?} runs elsewhere"
                );
                self.ended.insert(message);
                self.lend(at, key, run, worker, None);
            }
            HostOutput::Stop {
                key,
                run,
                worker,
                reason,
            } => self.lend(at, key, run, worker, Some(reason)),
            HostOutput::Refuse { message, refusal } => {
                if (self.mutant, refusal) != (Some(Mutant::MovedUnsaid), Refusal::Moved) {
                    self.ended.insert(message);
                }
            }
            HostOutput::Abort { .. } => unreachable!("no lease is lost here"),
        }
    }

    /// What becomes of a word.
    fn tampered(&self, word: KeyedWord) -> Option<KeyedWord> {
        match (self.mutant, word) {
            (Some(Mutant::FlipsFirst), KeyedWord::State { .. }) => None,
            (Some(Mutant::FlipsFirst), KeyedWord::Release { round, shards, .. }) => {
                let states = 0;
                Some(KeyedWord::Release {
                    round,
                    shards,
                    states,
                })
            }
            (_, word) => Some(word),
        }
    }

    fn lend(
        &mut self,
        at: NodeId,
        key: Bytes,
        run: u64,
        worker: Counter,
        stopping: Option<StopReason>,
    ) {
        self.lent.push(Lent {
            at,
            key,
            run,
            worker,
            stopping,
        });
    }

    /// At most one runs each key.
    fn check(&self) {
        for key in &self.keys {
            let serving = self.members.values();
            let serving = serving.filter(|member| member.host.is_serving(key, self.now));
            assert!(serving.count() <= 1, "{key:?} has two hosts");
        }
    }

    /// All words arrive, all work ends, all see the same.
    fn quiesce(&mut self) {
        for _ in 0..100 {
            self.see_all();
            while !self.lent.is_empty() {
                self.finish(0, true);
            }
            for link in self.links.keys().copied().collect::<Vec<_>>() {
                while !self.links[&link].is_empty() {
                    self.deliver(link);
                }
            }
            self.tick();
            self.check();
        }
    }

    fn check_end(&self) {
        let hosts = self.truth.last().unwrap();
        let takers = hosts.iter().filter(|host| !host.is_leaving);
        let takers: Vec<NodeId> = takers.map(|host| host.node).collect();
        let map = crate::shards::ShardMap::new(b"s", takers.iter().copied());
        for key in &self.keys {
            let owner = map.owner_of(key);
            for (at, member) in &self.members {
                let should = owner == Some(*at);
                assert!(
                    !should || member.host.is_serving(key, self.now),
                    "{key:?} is not served by its owner"
                );
            }
        }
        if !takers.is_empty() {
            for host in hosts.iter().filter(|host| host.is_leaving) {
                let leaving = &self.members[&host.node].host;
                assert!(leaving.has_left(), "{:?} has not left", host.node);
            }
            assert_eq!(
                self.ended.len(),
                self.asked as usize,
                "requests without an end"
            );
        }
    }
}

fn any_op() -> impl Strategy<Value = Op> {
    let n = any::<u8>;
    prop_oneof![
        2 => n().prop_map(Op::Join),
        2 => n().prop_map(Op::Leave),
        1 => n().prop_map(Op::Crash),
        6 => n().prop_map(Op::See),
        20 => (n(), n()).prop_map(|(at, key)| Op::Request(at, key)),
        20 => (n(), n()).prop_map(|(link, count)| Op::Deliver(link, count)),
        2 => (n(), n()).prop_map(|(link, keep)| Op::Lose(link, keep)),
        20 => n().prop_map(Op::Finish),
        1 => n().prop_map(Op::Fail),
        8 => Just(Op::Tick),
    ]
}

proptest! {
    /// U11: of hosts that know of each other at most one runs a key; its state is there and whole
    /// wherever it moves, also past words that are lost; each request ends; and in the end each
    /// shard is run by its owner.
    #[test]
    fn u11_a_key_has_one_worker_and_its_state_follows_it(ops in prop::collection::vec(any_op(), 20..500)) {
        run(ops, None);
    }
}

fn run(ops: Vec<Op>, mutant: Option<Mutant>) {
    let mut world = World::new(mutant);
    for number in 0..3 {
        world.take(Op::Join(number));
    }
    for op in ops {
        world.take(op);
    }
    world.quiesce();
    world.check_end();
}

fn assert_caught(mutant: Mutant) {
    let config = Config {
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    };
    let ops = prop::collection::vec(any_op(), 20..500);
    let ran = TestRunner::new(config).run(&ops, |ops| {
        run(ops, Some(mutant));
        Ok(())
    });
    assert!(ran.is_err(), "{mutant:?} goes unseen");
}

#[test]
fn the_mutant_that_flips_before_the_states_came_is_caught() {
    assert_caught(Mutant::FlipsFirst);
}

#[test]
fn the_mutant_that_keeps_a_worker_at_its_old_owner_is_caught() {
    assert_caught(Mutant::KeepsTheWorker);
}

#[test]
fn the_mutant_that_says_of_nothing_that_it_moved_is_caught() {
    assert_caught(Mutant::MovedUnsaid);
}
