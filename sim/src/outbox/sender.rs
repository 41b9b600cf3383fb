//! The sending half on a node of a world.

use std::collections::BTreeSet;
use std::time::Duration;

use archipelago_core::{Pid, Rng, Time};
use archipelago_router::outbox::{
    Accepted, Answer, Attempt, Batch, Change, Destination, Found, Outbox, OutboxConfig, Output,
    Record, RecordId, Store, forget_head, head, load, record, set_aside,
};
use bytes::Bytes;

use super::{Disk, framed, unframed};
use crate::{Protocol, Turn};

/// How long a write takes until it is synced.
const WRITE_MIN: Duration = Duration::from_millis(1);
const WRITE_MAX: Duration = Duration::from_millis(20);
/// How long what was delivered may wait to be forgotten.
const FORGET_DELAY: Duration = Duration::from_secs(1);

/// An outbox that sends numbers to one name.
#[derive(Debug)]
pub struct SendingNode {
    machine: Outbox,
    rng: Rng,
    disk: Disk,
    to: Destination,
    holder: Option<Pid>,
    /// What to add to the world's time for the machine's.
    offset: Duration,
    forgets: Vec<Change>,
    forget_at: Time,
    puts: Vec<(Accepted, u64, Record)>,
    /// What is being written, and when that is done.
    writing: Option<(Vec<(RecordId, u64)>, Time)>,
    outputs: Vec<Output>,
    acknowledged: BTreeSet<u64>,
    refused: u64,
}

impl SendingNode {
    /// Opens an outbox on this disk at `now`.
    ///
    /// # Panics
    /// When the disk cannot be read.
    pub fn open(
        config: OutboxConfig,
        mut disk: Disk,
        to: Destination,
        (now, seed): (Time, u64),
    ) -> Self {
        let loaded = load(&mut disk).expect("a simulated disk can be read");
        for (_, entry) in &loaded.corrupt {
            let aside = disk.commit(&set_aside(entry));
            aside.expect("nothing fails while it is opened");
        }
        let start = Outbox::start(&loaded);
        Self {
            machine: Outbox::new(config, &loaded),
            rng: Rng::from_u64(seed),
            disk,
            to,
            holder: None,
            offset: start.since(now),
            forgets: Vec::new(),
            forget_at: Time::NEVER,
            puts: Vec::new(),
            writing: None,
            outputs: Vec::new(),
            acknowledged: BTreeSet::new(),
            refused: 0,
        }
    }

    /// Sends a number.
    pub fn send(&mut self, number: u64, turn: &mut Turn<'_>) {
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        let now = self.now(turn);
        let (machine, out) = (&mut self.machine, &mut self.outputs);
        match machine.handle_send(&self.to, payload.len(), now, &mut self.rng, out) {
            Ok(accepted) => {
                let record = Record {
                    id: accepted.id,
                    to: self.to.clone(),
                    at: now,
                    payload,
                };
                self.puts.push((accepted, number, record));
            }
            Err(_) => self.refused += 1,
        }
        self.go_on(turn);
    }

    /// Who holds the name, as this node sees it.
    pub fn set_holder(&mut self, holder: Option<Pid>, turn: &mut Turn<'_>) {
        if self.holder != holder {
            self.holder = holder;
            let now = self.now(turn);
            if holder.is_some() {
                self.machine.handle_holder(&self.to, now, &mut self.outputs);
            }
        }
        self.go_on(turn);
    }

    /// Numbers that were told to be safe.
    pub const fn acknowledged(&self) -> &BTreeSet<u64> {
        &self.acknowledged
    }

    /// Its disk as it is now.
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Its disk, to be meddled with.
    pub const fn disk_mut(&mut self) -> &mut Disk {
        &mut self.disk
    }

    /// The machine.
    pub const fn machine(&self) -> &Outbox {
        &self.machine
    }

    fn now(&self, turn: &Turn<'_>) -> Time {
        turn.now().after(self.offset)
    }

    fn go_on(&mut self, turn: &mut Turn<'_>) {
        let now = self.now(turn);
        if let Some((records, _)) = self.writing.take_if(|(_, until)| *until <= now) {
            self.on_written(records, now);
        }
        self.machine
            .handle_timeout(now, &mut self.rng, &mut self.outputs);
        while !self.outputs.is_empty() {
            for output in std::mem::take(&mut self.outputs) {
                self.perform(output, now, turn);
            }
        }
        self.write(now, turn);
        let due = self.machine.poll_timeout().map(|(at, _)| at);
        let due = due.into_iter().chain([self.forget_at]).min();
        let wake = due
            .map_or(FORGET_DELAY, |at| at.since(now))
            .min(FORGET_DELAY);
        turn.wake_after(wake.max(Duration::from_millis(1)));
    }

    fn perform(&mut self, output: Output, now: Time, turn: &mut Turn<'_>) {
        match output {
            Output::Deliver {
                attempt,
                stream,
                seqs,
                ..
            } => {
                let ids = seqs.into_iter().map(|seq| RecordId { stream, seq });
                self.deliver(attempt, ids.collect(), now, turn);
            }
            Output::Forget(id) => self.forget(id.forget(), now),
            Output::ForgetHead(to) => self.forget(forget_head(&to), now),
            _ => {}
        }
    }

    fn deliver(&mut self, attempt: Attempt, ids: Vec<RecordId>, now: Time, turn: &mut Turn<'_>) {
        let mut records = Vec::new();
        let Some(stream) = ids.first().map(|id| id.stream) else {
            return;
        };
        for id in ids {
            match id.read(&mut self.disk) {
                Ok(Some(Found::Record(record))) => records.push((id.seq, record.payload)),
                Ok(Some(Found::Corrupt(_, entry))) => {
                    self.forgets.extend(set_aside(&entry));
                    self.machine.handle_corrupt(id);
                }
                _ => self.machine.handle_corrupt(id),
            }
        }
        match self.holder {
            Some(holder) if !records.is_empty() => {
                let batch = Batch { stream, records };
                turn.send(holder, framed(attempt, &batch.encode()));
            }
            _ => {
                let now = (now, &mut self.rng);
                self.machine.handle_failure(attempt, now, &mut self.outputs);
            }
        }
    }

    fn forget(&mut self, change: Change, now: Time) {
        self.forgets.push(change);
        self.forget_at = self.forget_at.min(now.after(FORGET_DELAY));
    }

    fn write(&mut self, now: Time, turn: &mut Turn<'_>) {
        let is_due = !self.puts.is_empty() || self.forget_at <= now;
        if self.writing.is_some() || !is_due {
            return;
        }
        self.forget_at = Time::NEVER;
        let mut changes = std::mem::take(&mut self.forgets);
        let mut records = Vec::new();
        for (accepted, number, kept) in std::mem::take(&mut self.puts) {
            changes.push(head(&kept.to, accepted.id.stream, accepted.next));
            changes.push(record(&kept));
            records.push((accepted.id, number));
        }
        self.disk.begin(changes);
        let took = turn.random().duration(WRITE_MIN, WRITE_MAX);
        self.writing = Some((records, now.after(took)));
        turn.wake_after(took);
    }

    fn on_written(&mut self, records: Vec<(RecordId, u64)>, now: Time) {
        let (changes, result) = self.disk.finish();
        for (id, number) in records {
            if result.is_ok() {
                self.acknowledged.insert(number);
                self.machine.handle_stored(id, now, &mut self.outputs);
            } else {
                self.machine.handle_not_stored(id, now, &mut self.outputs);
            }
        }
        if result.is_err() {
            // What was to be forgotten still is.
            let is_forget = |change: &Change| matches!(change, Change::Delete(_));
            let forgets = changes.into_iter().filter(is_forget);
            self.forgets = forgets.chain(std::mem::take(&mut self.forgets)).collect();
            self.forget_at = now.after(FORGET_DELAY);
        }
    }
}

impl Protocol for SendingNode {
    fn handle_message(&mut self, _from: Pid, payload: &Bytes, turn: &mut Turn<'_>) {
        let answer = unframed(payload);
        let answer =
            answer.and_then(|(attempt, body)| Some((attempt, Answer::decode(&body).ok()?)));
        if let Some((attempt, answer)) = answer {
            let now = (self.now(turn), &mut self.rng);
            let (machine, out) = (&mut self.machine, &mut self.outputs);
            machine.handle_answer(attempt, answer, now, out);
        }
        self.go_on(turn);
    }

    fn handle_timer(&mut self, turn: &mut Turn<'_>) {
        self.go_on(turn);
    }
}
