//! Workload W1 on the engine alone: heartbeats between nodes drawn at random, and nothing else. By
//! it simulators are compared (`papers/peersim.md`, `papers/simgrid.md`).
//!
//! N nodes; the first timer of each uniform in [0, 1 s); then every second it sends one heartbeat
//! of 64 bytes to 10 peers drawn afresh, latency uniform 1 to 100 ms at 1 µs; who receives one
//! updates a counter, a last-seen time and a hash of (source, time). Stop at T, drain 200 ms. The
//! xor of all hashes depends on the seed, N and T, and not on the queue, the shards or the threads.
//! Cost: 32 bytes a node, and 24 for each event that waits.

use std::time::Duration;

use archipelago_core::{Time, ahead};

use crate::engine::{Due, Engine, Key, Layout, Post, Shard};
use crate::random::Random;

/// The least latency.
const LOOKAHEAD: Duration = Duration::from_millis(1);
/// Latencies above the least, in microseconds.
const SPREAD: u64 = 99_001;
/// Heartbeats of one timer.
const PEERS: u32 = 10;
/// Between two timers of a node.
const PERIOD: Duration = Duration::from_secs(1);
/// After the stop, until the messages of the last timer have arrived.
const DRAIN: Duration = Duration::from_millis(200);
/// Where the hashes begin, and what they multiply by: FNV's.
const HASH: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0000_0100_0000_01b3);
/// Neighbouring nodes of one shard.
const STRIPE_LEN: u32 = 64;

/// The workload, before it begins or on its way.
#[derive(Debug)]
pub struct W1 {
    engine: Engine<Nodes>,
}

/// What the nodes counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Timers and deliveries.
    pub events: u64,
    /// Deliveries.
    pub heartbeats: u64,
    /// The xor of all nodes' hashes.
    pub digest: u64,
}

/// One node of the workload: 32 bytes.
#[derive(Clone, Debug)]
struct Node {
    random: Random,
    hash: u64,
    last_seen: Time,
    received: u32,
    counter: u32,
}

#[derive(Debug)]
enum Body {
    Timer,
    /// Its 64 bytes are implied: what the receiver reads of them is the event's own key.
    Heartbeat,
}

/// What all nodes know.
#[derive(Debug)]
struct Shape {
    nodes: u32,
    stop: Time,
}

#[derive(Debug, Default)]
struct Nodes {
    nodes: Vec<Node>,
    events: u64,
}

impl W1 {
    /// Bytes of a node's own state.
    pub const NODE_BYTES: usize = size_of::<Node>();

    /// So many nodes in so many shards, which send for so long.
    ///
    /// # Panics
    /// Without a shard.
    #[must_use]
    pub fn new(seed: u64, nodes: u32, duration: Duration, shards: usize) -> Self {
        let layout = Layout::new(shards, STRIPE_LEN);
        let mut parts: Vec<Nodes> = (0..shards).map(|_| Nodes::default()).collect();
        let mut timers = Vec::with_capacity(nodes as usize);
        for number in 0..nodes {
            let mut node = Node::new(seed, number);
            let first = Time::from_micros(node.random.below(1_000_000));
            timers.push(node.key(number, first));
            parts[layout.shard(number)].nodes.push(node);
        }
        let stop = Time::START.after(duration);
        let mut engine = Engine::new(layout, Shape { nodes, stop }, parts, LOOKAHEAD);
        for key in timers {
            engine.push(key, key.source, Body::Timer);
        }
        Self { engine }
    }

    /// When the last message has arrived.
    pub fn end(&self) -> Time {
        self.engine.shared().stop.after(DRAIN)
    }

    /// Up to when everything has happened.
    pub const fn now(&self) -> Time {
        self.engine.now()
    }

    /// Lets everything due by `until` happen.
    pub fn run(&mut self, until: Time, threads: usize) {
        self.engine.run(until, LOOKAHEAD, threads);
    }

    /// What the nodes counted so far.
    pub fn counted(&self) -> Counted {
        let nodes = self.engine.shards().flat_map(|shard| &shard.nodes);
        let (heartbeats, digest) = nodes.fold((0, 0), |(count, hash), node| {
            (count + u64::from(node.received), hash ^ node.hash)
        });
        Counted {
            events: self.engine.shards().map(|shard| shard.events).sum(),
            heartbeats,
            digest,
        }
    }
}

impl Shard for Nodes {
    type Shared = Shape;
    type Body = Body;

    const FORESIGHT: u32 = 1;

    #[inline]
    fn foresee(&self, place: usize, _body: &Body, _step: u32) {
        ahead::fetch_at(&self.nodes, place);
    }

    #[inline]
    fn handle(&mut self, due: Due<Body>, shape: &Shape, post: &mut Post<'_, Body>) {
        self.events += 1;
        let node = &mut self.nodes[post.layout().place(due.target)];
        match due.body {
            Body::Heartbeat => node.receive(due.key),
            Body::Timer if due.key.time < shape.stop => {
                node.beat(due.target, due.key.time, shape.nodes, post);
            }
            Body::Timer => {}
        }
    }
}

impl Node {
    const fn new(seed: u64, number: u32) -> Self {
        Self {
            random: Random::split(seed, number as u64),
            hash: HASH.0,
            last_seen: Time::START,
            received: 0,
            counter: 0,
        }
    }

    #[inline]
    fn receive(&mut self, key: Key) {
        self.received += 1;
        self.last_seen = key.time;
        for word in [u64::from(key.source), key.time.as_micros()] {
            self.hash = (self.hash ^ word).wrapping_mul(HASH.1);
        }
    }

    #[inline]
    fn beat(&mut self, me: u32, now: Time, nodes: u32, post: &mut Post<'_, Body>) {
        let least = LOOKAHEAD.as_micros() as u64;
        for _ in 0..PEERS {
            let peer = self.random.below(u64::from(nodes));
            let latency = least + self.random.below(SPREAD);
            let peer = u32::try_from(peer).unwrap_or(0);
            let key = self.key(me, Time::from_micros(now.as_micros() + latency));
            post.push(key, peer, Body::Heartbeat);
        }
        let key = self.key(me, now.after(PERIOD));
        post.push(key, me, Body::Timer);
    }

    const fn key(&mut self, source: u32, time: Time) -> Key {
        self.counter += 1;
        Key {
            time,
            source,
            counter: self.counter,
        }
    }
}
