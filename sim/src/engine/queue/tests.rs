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
