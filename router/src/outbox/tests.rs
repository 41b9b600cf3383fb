//! Both halves without disk or network: whole lists of outputs, and a model of what may be lost.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::{GroupId, Rng, Time};
use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn to(name: &'static str) -> Destination {
    Destination {
        group: GroupId([7; 16]),
        name: Bytes::from_static(name.as_bytes()),
    }
}

fn at(ms: u64) -> Time {
    Time::from_micros(ms * 1_000)
}

struct Bench {
    outbox: Outbox,
    rng: Rng,
    out: Vec<Output>,
}

impl Bench {
    fn new(config: OutboxConfig) -> Self {
        Self {
            outbox: Outbox::new(config, &Loaded::default()),
            rng: Rng::from_u64(1),
            out: Vec::new(),
        }
    }

    fn send(&mut self, name: &'static str, bytes: usize, ms: u64) -> Result<Accepted, Refused> {
        let now = at(ms);
        self.outbox
            .handle_send(&to(name), bytes, now, &mut self.rng, &mut self.out)
    }

    fn store(&mut self, name: &'static str, bytes: usize, ms: u64) -> RecordId {
        let id = self.send(name, bytes, ms).unwrap().id;
        self.outbox.handle_stored(id, at(ms), &mut self.out);
        id
    }

    fn answer(&mut self, attempt: u64, done: u64, ms: u64) {
        let now = (at(ms), &mut self.rng);
        let answer = Answer { done };
        self.outbox
            .handle_answer(Attempt(attempt), answer, now, &mut self.out);
    }

    fn fail(&mut self, attempt: u64, ms: u64) {
        let now = (at(ms), &mut self.rng);
        self.outbox
            .handle_failure(Attempt(attempt), now, &mut self.out);
    }

    fn timeout(&mut self, ms: u64) {
        self.outbox
            .handle_timeout(at(ms), &mut self.rng, &mut self.out);
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }
}

fn deliver(attempt: u64, name: &'static str, stream: StreamId, seqs: &[u64]) -> Output {
    Output::Deliver {
        attempt: Attempt(attempt),
        to: to(name),
        stream,
        seqs: seqs.to_vec(),
    }
}

#[test]
fn only_what_is_stored_is_sent_and_one_batch_at_a_time() {
    let mut bench = Bench::new(OutboxConfig::default());
    let first = bench.send("a", 10, 0).unwrap();
    assert_eq!((first.id.seq, first.next), (1, 2));
    assert_eq!(bench.outputs(), []);
    bench.outbox.handle_stored(first.id, at(1), &mut bench.out);
    let stream = first.id.stream;
    assert_eq!(bench.outputs(), [deliver(0, "a", stream, &[1])]);
    bench.store("a", 10, 2);
    bench.store("a", 10, 3);
    assert_eq!(bench.outputs(), []);
    bench.answer(0, 1, 4);
    let forget = Output::Forget(first.id);
    assert_eq!(bench.outputs(), [forget, deliver(1, "a", stream, &[2, 3])]);
    // An answer that says too much settles only what was out.
    bench.store("a", 10, 5);
    bench.answer(1, u64::MAX, 6);
    let settled = [2, 3].map(|seq| Output::Forget(RecordId { stream, seq }));
    let next = deliver(2, "a", stream, &[4]);
    assert_eq!(bench.outputs(), [&settled[..], &[next]].concat());
    // One to an earlier try changes nothing.
    bench.answer(1, 4, 7);
    assert_eq!(bench.outputs(), []);
    assert_eq!(bench.outbox.len(), (1, 10));
}

#[test]
fn failures_double_a_jittered_pause_and_a_holder_ends_it() {
    let mut bench = Bench::new(OutboxConfig::default());
    let id = bench.store("a", 1, 0);
    let (mut now, mut attempt) = (0, 0);
    for failures in 0..10_u32 {
        bench.fail(attempt, now);
        let (due, why) = bench.outbox.poll_timeout().unwrap();
        let pause = due.since(at(now));
        let whole = (200 * MS * 2_u32.pow(failures)).min(Duration::from_secs(30));
        assert!(
            pause >= whole / 2 && pause <= whole,
            "{pause:?} of {whole:?}"
        );
        assert_eq!(why, "a stream");
        bench.outputs();
        now = due.as_micros() / 1_000 + 1;
        bench.timeout(now);
        attempt += 1;
        assert_eq!(bench.outputs(), [deliver(attempt, "a", id.stream, &[1])]);
    }
    bench.fail(attempt, now);
    bench
        .outbox
        .handle_holder(&to("a"), at(now), &mut bench.out);
    assert_eq!(
        bench.outputs(),
        [deliver(attempt + 1, "a", id.stream, &[1])]
    );
    assert_eq!(bench.outbox.counters().repeated, 11);
}

#[test]
fn a_try_without_an_answer_is_over_after_its_time() {
    let mut bench = Bench::new(OutboxConfig::default());
    bench.store("a", 1, 0);
    bench.outputs();
    assert_eq!(bench.outbox.poll_timeout(), Some((at(30_000), "an answer")));
    bench.timeout(29_999);
    assert_eq!(bench.outbox.counters().failures, 0);
    bench.timeout(30_000);
    assert_eq!(bench.outbox.counters().failures, 1);
    bench.answer(0, 1, 30_001);
    assert_eq!(bench.outbox.len(), (1, 1), "the answer came too late");
}

#[test]
fn a_full_outbox_refuses_or_drops_the_oldest_and_counts() {
    let config = OutboxConfig {
        bytes_max: 30,
        ..OutboxConfig::default()
    };
    let mut bench = Bench::new(config.clone());
    for ms in 0..3 {
        bench.store("a", 10, ms);
    }
    let full = Refused::Full {
        records: 3,
        bytes: 30,
    };
    assert_eq!(bench.send("b", 1, 4), Err(full));
    assert_eq!(bench.outbox.counters().refused, 1);

    let mut bench = Bench::new(OutboxConfig {
        when_full: WhenFull::DropOldest,
        ..config
    });
    let oldest = bench.store("a", 10, 0);
    bench.store("b", 10, 1);
    bench.store("a", 10, 2);
    bench.outputs();
    bench.send("b", 5, 3).unwrap();
    assert_eq!(bench.outputs(), [Output::Forget(oldest)]);
    assert_eq!(bench.outbox.counters().dropped, 1);
    let too_long = bench.send("b", 31, 3);
    assert!(matches!(too_long, Err(Refused::TooLong { bytes: 31, .. })));
}

#[test]
fn old_records_expire_and_are_counted() {
    let mut bench = Bench::new(OutboxConfig {
        age_max: 100 * MS,
        ..OutboxConfig::default()
    });
    let first = bench.store("a", 1, 0);
    bench.store("a", 1, 50);
    bench.outputs();
    assert_eq!(
        bench.outbox.poll_timeout(),
        Some((at(100), "an old record"))
    );
    bench.timeout(100);
    assert_eq!(bench.outputs(), [Output::Forget(first)]);
    assert_eq!(bench.outbox.counters().expired, 1);
    assert_eq!(bench.outbox.len(), (1, 1));
}

#[test]
fn an_idle_stream_makes_room_for_another_and_a_busy_one_does_not() {
    let mut bench = Bench::new(OutboxConfig {
        streams_max: 2,
        ..OutboxConfig::default()
    });
    bench.store("a", 1, 0);
    bench.store("b", 1, 1);
    let refused = bench.send("c", 1, 2);
    assert_eq!(refused, Err(Refused::TooManyStreams { streams: 2 }));
    bench.answer(0, 1, 3);
    bench.outputs();
    bench.send("c", 1, 4).unwrap();
    assert_eq!(bench.outputs(), [Output::ForgetHead(to("a"))]);
}

#[test]
fn a_record_that_was_not_stored_is_forgotten_and_its_number_not_used_again() {
    let mut bench = Bench::new(OutboxConfig::default());
    let lost = bench.send("a", 1, 0).unwrap().id;
    bench.outbox.handle_not_stored(lost, at(0), &mut bench.out);
    assert_eq!(bench.outputs(), [Output::Forget(lost)]);
    assert_eq!(bench.store("a", 1, 1).seq, 2);
}

#[test]
fn a_restart_goes_on_with_ids_numbers_and_ages() {
    let (stream, a) = (StreamId([3; 16]), to("a"));
    let loaded = Loaded {
        heads: vec![(a.clone(), stream, 9)],
        records: vec![(RecordId { stream, seq: 7 }, a, at(500), 4)],
        corrupt: vec![(Some(RecordId { stream, seq: 8 }), Default::default())],
    };
    assert_eq!(Outbox::start(&loaded), at(500));
    let mut bench = Bench::new(OutboxConfig::default());
    bench.outbox = Outbox::new(OutboxConfig::default(), &loaded);
    assert_eq!(bench.outbox.counters().corrupt, 1);
    bench.timeout(500);
    assert_eq!(bench.outputs(), [deliver(0, "a", stream, &[7])]);
    let next = bench.store("a", 1, 501);
    assert_eq!(next, RecordId { stream, seq: 9 });
}

#[test]
fn marks_hand_out_once_take_back_and_remember() {
    let stream = StreamId([1; 16]);
    let id = |seq| RecordId { stream, seq };
    let mut marks = Marks::new(8, [Mark { stream, done: 2 }]);
    assert_eq!(marks.handle_record(id(2)), Arrival::Done);
    assert_eq!(marks.handle_record(id(3)), Arrival::Fresh);
    assert_eq!(marks.handle_record(id(3)), Arrival::Handed);
    marks.handle_returned(stream);
    assert_eq!(marks.handle_record(id(3)), Arrival::Fresh);
    assert_eq!(marks.handle_done(id(3)), Some(Mark { stream, done: 3 }));
    assert_eq!(marks.handle_done(id(1)), None);
    assert_eq!(marks.done(stream), 3);
}

#[test]
fn marks_forget_the_stream_unused_for_longest() {
    let id = |stream, seq| RecordId {
        stream: StreamId([stream; 16]),
        seq,
    };
    let mut marks = Marks::new(2, []);
    for stream in [1, 2, 1, 3] {
        marks.handle_done(id(stream, 5));
    }
    assert_eq!(marks.take_forgotten(), [StreamId([2; 16])]);
    assert_eq!(marks.len(), 2);
    assert_eq!(marks.done(StreamId([1; 16])), 5);
}

/// The simplest store: a map. Faulty ones are the simulator's.
#[derive(Debug, Default)]
struct Map(BTreeMap<Bytes, Bytes>);

impl Store for Map {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes {
            match change.clone() {
                Change::Put(key, value) => self.0.insert(key, value),
                Change::Delete(key) => self.0.remove(&key),
            };
        }
        Ok(())
    }

    fn read(&mut self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&mut self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let from = self.0.range(Bytes::copy_from_slice(prefix)..);
        let found = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

fn sample() -> Record {
    Record {
        id: RecordId {
            stream: StreamId([9; 16]),
            seq: 5,
        },
        to: to("recorder"),
        at: at(77),
        payload: Bytes::from_static(b"what it says"),
    }
}

#[test]
fn stored_records_heads_and_marks_come_back() {
    let (mut store, kept) = (Map::default(), sample());
    let stream = kept.id.stream;
    let said = Mark { stream, done: 4 };
    let changes = [record(&kept), head(&kept.to, stream, 6), mark(said)];
    store.commit(&changes).unwrap();
    let loaded = load(&mut store).unwrap();
    assert_eq!(loaded.heads, [(kept.to.clone(), stream, 6)]);
    assert_eq!(loaded.records, [(kept.id, kept.to.clone(), kept.at, 12)]);
    assert_eq!(loaded.corrupt, []);
    assert_eq!(load_marks(&mut store).unwrap(), (vec![said], vec![]));
    let read = kept.id.read(&mut store).unwrap();
    assert_eq!(read, Some(Found::Record(kept)));
}

/// F11: whatever single bit flips, and wherever a write is torn, it is found.
#[test]
fn f11_every_flipped_bit_and_every_torn_end_is_found() {
    let Change::Put(key, value) = record(&sample()) else {
        panic!("a record is put");
    };
    let id = sample().id;
    let is_found = |value: Bytes| {
        let mut store = Map::default();
        store.commit(&[Change::Put(key.clone(), value)]).unwrap();
        matches!(id.read(&mut store), Ok(Some(Found::Corrupt(Some(of), _))) if of == id)
    };
    for bit in 0..value.len() * 8 {
        let mut flipped = value.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(is_found(flipped.into()), "bit {bit}");
    }
    for len in 0..value.len() {
        assert!(is_found(value.slice(..len)), "{len} bytes left");
    }
}

proptest! {
    /// A6: what a peer sends is a batch or an error, and its re-encoding is itself.
    #[test]
    fn a6_any_bytes_are_a_batch_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        if let Ok(batch) = Batch::decode(bytes.clone()) {
            prop_assert_eq!(batch.encode(), bytes);
        }
    }

    #[test]
    fn batches_come_back(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..20)) {
        let numbered = payloads.into_iter().map(Bytes::from).enumerate();
        let records = numbered.map(|(index, payload)| (index as u64 * 3 + 1, payload)).collect();
        let batch = Batch { stream: StreamId([4; 16]), records };
        prop_assert_eq!(Batch::decode(batch.encode()), Ok(batch));
    }
}
