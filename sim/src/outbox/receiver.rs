//! The receiving half on a node of a world: an application that writes each record's effect and
//! its mark in one transaction.

use std::collections::VecDeque;
use std::time::Duration;

use archipelago_core::{Pid, Time};
use archipelago_router::outbox::{
    Answer, Arrival, Attempt, Batch, Change, Mark, Marks, RecordId, Store, load_marks, mark,
};
use bytes::{BufMut, Bytes, BytesMut};

use super::{Disk, framed, unframed};
use crate::{Protocol, Turn};

/// Marks of as many streams are kept.
const STREAMS_MAX: usize = 64;
/// How long a transaction takes.
const WRITE_MIN: Duration = Duration::from_millis(1);
const WRITE_MAX: Duration = Duration::from_millis(60);
/// The application's own table: its effects, in order.
const EFFECTS: u8 = b'e';

/// An application that writes down the numbers it receives.
#[derive(Debug)]
pub struct ReceivingNode {
    marks: Marks,
    disk: Disk,
    effects: u64,
    waiting: VecDeque<(Pid, Attempt, Batch)>,
    writing: Option<(Pid, Attempt, RecordId, u64, Time)>,
}

impl ReceivingNode {
    /// Begins with what the disk holds.
    ///
    /// # Panics
    /// When the disk cannot be read.
    pub fn open(disk: Disk) -> Self {
        let mut node = Self {
            marks: Marks::new(STREAMS_MAX, []),
            disk,
            effects: 0,
            waiting: VecDeque::new(),
            writing: None,
        };
        node.load();
        node
    }

    /// Its disk as it is now.
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Its disk, to be meddled with.
    pub const fn disk_mut(&mut self) -> &mut Disk {
        &mut self.disk
    }

    /// The numbers that a disk holds, in the order in which they were written.
    ///
    /// # Panics
    /// When the disk cannot be read.
    pub fn numbers(disk: &Disk) -> Vec<u64> {
        numbers(&mut disk.clone())
    }

    fn load(&mut self) {
        let loaded = load_marks(&mut self.disk);
        let (marks, corrupt) = loaded.expect("a simulated disk can be read");
        assert!(corrupt.is_empty(), "nobody flips a receiver's bits");
        self.marks = Marks::new(STREAMS_MAX, marks);
        self.effects = numbers(&mut self.disk).len() as u64;
    }

    fn go_on(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        if let Some(written) = self.writing.take_if(|(.., until)| *until <= now) {
            self.on_written(written, turn);
        }
        while self.writing.is_none() {
            let Some((from, attempt, batch)) = self.waiting.pop_front() else {
                return;
            };
            self.begin(from, attempt, batch, turn);
        }
    }

    fn begin(&mut self, from: Pid, attempt: Attempt, batch: Batch, turn: &mut Turn<'_>) {
        let stream = batch.stream;
        let mut changes = Vec::new();
        for (seq, payload) in batch.records {
            if self.marks.handle_record(RecordId { stream, seq }) == Arrival::Fresh {
                let index = self.effects + changes.len() as u64;
                changes.push((seq, Change::Put(effect_key(index), payload)));
            }
        }
        let Some(&(last, _)) = changes.last() else {
            return self.answer(from, attempt, RecordId { stream, seq: 0 }, turn);
        };
        let count = changes.len() as u64;
        let mut changes: Vec<_> = changes.into_iter().map(|(_, change)| change).collect();
        changes.push(mark(Mark { stream, done: last }));
        self.disk.begin(changes);
        let took = turn.random().duration(WRITE_MIN, WRITE_MAX);
        let last = RecordId { stream, seq: last };
        self.writing = Some((from, attempt, last, count, turn.now().after(took)));
        turn.wake_after(took);
    }

    fn on_written(
        &mut self,
        (from, attempt, last, count, _): (Pid, Attempt, RecordId, u64, Time),
        turn: &mut Turn<'_>,
    ) {
        let (_, result) = self.disk.finish();
        if result.is_ok() {
            self.marks.handle_done(last);
            self.effects += count;
        } else {
            // It may have been written: only the disk knows.
            self.load();
        }
        self.answer(from, attempt, last, turn);
    }

    fn answer(&self, to: Pid, attempt: Attempt, of: RecordId, turn: &mut Turn<'_>) {
        let done = self.marks.done(of.stream);
        turn.send(to, framed(attempt, &Answer { done }.encode()));
    }
}

impl Protocol for ReceivingNode {
    fn handle_message(&mut self, from: Pid, payload: &Bytes, turn: &mut Turn<'_>) {
        let batch = unframed(payload);
        let batch = batch.and_then(|(attempt, body)| Some((attempt, Batch::decode(body).ok()?)));
        if let Some((attempt, batch)) = batch {
            self.waiting.push_back((from, attempt, batch));
        }
        self.go_on(turn);
    }

    fn handle_timer(&mut self, turn: &mut Turn<'_>) {
        self.go_on(turn);
    }
}

fn effect_key(index: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(9);
    key.put_u8(EFFECTS);
    key.put_u64(index);
    key.freeze()
}

fn numbers(disk: &mut Disk) -> Vec<u64> {
    let effects = disk.scan(&[EFFECTS]).expect("a simulated disk can be read");
    let number = |(_, value): &(Bytes, Bytes)| Some(u64::from_be_bytes((**value).try_into().ok()?));
    effects.iter().filter_map(number).collect()
}
