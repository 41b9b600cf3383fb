//! A toy protocol on the engine: its digest is the same for any number of shards and threads.

use std::time::Duration;

use archipelago_core::Time;

use super::*;
use crate::random::{Random, mix};

const NODES: u32 = 40;
const LOOKAHEAD: Duration = Duration::from_millis(1);

/// Every second each node sends three messages to peers drawn at random, over 1 to 100 ms, and
/// sometimes one to itself at once. `BY_NODE`: within a window node by node.
#[derive(Debug, Default)]
struct Toy<const BY_NODE: bool> {
    nodes: Vec<ToyNode>,
}

#[derive(Debug)]
struct ToyNode {
    random: Random,
    counter: u32,
    hash: u64,
}

#[derive(Debug)]
enum Body {
    Timer,
    Message,
    Echo,
}

impl<const BY_NODE: bool> Shard for Toy<BY_NODE> {
    type Shared = ();
    type Body = Body;

    const ORDER: Order = if BY_NODE { Order::Nodes } else { Order::Time };

    fn handle(&mut self, due: Due<Body>, _shared: &(), post: &mut Post<'_, Body>) {
        let node = &mut self.nodes[post.layout().place(due.target)];
        let ends = (u64::from(due.key.source) << 32) | u64::from(due.key.counter);
        node.hash = mix(node.hash ^ mix(ends ^ due.key.time.as_micros()));
        let mut push = |node: &mut ToyNode, delay, target, body| {
            node.counter += 1;
            let key = Key {
                time: due.key.time.after(Duration::from_micros(delay)),
                source: due.target,
                counter: node.counter,
            };
            post.push(key, target, body);
        };
        match due.body {
            Body::Echo => {}
            Body::Message if node.random.chance(500_000) => push(node, 0, due.target, Body::Echo),
            Body::Message => {}
            Body::Timer => {
                for _ in 0..3 {
                    let peer = node.random.below(u64::from(NODES));
                    let delay = 1_000 + node.random.below(99_001);
                    push(node, delay, u32::try_from(peer).unwrap(), Body::Message);
                }
                push(node, 1_000_000, due.target, Body::Timer);
            }
        }
    }
}

/// The hashes of all nodes after ten seconds, run in several steps.
fn run_toy<const BY_NODE: bool>(seed: u64, layout: Layout, threads: usize) -> Vec<u64> {
    let toys = (0..layout.shards()).map(|_| Toy::<BY_NODE>::default());
    let mut shards: Vec<_> = toys.collect();
    for node in 0..NODES {
        shards[layout.shard(node)].nodes.push(ToyNode {
            random: Random::split(seed, u64::from(node)),
            counter: 0,
            hash: 0,
        });
    }
    let mut engine = Engine::new(layout, (), shards, LOOKAHEAD);
    for node in 0..NODES {
        let time = Time::from_micros(Random::split(seed ^ 1, u64::from(node)).below(1_000_000));
        let key = Key {
            time,
            source: node,
            counter: 0,
        };
        engine.push(key, node, Body::Timer);
    }
    for step in [3_000_000, 3_000_000, 3_500_001, 10_000_000] {
        engine.run(Time::from_micros(step), LOOKAHEAD, threads);
        assert_eq!(engine.now(), Time::from_micros(step));
    }
    assert!(engine.pending() >= NODES as usize, "every timer goes on");
    let hash = |node| engine.shard(node).nodes[layout.place(node)].hash;
    (0..NODES).map(hash).collect()
}

#[test]
fn the_same_seed_gives_the_same_hashes_for_any_shards_and_threads() {
    let alone = run_toy::<false>(1, Layout::new(1, 1), 1);
    assert_ne!(run_toy::<false>(2, Layout::new(1, 1), 1), alone);
    assert_eq!(run_toy::<true>(1, Layout::new(1, 1), 1), alone);
    for (shards, stripe, threads) in [(2, 1, 1), (2, 1, 2), (3, 4, 2), (3, 1, 3), (5, 2, 2)] {
        let layout = Layout::new(shards, stripe);
        let by_time = run_toy::<false>(1, layout, threads);
        assert_eq!(by_time, alone, "{layout:?}, {threads} threads");
        let by_node = run_toy::<true>(1, layout, threads);
        assert_eq!(by_node, alone, "{layout:?}, {threads} threads, by node");
    }
}

/// Holds in debug and in release, on every machine. It changes only with the toy, the generator of
/// random numbers or the order of events; then put in what the failure prints.
#[test]
fn the_digest_is_the_one_checked_in() {
    let hashes = run_toy::<false>(1, Layout::new(1, 1), 1);
    let digest = hashes.into_iter().fold(0, |all, hash| all ^ hash);
    assert_eq!(digest, 0x063f_980f_c03e_efa7, "now {digest:#018x}");
}

#[test]
fn a_panic_in_one_shard_ends_the_run() {
    struct Fails;
    impl Shard for Fails {
        type Shared = ();
        type Body = ();
        fn handle(&mut self, due: Due<()>, _shared: &(), _post: &mut Post<'_, ()>) {
            assert!(due.target == 0, "on purpose");
        }
    }
    let mut engine = Engine::new(Layout::new(2, 1), (), vec![Fails, Fails], LOOKAHEAD);
    for target in 0..2 {
        let key = Key {
            time: Time::from_micros(u64::from(target) * 5_000),
            source: 0,
            counter: target,
        };
        engine.push(key, target, ());
    }
    let run = std::panic::AssertUnwindSafe(|| engine.run(Time::NEVER, LOOKAHEAD, 2));
    assert!(std::panic::catch_unwind(run).is_err());
}

#[test]
fn a_window_ends_before_the_first_message_of_another_shard_can_arrive() {
    let start = Time::from_micros(10);
    let last = |micros| window_last(start, Duration::from_micros(micros)).as_micros();
    assert_eq!((last(0), last(1), last(500)), (10, 10, 509));
}
