//! Workload W1 on the engine alone: heartbeats between nodes drawn at random, and nothing else.
//!
//! N nodes; the first timer of each uniform in [0, 1 s); then every second it sends one heartbeat
//! of 64 bytes to 10 peers drawn afresh, latency uniform 1 to 100 ms at 1 µs; who receives one
//! updates a counter, a last-seen time and a hash of (source, time). Stop at T, drain 200 ms. The
//! xor of all hashes must not depend on the queue, the shards or the threads.
//! `cargo bench -p archipelago-sim --bench w1 -- --nodes 1000000 --seconds 10 --threads 2`

mod support;

use std::time::Duration;

use archipelago_core::Time;
use archipelago_sim::Random;
use archipelago_sim::engine::{Due, Engine, Key, Layout, Post, Shard};
use support::{option, processor_seconds, resident_bytes};

/// The least latency.
const LOOKAHEAD: Duration = Duration::from_millis(1);
/// Heartbeats of one timer.
const PEERS: u32 = 10;
/// The rest of a second after which messages of the last timer have arrived.
const DRAIN: Duration = Duration::from_millis(200);

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

impl Shard for Nodes {
    type Shared = Shape;
    type Body = Body;

    const FORESIGHT: u32 = 1;

    #[inline]
    fn foresee(&self, place: usize, _body: &Body, _step: u32) -> u64 {
        self.nodes.get(place).map_or(0, |node| node.hash)
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
    fn receive(&mut self, key: Key) {
        self.received += 1;
        self.last_seen = key.time;
        for word in [u64::from(key.source), key.time.as_micros()] {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn beat(&mut self, me: u32, now: Time, nodes: u32, post: &mut Post<'_, Body>) {
        for _ in 0..PEERS {
            let peer = self.random.below(u64::from(nodes));
            let latency = 1_000 + self.random.below(99_001);
            let peer = u32::try_from(peer).unwrap_or(0);
            let key = self.key(me, Time::from_micros(now.as_micros() + latency));
            post.push(key, peer, Body::Heartbeat);
        }
        let key = self.key(me, now.after(Duration::from_secs(1)));
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

fn main() {
    let nodes = option("--nodes", 100_000);
    let seconds = option("--seconds", 10);
    let threads = option("--threads", 1) as usize;
    let shards = option("--shards", u32::try_from(threads).unwrap_or(1)) as usize;
    let before = resident_bytes();
    let stop = Time::START.after(Duration::from_secs(seconds.into()));
    let mut engine = build(Shape { nodes, stop }, Layout::new(shards, 64));
    #[allow(clippy::disallowed_types, reason = "a benchmark reads the clock")]
    let (start, busy) = (std::time::Instant::now(), processor_seconds());
    engine.run(stop.after(DRAIN), LOOKAHEAD, threads);
    let took = start.elapsed().as_secs_f64();
    let busy = processor_seconds() - busy;
    let events: u64 = engine.shards().map(|shard| shard.events).sum();
    let all = engine.shards().flat_map(|shard| &shard.nodes);
    let (mut digest, mut received) = (0, 0);
    for node in all {
        digest ^= node.hash;
        received += u64::from(node.received);
    }
    let bytes = resident_bytes().saturating_sub(before) / u64::from(nodes);
    let state = size_of::<Node>();
    println!(
        "W1 nodes={nodes} seconds={seconds} shards={shards} threads={threads}: {events} events \
         ({received} heartbeats) in {took:.2} s, {:.1} M events/s ({:.1} M per second of \
         processor time), {bytes} B/node ({state} of them \
         the node), digest {digest:016x}",
        events as f64 / took / 1e6,
        events as f64 / busy / 1e6,
    );
}

fn build(shape: Shape, layout: Layout) -> Engine<Nodes> {
    let mut shards: Vec<Nodes> = (0..layout.shards()).map(|_| Nodes::default()).collect();
    let mut timers = Vec::with_capacity(shape.nodes as usize);
    for number in 0..shape.nodes {
        let mut node = Node {
            random: Random::split(1, u64::from(number)),
            hash: 0xcbf2_9ce4_8422_2325,
            last_seen: Time::START,
            received: 0,
            counter: 0,
        };
        let first = Time::from_micros(node.random.below(1_000_000));
        timers.push(node.key(number, first));
        shards[layout.shard(number)].nodes.push(node);
    }
    let mut engine = Engine::new(layout, shape, shards, LOOKAHEAD);
    for key in timers {
        engine.push(key, key.source, Body::Timer);
    }
    engine
}
