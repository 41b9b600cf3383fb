//! The order of events, and a toy machine whose run hashes the same whenever its seed is the same.

use std::time::Duration;

use archipelago_core::Time;
use proptest::prelude::*;

use super::*;
use crate::random::Random;
use crate::trace::Trace;

fn key(time: u64, source: u32, counter: u32) -> Key {
    Key {
        time: Time::from_micros(time),
        source,
        counter,
    }
}

/// What is done to a queue.
#[derive(Clone, Debug)]
enum Step {
    Push { after: u64, source: u32 },
    Pop { after: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![0u64..10, 0u64..5_000, 0u64..5_000_000, 0u64..60_000_000];
    prop_oneof![
        3 => (after.clone(), 0u32..5).prop_map(|(after, source)| Step::Push { after, source }),
        2 => after.prop_map(|after| Step::Pop { after }),
    ]
}

proptest! {
    /// The wheel against a sorted set: the same events at the same time, whatever lies between.
    #[test]
    fn events_leave_as_a_sorted_set_gives_them(steps in prop::collection::vec(step(), 0..300)) {
        let mut queue = Queue::default();
        let mut model = std::collections::BTreeSet::new();
        let mut now = 0;
        for (counter, step) in (0u32..).zip(steps) {
            match step {
                Step::Push { after, source } => {
                    let key = key(now + after, source, counter);
                    queue.push(key, source, counter);
                    model.insert(key);
                }
                Step::Pop { after } => {
                    let until = Time::from_micros(now + after);
                    let expected = model.first().copied().filter(|key| key.time <= until);
                    let popped = queue.pop(until);
                    prop_assert_eq!(popped.as_ref().map(|due| due.key), expected);
                    if let Some(due) = popped {
                        prop_assert_eq!(due.body, due.key.counter);
                        model.remove(&due.key);
                        now = due.key.time.as_micros();
                    }
                }
            }
            prop_assert_eq!(queue.len(), model.len());
        }
        let left: Vec<Key> = std::iter::from_fn(|| queue.pop(Time::NEVER)).map(|due| due.key).collect();
        prop_assert_eq!(left, model.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn nothing_leaves_before_its_time_and_bodies_are_pooled() {
    let mut queue = Queue::default();
    for round in 0..100 {
        queue.push(key(round, 0, 0), 1, round);
        assert_eq!(queue.pop(Time::from_micros(round)).unwrap().body, round);
        queue.push(key(round + 10, 0, 0), 1, round);
        assert_eq!(queue.pop(Time::from_micros(round + 9)), None);
        assert_eq!(queue.pop(Time::from_micros(round + 10)).unwrap().target, 1);
    }
    assert_eq!(queue.pool.len_max(), 1);
    assert!(queue.is_empty());
}

/// Every second each node sends one message to a peer drawn at random, over 1 to 100 ms.
fn run_toy(seed: u64) -> (u64, u64) {
    enum Toy {
        Timer,
        Message,
    }
    const NODES: u32 = 16;
    let mut randoms: Vec<_> = (0..NODES)
        .map(|n| Random::split(seed, u64::from(n)))
        .collect();
    let mut counters = [0u32; NODES as usize];
    let mut queue = Queue::default();
    let mut trace = Trace::default();
    for node in 0..NODES {
        let start = randoms[node as usize].below(1_000_000);
        queue.push(key(start, node, 0), node, Toy::Timer);
    }
    while let Some(due) = queue.pop(Time::from_micros(10_000_000)) {
        let node = due.target;
        trace.add(
            due.key.time,
            due.key.source,
            node,
            u64::from(due.key.counter),
        );
        let Toy::Timer = due.body else { continue };
        let random = &mut randoms[node as usize];
        let (peer, micros) = (random.below(u64::from(NODES)), 1_000 + random.below(99_001));
        let mut push = |delay, target, body| {
            counters[node as usize] += 1;
            let time = due.key.time.after(Duration::from_micros(delay));
            let counter = counters[node as usize];
            queue.push(
                Key {
                    time,
                    source: node,
                    counter,
                },
                target,
                body,
            );
        };
        push(1_000_000, node, Toy::Timer);
        push(micros, u32::try_from(peer).unwrap(), Toy::Message);
    }
    (trace.hash(), trace.events())
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let (hash, events) = run_toy(1);
    assert_eq!(run_toy(1), (hash, events));
    assert_ne!(run_toy(2).0, hash);
    assert!(events > 300, "ten seconds of sixteen nodes: {events}");
}
