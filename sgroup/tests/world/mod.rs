//! A small world in virtual time for [`Group`] alone: nodes, sessions, latency, loss as delay,
//! one-way cuts, crashes, restarts and pauses. It stands in for `Node` in the simplest way that
//! keeps its promises (reliable and in order until a close), and decides nothing else.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "what is missing here is the world's own mistake"
)]

mod checks;
mod faults;
mod net;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{GroupBody, List, SessionId};
use archipelago_core::{
    Address, Boot, Context, Crypto, NodeId, NodeRecord, Peer, Peers, Rng, Roles, SignedRecord,
    Time, ToyCrypto,
};
use archipelago_sgroup::{
    Cookies, DialTarget, Group, GroupConfig, GroupEvent, GroupOutput, GroupOutputs, Place, Seed,
    Timing,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// One node and its group.
pub(crate) struct Node {
    pub(crate) group: Group,
    pub(crate) peers: Peers,
    pub(crate) id: NodeId,
    pub(crate) boot: Boot,
    pub(crate) is_alive: bool,
    paused_until: Option<Time>,
    missed: Vec<Event>,
    record_seq: u64,
    rng: Rng,
    crypto: ToyCrypto,
    config: Arc<GroupConfig>,
    wakes: BTreeSet<Time>,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    Wake,
    Message(usize, u32, GroupBody),
    Ping(usize, u32, Time),
    Pong(usize, u32, Time),
    Opened(usize, u32, Option<DialTarget>),
    Closed(usize, u32),
    Failed(DialTarget),
}

/// The world.
pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) nodes: Vec<Node>,
    pub(crate) told: Vec<(Time, usize, GroupEvent)>,
    pub(crate) sent: u64,
    pub(crate) latency: (Duration, Duration),
    /// Chance in a thousand that a message is lost and so late by its retransmission.
    pub(crate) loss: u64,
    pub(crate) seed: u64,
    rng: Rng,
    queue: BTreeMap<(Time, u64), (usize, Event)>,
    order: u64,
    sessions: BTreeMap<(usize, usize), Session>,
    blocked: BTreeSet<(usize, usize)>,
    generation: u32,
}

struct Session {
    generation: u32,
    /// Latest delivery per direction (from the lower, from the higher).
    last: [Time; 2],
    held: Vec<(usize, usize, Event)>,
    cut_at: Option<Time>,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed={} now={}us", self.seed, self.now.as_micros());
            self.why();
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Time::from_micros(1_000),
            nodes: Vec::new(),
            told: Vec::new(),
            sent: 0,
            latency: (ms(1), ms(5)),
            loss: 0,
            seed,
            rng: Rng::from_u64(seed ^ 0x776f_726c_6400),
            queue: BTreeMap::new(),
            order: 0,
            sessions: BTreeMap::new(),
            blocked: BTreeSet::new(),
            generation: 0,
        }
    }

    /// `count` nodes, the first of which is everybody's seed, started at once.
    pub(crate) fn formed(seed: u64, count: usize) -> Self {
        let mut world = Self::new(seed);
        for _ in 0..count {
            world.add(&[0]);
        }
        for node in 0..count {
            world.start(node);
        }
        world.run_for(SECOND * 4);
        world.assert_mesh();
        world
    }

    /// A node whose seeds are the nodes of these numbers (its own among them makes it a founder).
    pub(crate) fn add(&mut self, seeds: &[usize]) -> usize {
        self.add_with(seeds, Some(b"cookie"))
    }

    pub(crate) fn add_with(&mut self, seeds: &[usize], cookie: Option<&[u8]>) -> usize {
        let number = self.nodes.len();
        let config = GroupConfig {
            realm: "realm".into(),
            name: "group".into(),
            cookies: cookie.map(|cookie| Cookies {
                current: cookie.into(),
                previous: None,
            }),
            seeds: seeds.iter().map(|&seed| seed_of(seed)).collect(),
            size: 0,
            members_max: 1_024,
            is_closed: false,
            timing: Arc::new(Timing::default()),
            place: Place::default(),
        };
        let boot = Boot(1);
        let node = self.fresh(number, boot, Arc::new(config));
        self.nodes.push(node);
        number
    }

    fn fresh(&mut self, number: usize, boot: Boot, config: Arc<GroupConfig>) -> Node {
        let id = id_of(number);
        let crypto = ToyCrypto::of(id);
        let mut rng = Rng::from_u64(self.seed).split(number as u64 + boot.0 * 100_000);
        let mut peers = Peers::new(4_096);
        let record = record_of(number, boot, 1, &crypto);
        let mut cx = Context {
            now: self.now,
            me: id,
            rng: &mut rng,
            crypto: &crypto,
            peers: &mut peers,
        };
        let group = Group::new(config.clone(), record, &mut cx);
        Node {
            group,
            peers,
            id,
            boot,
            is_alive: true,
            paused_until: None,
            missed: Vec::new(),
            record_seq: 1,
            rng,
            crypto,
            config,
            wakes: BTreeSet::new(),
        }
    }

    pub(crate) fn start(&mut self, node: usize) {
        self.with(node, |group, cx, out| group.handle_start(cx, out));
    }

    pub(crate) fn leave(&mut self, node: usize) {
        self.with(node, |group, cx, out| group.handle_leave(cx, out));
    }

    pub(crate) fn run_for(&mut self, span: Duration) {
        self.run_until(self.now.after(span));
    }

    pub(crate) fn run_until(&mut self, end: Time) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > end {
                break;
            }
            let ((at, _), (node, event)) = entry.remove_entry();
            self.now = self.now.max(at);
            self.dispatch(node, event);
        }
        self.now = end;
    }

    /// Runs until `holds`, at most `limit`; how long it took.
    pub(crate) fn run_while_not(
        &mut self,
        limit: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> Duration {
        let begin = self.now;
        let end = begin.after(limit);
        while !holds(self) {
            assert!(self.now < end, "it did not come true within {limit:?}");
            self.run_for(ms(20));
        }
        self.now.since(begin)
    }

    /// Calls one node's group and does what it says.
    pub(crate) fn with(
        &mut self,
        number: usize,
        call: impl FnOnce(&mut Group, &mut Context<'_>, &mut GroupOutputs),
    ) {
        let node = &mut self.nodes[number];
        let mut out = GroupOutputs::new();
        let mut cx = Context {
            now: self.now,
            me: node.id,
            rng: &mut node.rng,
            crypto: &node.crypto,
            peers: &mut node.peers,
        };
        call(&mut node.group, &mut cx, &mut out);
        for output in out {
            self.act(number, output);
        }
        self.schedule_wake(number);
    }

    fn schedule_wake(&mut self, number: usize) {
        let now = self.now;
        let node = &mut self.nodes[number];
        let Some((due, _)) = node.group.poll_timeout() else {
            return;
        };
        let due = due.max(now.after(Duration::from_micros(1)));
        let is_first = node.wakes.first().is_none_or(|&first| due < first);
        if is_first && node.wakes.insert(due) {
            self.push(due, number, Event::Wake);
        }
    }

    fn push(&mut self, at: Time, node: usize, event: Event) {
        self.order += 1;
        self.queue.insert((at, self.order), (node, event));
    }

    fn dispatch(&mut self, number: usize, event: Event) {
        let now = self.now;
        let node = &mut self.nodes[number];
        if let Event::Wake = event {
            node.wakes.remove(&now);
        }
        if !node.is_alive {
            return;
        }
        if node.paused_until.is_some_and(|until| now < until) {
            return node.missed.push(event);
        }
        if node.paused_until.take().is_some() {
            for event in std::mem::take(&mut node.missed) {
                self.handle(number, event);
            }
        }
        self.handle(number, event);
    }

    fn handle(&mut self, number: usize, event: Event) {
        match event {
            Event::Wake => self.with(number, |group, cx, out| group.handle_timeout(cx, out)),
            event => self.handle_net(number, event),
        }
    }

    pub(crate) fn peer(&self, at: usize, of: usize) -> Option<Peer> {
        self.nodes[at].peers.find(&id_of(of))
    }
}

pub(crate) fn id_of(number: usize) -> NodeId {
    let mut id = [0; 32];
    // Spread, so that ids are not in the order of the numbers.
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    id[..8].copy_from_slice(&mixed.to_le_bytes());
    id[8..16].copy_from_slice(&(number as u64).to_le_bytes());
    NodeId(id)
}

pub(crate) fn number_of(id: &NodeId) -> usize {
    usize::from(u16::from_le_bytes([id.0[8], id.0[9]]))
}

fn address_of(number: usize) -> Address {
    Address::from(format!("/memory/{number}").as_str())
}

pub(crate) fn seed_of(number: usize) -> Seed {
    Seed {
        address: address_of(number),
        node: None,
    }
}

fn record_of(number: usize, boot: Boot, seq: u64, crypto: &dyn Crypto) -> Arc<SignedRecord> {
    let record = NodeRecord {
        node: id_of(number),
        boot,
        seq,
        name: format!("n{number}").as_str().into(),
        groups: List::new(),
        addresses: List::truncated([address_of(number)]),
        roles: Roles::default(),
        sealing_key: crypto.sealing_key(),
        wire: (1, 1),
        life_s: 86_400,
    };
    Arc::new(SignedRecord::new(record, crypto).unwrap())
}

const fn session_id(generation: u32) -> SessionId {
    SessionId {
        slot: generation,
        generation: 0,
    }
}
