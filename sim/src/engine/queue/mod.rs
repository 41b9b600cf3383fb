//! The events of one shard that wait for their time.
//!
//! A timing wheel holds the near future in buckets of chunks, a map of coarse periods what lies
//! beyond. A bucket is put in order when it is reached: dealt out by microsecond, then the few of
//! one microsecond sorted. What is pushed into a bucket that is open already goes to a small heap
//! beside it. Chunks come from one free list, so nothing is allocated per event once the queue has
//! held the most that it ever holds.
//! Cost: O(1) per event but for the sorting of one microsecond's; O(log b) for events pushed into
//! the open bucket.
//! Source: hashed and hierarchical timing wheels, Varghese and Lauck, SOSP 1987.

mod chunks;
mod open;

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::Time;
use archipelago_core::footprint::vec_bytes;

use super::occupied::Occupied;
use chunks::{Chunks, NONE};
use open::Open;

/// Buckets of the wheel, as a power of two.
const WHEEL_BITS: u32 = 12;
const WHEEL: u64 = 1 << WHEEL_BITS;
/// Least and most microseconds of a bucket, as powers of two.
const BUCKET_BITS: (u32, u32) = (4, 10);

/// Where an event stands among all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// When it happens.
    pub time: Time,
    /// Who caused it.
    pub source: u32,
    /// How many events the source had caused before.
    pub counter: u32,
}

/// In which order the events of a bucket leave, where all of it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By their keys.
    Time,
    /// One node after the other, the events of each by their keys.
    Nodes,
}

/// An event as it comes out of the queue.
#[derive(Debug, PartialEq, Eq)]
pub struct Due<T> {
    /// When, and caused by whom.
    pub key: Key,
    /// Whom it happens to.
    pub target: u32,
    /// What happens.
    pub body: T,
}

/// An event as it waits.
#[derive(Debug)]
struct Entry<T> {
    key: Key,
    target: u32,
    /// Empty once it was taken.
    body: Option<T>,
}

impl<T> Entry<T> {
    const fn vacant() -> Self {
        Self {
            key: Key {
                time: Time::START,
                source: 0,
                counter: 0,
            },
            target: 0,
            body: None,
        }
    }

    /// The event; its place is vacant.
    #[inline]
    const fn take(&mut self) -> Self {
        Self {
            key: self.key,
            target: self.target,
            body: self.body.take(),
        }
    }
}

/// Events that wait for their time.
#[derive(Debug)]
pub struct Queue<T> {
    chunks: Chunks<T>,
    /// Everything up to the end of bucket `position`.
    open: Open<T>,
    /// The bucket, counted from the beginning of time, that `open` covers.
    position: u64,
    /// Lists of the buckets after `position`, by their number modulo the wheel's size.
    buckets: Vec<u32>,
    occupied: Occupied,
    /// Lists of what lies beyond the wheel, by the period of a whole wheel.
    far: BTreeMap<u64, u32>,
    /// Microseconds of a bucket, as a power of two.
    bits: u32,
    /// Of buckets that are opened whole.
    order: Order,
    len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::with_lookahead(Duration::from_millis(2))
    }
}

impl<T> Queue<T> {
    /// A queue for events that mostly lie at least `lookahead` ahead: a bucket is at most half of
    /// it, so that hardly any falls into the open one. It never changes the order.
    pub fn with_lookahead(lookahead: Duration) -> Self {
        let micros = u64::try_from(lookahead.as_micros()).unwrap_or(u64::MAX);
        let (least, most) = BUCKET_BITS;
        Self {
            chunks: Chunks::default(),
            open: Open::default(),
            position: 0,
            buckets: vec![NONE; 1 << WHEEL_BITS],
            occupied: Occupied::new(1 << WHEEL_BITS),
            far: BTreeMap::new(),
            bits: (micros / 2).checked_ilog2().unwrap_or(0).clamp(least, most),
            order: Order::Time,
            len: 0,
        }
    }

    /// How long a bucket is.
    pub const fn bucket(&self) -> Duration {
        Duration::from_micros(1 << self.bits)
    }

    /// The end of the last bucket that ends by `last`, if that is after `start`; else `last`.
    pub(super) fn bucket_last(&self, start: Time, last: Time) -> Time {
        let end = (last.as_micros().saturating_add(1) >> self.bits) << self.bits;
        let whole = Time::from_micros(end.saturating_sub(1));
        if whole >= start { whole } else { last }
    }

    /// In which order the events of buckets leave that are opened from now on and due to their ends;
    /// those of others leave by their keys. Node by node is for who takes all that is due, and adds to
    /// an open bucket only what happens to the node whose event was taken last.
    pub const fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// Adds an event for `target`. One that lies before an event taken already is next.
    #[inline]
    pub fn push(&mut self, key: Key, target: u32, body: T) {
        let body = Some(body);
        self.len += 1;
        self.file(Entry { key, target, body });
    }

    /// The next event if it is due by `until`, without taking it.
    pub fn peek(&mut self, until: Time) -> Option<(Key, u32, &T)> {
        self.advance(until);
        self.open.peek().filter(|(key, ..)| key.time <= until)
    }

    /// Takes the next event if it is due by `until`.
    #[inline]
    pub fn pop(&mut self, until: Time) -> Option<Due<T>> {
        if self.open.is_empty() {
            self.advance(until);
        }
        let due = self.open.pop(until)?;
        self.len -= 1;
        Some(due)
    }

    /// Whether [`Queue::coming`] has something that it had not said before.
    #[inline]
    pub(super) const fn is_batch_begun(&self) -> bool {
        self.open.is_batch_begun()
    }

    /// Whom the next few events of the open bucket happen to, as far as they are in order.
    #[inline]
    pub(super) fn coming(&self) -> impl Iterator<Item = (u32, &T)> {
        self.open.coming()
    }

    /// A time before which nothing is due, or `None` when nothing waits. Exact within the open
    /// bucket, else the bucket's beginning.
    pub fn next_time(&self) -> Option<Time> {
        if let Some((key, ..)) = self.open.peek() {
            return Some(key.time);
        }
        let next = match (self.next_near(), self.next_far()) {
            (Some(near), Some(far)) => near.min(far),
            (near, far) => near.or(far)?,
        };
        Some(Time::from_micros(next << self.bits))
    }

    /// How many events wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// What the queue holds on the heap, the bodies' own heap not counted.
    pub fn heap_bytes(&self) -> usize {
        self.chunks.heap_bytes() + self.open.heap_bytes() + vec_bytes(&self.buckets)
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn file(&mut self, entry: Entry<T>) {
        let bucket = entry.key.time.as_micros() >> self.bits;
        if bucket <= self.position {
            self.open.insert(entry);
        } else if bucket - self.position <= WHEEL {
            let index = index(bucket);
            if self.chunks.push(&mut self.buckets[index], entry) {
                self.occupied.set(index);
            }
        } else {
            let list = self.far.entry(bucket >> WHEEL_BITS).or_insert(NONE);
            self.chunks.push(list, entry);
        }
    }

    /// Opens the next bucket that holds something and begins by `until`, if the open one is used up.
    fn advance(&mut self, until: Time) {
        let last = until.as_micros() >> self.bits;
        while self.open.is_empty() && self.len > 0 {
            let near = self.next_near().unwrap_or(u64::MAX);
            let far = self.next_far().unwrap_or(u64::MAX);
            if near.min(far) > last {
                return;
            }
            if far <= near {
                self.refill(far);
            } else {
                self.position = near;
                self.open_bucket(near, until);
            }
        }
    }

    /// The next bucket on the wheel that holds something.
    fn next_near(&self) -> Option<u64> {
        let first = index(self.position + 1);
        let found = self.occupied.next_from(first)? as u64;
        let ahead = (found + WHEEL - first as u64) % WHEEL;
        Some(self.position + 1 + ahead)
    }

    /// The first bucket of the next period beyond the wheel that holds something.
    fn next_far(&self) -> Option<u64> {
        let (&period, _) = self.far.first_key_value()?;
        Some((period << WHEEL_BITS).max(self.position + 1))
    }

    /// Files the period that begins with this bucket: the wheel reaches over all of it.
    fn refill(&mut self, first: u64) {
        self.position = self.position.max(first - 1);
        if let Some((_, list)) = self.far.pop_first() {
            let mut entries = Vec::new();
            self.chunks.drain(list, &mut entries);
            for entry in entries {
                self.file(entry);
            }
        }
    }

    /// Puts a bucket's events in order.
    fn open_bucket(&mut self, bucket: u64, until: Time) {
        let index = index(bucket);
        let is_whole = (bucket + 1) << self.bits <= until.as_micros().saturating_add(1);
        let order = if is_whole { self.order } else { Order::Time };
        let list = std::mem::replace(&mut self.buckets[index], NONE);
        self.occupied.clear(index);
        self.open
            .begin(Time::from_micros(bucket << self.bits), order);
        self.chunks.drain(list, self.open.entries_mut());
        self.open.sort(self.bits);
    }
}

const fn index(bucket: u64) -> usize {
    (bucket % WHEEL) as usize
}

#[cfg(test)]
mod tests;
