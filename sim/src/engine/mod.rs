//! The queue of everything that will happen, in one order that depends on nothing but the seed.
//!
//! Events are ordered by (time, source, the source's own counter), so the order does not depend on
//! who pushed first and survives a split of the queue into shards. A timing wheel of about 1 ms per
//! bucket holds the next four seconds, a heap what lies beyond; a bucket is put in order when it is
//! reached. Bodies lie in a pool and never move; nothing is allocated per event once the pool has
//! grown to the most events ever pending.
//! Cost: O(1) per event within the wheel's horizon, but O(log b) for the b events of one bucket.
//! Source: hashed timing wheels, Varghese and Lauck, SOSP 1987.

mod occupied;
mod pool;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use archipelago_core::Time;
use archipelago_core::footprint::vec_bytes;

use occupied::Occupied;
use pool::{NONE, Pool};

/// Microseconds of a bucket, as a power of two.
const BUCKET_BITS: u32 = 10;
/// Buckets of the wheel.
const BUCKETS: usize = 4_096;

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

/// Keys in order, with their slots in the pool.
type Heap = BinaryHeap<Reverse<(Key, u32)>>;

/// Events that wait for their time.
#[derive(Debug)]
pub struct Queue<T> {
    pool: Pool<T>,
    /// Everything up to the end of bucket `position`.
    current: Heap,
    /// The bucket, counted from the beginning of time, that `current` covers.
    position: u64,
    /// Heads of the lists of the buckets after `position`, by their number modulo the wheel's size.
    buckets: Vec<u32>,
    occupied: Occupied,
    /// What lies beyond the wheel.
    far: Heap,
    len: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            pool: Pool::default(),
            current: Heap::new(),
            position: 0,
            buckets: vec![NONE; BUCKETS],
            occupied: Occupied::new(BUCKETS),
            far: Heap::new(),
            len: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Adds an event for `target`. One that lies before an event taken already is next.
    pub fn push(&mut self, key: Key, target: u32, body: T) {
        let slot = self.pool.insert(key, target, body);
        self.len += 1;
        let bucket = bucket(key.time);
        if bucket <= self.position {
            self.current.push(Reverse((key, slot)));
        } else if bucket - self.position < BUCKETS as u64 {
            self.file(bucket, slot);
        } else {
            self.far.push(Reverse((key, slot)));
        }
    }

    /// The next event without taking it: its place, whom it happens to, and what.
    pub fn peek(&mut self) -> Option<(Key, u32, &T)> {
        self.advance();
        let Reverse((key, slot)) = self.current.peek()?;
        let (target, body) = self.pool.get(*slot)?;
        Some((*key, target, body))
    }

    /// Takes the next event if it is due by `until`.
    pub fn pop(&mut self, until: Time) -> Option<Due<T>> {
        self.advance();
        let Reverse((key, slot)) = *self.current.peek()?;
        if key.time > until {
            return None;
        }
        self.current.pop();
        self.len -= 1;
        let (target, body) = self.pool.remove(slot);
        Some(Due { key, target, body })
    }

    /// How many events wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// What the queue holds on the heap.
    pub fn heap_bytes(&self) -> usize {
        let orders = self.current.capacity() + self.far.capacity();
        let order_bytes = orders * size_of::<Reverse<(Key, u32)>>();
        self.pool.heap_bytes() + order_bytes + vec_bytes(&self.buckets)
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Moves on to the next bucket that holds something, if the current one is used up.
    fn advance(&mut self) {
        while self.current.is_empty() && self.len > 0 {
            self.position = self.next_position();
            self.refill();
            self.open(self.position);
        }
    }

    /// The number of the next bucket that holds something.
    fn next_position(&self) -> u64 {
        let first = index(self.position + 1);
        match self.occupied.next_from(first) {
            Some(found) => {
                let ahead = (found + BUCKETS - first) % BUCKETS;
                self.position + 1 + ahead as u64
            }
            None => self
                .far
                .peek()
                .map_or(self.position, |Reverse((key, _))| bucket(key.time)),
        }
    }

    /// Files what came within the wheel's horizon.
    fn refill(&mut self) {
        while let Some(&Reverse((key, slot))) = self.far.peek() {
            let bucket = bucket(key.time);
            if bucket.saturating_sub(self.position) >= BUCKETS as u64 {
                break;
            }
            self.far.pop();
            self.file(bucket, slot);
        }
    }

    /// Puts a bucket's events in order.
    fn open(&mut self, bucket: u64) {
        let index = index(bucket);
        let mut slot = std::mem::replace(&mut self.buckets[index], NONE);
        self.occupied.clear(index);
        while slot != NONE {
            let (key, next) = self.pool.link(slot);
            self.current.push(Reverse((key, slot)));
            slot = next;
        }
    }

    fn file(&mut self, bucket: u64, slot: u32) {
        let index = index(bucket);
        self.pool.set_link(slot, self.buckets[index]);
        self.buckets[index] = slot;
        self.occupied.set(index);
    }
}

const fn bucket(time: Time) -> u64 {
    time.as_micros() >> BUCKET_BITS
}

const fn index(bucket: u64) -> usize {
    (bucket % BUCKETS as u64) as usize
}

#[cfg(test)]
mod tests;
