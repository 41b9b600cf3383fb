//! One stream at its sender: which records wait, which are out, and when to go on.
//!
//! At most one batch is out at a time, so records cannot overtake each other whatever is lost; a
//! batch that is not answered goes again, from its first record on.

use std::collections::VecDeque;
use std::time::Duration;

use archipelago_core::{Rng, Time};

use super::{Attempt, BATCH_RECORDS_MAX, Destination, OutboxConfig, StreamId};

/// The queue of one stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) to: Destination,
    /// The number of the next record.
    pub(super) next: u64,
    /// In order of their numbers.
    pub(super) entries: VecDeque<Entry>,
    pub(super) flight: Option<Flight>,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Not before.
    pub(super) retry_at: Time,
    /// Up to here records were out once; out again they count as repeated.
    pub(super) tried: u64,
    pub(super) used_at: Time,
}

/// A record that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) bytes: usize,
    pub(super) at: Time,
    /// Safe on disk: only then it is sent.
    pub(super) is_stored: bool,
}

/// A batch that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) attempt: Attempt,
    /// The number of its last record.
    pub(super) last: u64,
    pub(super) deadline: Time,
}

impl Stream {
    pub(super) fn new(id: StreamId, to: Destination, now: Time) -> Self {
        Self {
            id,
            to,
            next: 1,
            entries: VecDeque::new(),
            flight: None,
            failures: 0,
            retry_at: Time::START,
            tried: 0,
            used_at: now,
        }
    }

    /// When its next batch may go; `None` while nothing can.
    pub(super) fn due(&self) -> Option<Time> {
        let is_ready = self.entries.front().is_some_and(|first| first.is_stored);
        (is_ready && self.flight.is_none()).then_some(self.retry_at)
    }

    /// The numbers of the batch that goes next, at least one; whether some were out before.
    pub(super) fn batch(&mut self, config: &OutboxConfig) -> (Vec<u64>, u64) {
        let mut bytes = 0;
        let mut seqs = Vec::new();
        for entry in self.entries.iter().take_while(|entry| entry.is_stored) {
            bytes += entry.bytes;
            let is_full = bytes > config.batch_bytes_max || seqs.len() == BATCH_RECORDS_MAX;
            if is_full && !seqs.is_empty() {
                break;
            }
            seqs.push(entry.seq);
        }
        let repeated = seqs.iter().filter(|&&seq| seq <= self.tried).count();
        self.tried = self.tried.max(seqs.last().copied().unwrap_or(0));
        (seqs, repeated as u64)
    }

    /// Its batch came back unanswered. Pauses after one more failure: double the last pause, and somewhere in its upper half, so
    /// that those who failed together do not come back together.
    pub(super) fn pause(&mut self, config: &OutboxConfig, now: Time, rng: &mut Rng) {
        self.flight = None;
        let doubled = config.retry_min.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(config.retry_max).as_micros();
        let pause = u64::try_from(pause).unwrap_or(u64::MAX / 2);
        let jittered = pause / 2 + rng.below(pause / 2 + 1);
        self.retry_at = now.after(Duration::from_micros(jittered));
    }

    /// A receiver got on: the next batch may go.
    pub(super) const fn go_on(&mut self, now: Time) {
        self.flight = None;
        self.failures = 0;
        self.retry_at = now;
    }

    /// The next batch may go at once.
    pub(super) const fn hurry(&mut self, now: Time) {
        self.retry_at = now;
    }

    /// A record by its number.
    pub(super) fn position(&self, seq: u64) -> Option<usize> {
        self.entries
            .binary_search_by_key(&seq, |entry| entry.seq)
            .ok()
    }
}
