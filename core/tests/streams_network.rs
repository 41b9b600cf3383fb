//! Streams in virtual time over paths that change, peers that die and readers that stand still.
//!
//! Whatever happens: what is read is in order, at most a window is held, each end of a stream ends
//! once, and a writer that hears that all was read is right. When the path stays up and both sides
//! go on, every stream ends at both ends, and whole unless something else was said.
#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

mod streams_support;

use std::time::Duration;

use archipelago_core::channel::StreamId;
use archipelago_core::streams::{Abort, ReadEnd, WriteEnd};
use proptest::prelude::*;
use streams_support::Pair;

#[derive(Clone, Debug)]
enum Step {
    Open { at: usize, len: u64 },
    Write { at: usize, index: usize, len: u64 },
    Read { at: usize, index: usize, len: usize },
    Abort { at: usize, index: usize },
    DropReader { at: usize, index: usize },
    Small { at: usize },
    Connect { is_direct: bool },
    Cut,
    Tick { millis: u64 },
    Restart { at: usize },
    GiveUp { at: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (at, index) = (0..2usize, 0..8usize);
    prop_oneof![
        4 => (at.clone(), 0..600u64).prop_map(|(at, len)| Step::Open { at, len }),
        12 => (at.clone(), index.clone(), 1..200u64)
            .prop_map(|(at, index, len)| Step::Write { at, index, len }),
        12 => (at.clone(), index.clone(), 1..200usize)
            .prop_map(|(at, index, len)| Step::Read { at, index, len }),
        1 => (at.clone(), index.clone()).prop_map(|(at, index)| Step::Abort { at, index }),
        1 => (at.clone(), index).prop_map(|(at, index)| Step::DropReader { at, index }),
        2 => at.clone().prop_map(|at| Step::Small { at }),
        3 => any::<bool>().prop_map(|is_direct| Step::Connect { is_direct }),
        1 => Just(Step::Cut),
        12 => prop_oneof![6 => 1..50u64, 2 => Just(1_500), 1 => Just(70_000)]
            .prop_map(|millis| Step::Tick { millis }),
        1 => at.clone().prop_map(|at| Step::Restart { at }),
        1 => at.prop_map(|at| Step::GiveUp { at }),
    ]
}

fn nth<T>(map: &std::collections::BTreeMap<StreamId, T>, index: usize) -> Option<StreamId> {
    map.keys().nth(index % map.len().max(1)).copied()
}

fn take(pair: &mut Pair, step: &Step) {
    match *step {
        Step::Open { at, len } => {
            pair.open(at, len);
        }
        Step::Write { at, index, len } => {
            if let Some(id) = nth(&pair.ends[at].writers, index) {
                pair.write(at, id, len);
            }
        }
        Step::Read { at, index, len } => {
            if let Some(id) = nth(&pair.ends[at].readers, index) {
                pair.read(at, id, len);
            }
        }
        Step::Abort { at, index } => {
            if let Some(id) = nth(&pair.ends[at].writers, index) {
                pair.abort(at, id);
            }
        }
        Step::DropReader { at, index } => {
            if let Some(id) = nth(&pair.ends[at].readers, index) {
                pair.drop_reader(at, id);
            }
        }
        Step::Small { at } => {
            pair.send_small(at);
        }
        Step::Connect { is_direct } => pair.connect(is_direct),
        Step::Cut => pair.cut(),
        Step::Tick { millis } => pair.tick(Duration::from_millis(millis)),
        Step::Restart { at } => pair.restart(at),
        Step::GiveUp { at } => pair.give_up(at),
    }
}

/// Both sides go on until nothing is left to do; what one side alone knows of ends when it is idle.
fn go_on(pair: &mut Pair) {
    for round in 0..500 {
        if round == 400 {
            pair.tick(Duration::from_secs(61));
        }
        for at in 0..2 {
            for id in pair.ends[at].writers.keys().copied().collect::<Vec<_>>() {
                pair.write(at, id, 50);
            }
            for id in pair.ends[at].readers.keys().copied().collect::<Vec<_>>() {
                pair.read(at, id, 50);
            }
        }
        pair.tick(Duration::from_millis(20));
        if pair.ends.iter().all(|end| end.streams.is_empty()) {
            return;
        }
    }
    panic!("streams never end: {pair:#?}");
}

fn check_over(pair: &Pair) {
    for at in 0..2 {
        for (id, writer) in &pair.ends[at].writers {
            assert!(writer.end.is_some() || writer.is_aborted, "{id:?}");
            if writer.end == Some(WriteEnd::Taken) {
                let reader = pair.ends[1 - at].readers.get(id);
                let ended = reader.map(|reader| reader.end.clone());
                assert!(matches!(ended, None | Some(Some(ReadEnd::Whole))));
            }
        }
        for (id, reader) in &pair.ends[at].readers {
            assert!(reader.end.is_some() || reader.is_dropped, "{id:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_each_end_ends_once_and_what_is_read_is_in_order(
        steps in prop::collection::vec(step(), 1..120),
        is_direct in any::<bool>(),
    ) {
        let mut pair = Pair::new();
        pair.connect(true);
        for step in &steps {
            take(&mut pair, step);
        }
        pair.connect(is_direct);
        go_on(&mut pair);
        check_over(&pair);
    }

    /// Paths that only change lose nothing: every stream that nobody gave up is whole.
    #[test]
    fn changes_of_path_lose_nothing(
        lens in prop::collection::vec((0..2usize, 0..900u64), 1..6),
        changes in prop::collection::vec((any::<bool>(), 1..200u64), 1..20),
    ) {
        let mut pair = Pair::new();
        pair.connect(true);
        let opened: Vec<_> = lens
            .iter()
            .filter_map(|&(at, len)| pair.open(at, len).map(|id| (at, id)))
            .collect();
        for (is_direct, millis) in changes {
            for &(at, id) in &opened {
                pair.write(at, id, 100);
                if pair.ends[1 - at].readers.contains_key(&id) {
                    pair.read(1 - at, id, 70);
                }
            }
            pair.tick(Duration::from_millis(millis));
            pair.connect(is_direct);
        }
        go_on(&mut pair);
        for (at, id) in opened {
            prop_assert_eq!(pair.ends[at].writers[&id].end, Some(WriteEnd::Taken));
            prop_assert_eq!(pair.ends[1 - at].readers[&id].end.clone(), Some(ReadEnd::Whole));
        }
    }
}

/// A reader that stands still holds its own stream; the others and small messages pass it.
#[test]
fn f14_a_reader_that_stands_still_holds_nothing_but_its_stream() {
    let mut pair = Pair::new();
    pair.connect(true);
    let slow = pair.open(0, 100_000).unwrap();
    let fast = pair.open(0, 20_000).unwrap();
    pair.tick(Duration::from_millis(20));
    for round in 0..2_000 {
        pair.write(0, slow, 1_000);
        pair.write(0, fast, 1_000);
        assert!(
            pair.send_small(0),
            "{round} {:?}",
            pair.ends[0].channel.stats()
        );
        pair.read(1, fast, usize::MAX);
        pair.tick(Duration::from_millis(10));
    }
    assert_eq!(pair.ends[1].small, 2_000);
    assert_eq!(pair.ends[0].writers[&fast].end, Some(WriteEnd::Taken));
    assert_eq!(pair.ends[0].writers[&slow].end, None);
    pair.read(1, slow, 1);
    assert_eq!(pair.ends[1].readers[&slow].read, 1);
    // In the end it is idle, and nothing is left of it.
    pair.tick(Duration::from_secs(61));
    assert_eq!(pair.ends[0].writers[&slow].end, Some(WriteEnd::Idle));
    // The writer's end was first to notice.
    let told = Some(ReadEnd::Aborted(Abort::Idle));
    assert_eq!(pair.ends[1].readers[&slow].end, told);
    assert!(pair.ends.iter().all(|end| end.streams.is_empty()));
}

/// A slow reader that reads on is not idle, however long it takes.
#[test]
fn a_slow_reader_is_waited_for() {
    let mut pair = Pair::new();
    pair.connect(true);
    let id = pair.open(0, 300).unwrap();
    pair.write(0, id, 300);
    pair.tick(Duration::from_millis(20));
    for _ in 0..300 {
        pair.tick(Duration::from_secs(20));
        pair.read(1, id, 1);
    }
    pair.tick(Duration::from_secs(1));
    assert_eq!(pair.ends[0].writers[&id].end, Some(WriteEnd::Taken));
}

/// What has ended here may not be heard of there when the next one comes: that is taken all the
/// same.
#[test]
fn whoever_ends_streams_may_open_others_at_once() {
    let mut pair = Pair::new();
    pair.connect(true);
    let opened: Vec<_> = (0..3).map(|_| pair.open(0, 10).unwrap()).collect();
    pair.tick(Duration::from_millis(50));
    assert_eq!(pair.open(0, 10), None);
    pair.abort(0, opened[0]);
    let fourth = pair.open(0, 10).unwrap();
    go_on(&mut pair);
    assert_eq!(pair.ends[0].writers[&fourth].end, Some(WriteEnd::Taken));
}

/// A peer that dies or is out of reach ends all streams with it, and later ones work.
#[test]
fn a_peer_that_starts_anew_ends_streams_and_takes_new_ones() {
    let mut pair = Pair::new();
    pair.connect(true);
    let (out, back) = (pair.open(0, 500).unwrap(), pair.open(1, 500).unwrap());
    pair.tick(Duration::from_millis(20));
    pair.write(0, out, 300);
    pair.write(1, back, 300);
    pair.tick(Duration::from_millis(20));
    pair.restart(1);
    pair.connect(true);
    pair.tick(Duration::from_millis(50));
    assert_eq!(pair.ends[0].writers[&out].end, Some(WriteEnd::Lost));
    assert_eq!(pair.ends[0].readers[&back].end, Some(ReadEnd::Lost));
    let again = pair.open(0, 500).unwrap();
    go_on(&mut pair);
    assert_eq!(pair.ends[0].writers[&again].end, Some(WriteEnd::Taken));
}
