//! The order in which events leave, against a sorted set.

use std::time::Duration;

use archipelago_core::Time;
use proptest::prelude::*;

use super::*;

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
    let after = prop_oneof![
        0u64..10,
        0u64..5_000,
        0u64..200,
        0u64..5_000_000,
        0u64..60_000_000
    ];
    prop_oneof![
        3 => (after.clone(), 0u32..5).prop_map(|(after, source)| Step::Push { after, source }),
        2 => after.prop_map(|after| Step::Pop { after }),
    ]
}

proptest! {
    /// The wheel against a sorted set: the same events at the same time, whatever lies between.
    #[test]
    fn events_leave_as_a_sorted_set_gives_them(
        steps in prop::collection::vec(step(), 0..600),
        lookahead in 0u64..4_000,
    ) {
        let mut queue = Queue::with_lookahead(Duration::from_micros(lookahead));
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
        let next = queue.next_time();
        prop_assert_eq!(next.is_some(), !model.is_empty());
        prop_assert!(model.first().is_none_or(|key| next <= Some(key.time)));
        let left: Vec<Key> = std::iter::from_fn(|| queue.pop(Time::NEVER)).map(|due| due.key).collect();
        prop_assert_eq!(left, model.into_iter().collect::<Vec<_>>());
    }
}

proptest! {
    /// Node by node: by an instant, whatever that is, everything has left that is due and nothing else,
    /// for each node in its order, what it adds for itself meanwhile included.
    #[test]
    fn each_node_s_events_leave_in_its_order(
        pushes in prop::collection::vec((0u64..6_000, 0u32..6, 0u32..4, 0u64..700), 0..300),
        mut stops in prop::collection::vec(0u64..8_000, 1..8),
        lookahead in 32u64..4_000,
    ) {
        let mut queue = Queue::with_lookahead(Duration::from_micros(lookahead));
        queue.set_order(Order::Nodes);
        let mut left = std::collections::BTreeSet::new();
        for (counter, &(time, target, source, _)) in (0u32..).zip(&pushes) {
            queue.push(key(time, source, counter), target, counter as usize);
            left.insert((target, key(time, source, counter)));
        }
        stops.sort_unstable();
        stops.push(20_000);
        let mut next = u32::try_from(pushes.len()).unwrap();
        for stop in stops {
            while let Some(due) = queue.pop(Time::from_micros(stop)) {
                let of_node = left.iter().find(|(target, _)| *target == due.target).copied();
                prop_assert_eq!(of_node, Some((due.target, due.key)));
                left.remove(&(due.target, due.key));
                let at = due.key.time.as_micros();
                if let Some(&(.., after)) = pushes.get(due.body) {
                    let own = key(at + after, due.target, next);
                    queue.push(own, due.target, usize::MAX);
                    left.insert((due.target, own));
                    next += 1;
                }
            }
            prop_assert!(left.iter().all(|(_, key)| key.time.as_micros() > stop));
        }
        prop_assert!(left.is_empty() && queue.is_empty());
    }
}

#[test]
fn a_whole_bucket_leaves_node_by_node_and_half_of_one_by_time() {
    let leave = |until| {
        let mut queue = Queue::with_lookahead(Duration::from_millis(2));
        queue.set_order(Order::Nodes);
        for (counter, time, target) in [(0, 1_100, 2), (1, 1_200, 1), (2, 1_300, 2)] {
            queue.push(key(time, 7, counter), target, ());
        }
        let due = std::iter::from_fn(|| queue.pop(Time::from_micros(until)));
        due.map(|due| due.target).collect::<Vec<u32>>()
    };
    assert_eq!(leave(1_535), [1, 2, 2], "a bucket of 512 µs");
    assert_eq!(leave(1_534), [2, 1, 2]);
}

#[test]
fn nothing_leaves_before_its_time_and_chunks_are_used_again() {
    let mut queue = Queue::default();
    for round in 0..100 {
        let time = round * 7_000;
        queue.push(key(time, 0, 0), 1, round);
        assert_eq!(queue.pop(Time::from_micros(time)).unwrap().body, round);
        queue.push(key(time + 6_000, 0, 0), 1, round);
        assert_eq!(queue.pop(Time::from_micros(time + 5_999)), None);
        assert_eq!(
            queue.pop(Time::from_micros(time + 6_000)).unwrap().target,
            1
        );
    }
    assert_eq!(queue.chunks.made() - queue.chunks.free(), 0);
    assert!(queue.chunks.made() <= 64, "one block is enough");
    assert!(queue.is_empty());
}

#[test]
fn a_crowded_bucket_leaves_in_order() {
    let mut queue = Queue::default();
    let mut random = crate::random::Random::new(1);
    let mut keys: Vec<Key> = (0..5_000)
        .map(|counter| key(10_000 + random.below(2_000), 7, counter))
        .collect();
    for &key in &keys {
        queue.push(key, 0, ());
    }
    keys.sort_unstable();
    let left: Vec<Key> = std::iter::from_fn(|| queue.pop(Time::NEVER))
        .map(|due| due.key)
        .collect();
    assert_eq!(left, keys);
}
