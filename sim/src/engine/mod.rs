//! The queue of everything that will happen, in one order that depends on nothing but the seed.
//!
//! Events are ordered by (time, source, the source's own counter), so the order does not depend on
//! who pushed first and survives a split of the queue into shards. Bodies lie in a pool and are
//! used again; the heap moves 24-byte keys only. Nothing is allocated per event once the pool has
//! grown to the most events ever pending.
//! Cost: O(log n) per event for n pending ones.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use archipelago_core::Time;

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

/// Events that wait for their time.
#[derive(Debug)]
pub struct Queue<T> {
    keys: BinaryHeap<Reverse<(Key, u32)>>,
    pool: Vec<Option<(u32, T)>>,
    free: Vec<u32>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            keys: BinaryHeap::new(),
            pool: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Queue<T> {
    /// Adds an event for `target`.
    pub fn push(&mut self, key: Key, target: u32, body: T) {
        let slot = self.store(target, body);
        self.keys.push(Reverse((key, slot)));
    }

    /// The next event's place in the order.
    pub fn peek(&self) -> Option<Key> {
        self.keys.peek().map(|Reverse((key, _))| *key)
    }

    /// The next event without taking it: its place, whom it happens to, and what.
    pub fn peek_body(&self) -> Option<(Key, u32, &T)> {
        let Reverse((key, slot)) = self.keys.peek()?;
        let (target, body) = self.pool.get(*slot as usize)?.as_ref()?;
        Some((*key, *target, body))
    }

    /// Takes the next event if it is due by `until`.
    pub fn pop(&mut self, until: Time) -> Option<Due<T>> {
        if self.peek()?.time > until {
            return None;
        }
        let Reverse((key, slot)) = self.keys.pop()?;
        let (target, body) = self
            .pool
            .get_mut(slot as usize)
            .and_then(Option::take)
            .expect("every key in the heap has its body in the pool");
        self.free.push(slot);
        Some(Due { key, target, body })
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn store(&mut self, target: u32, body: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.pool[slot as usize] = Some((target, body));
            return slot;
        }
        let slot = u32::try_from(self.pool.len()).expect("fewer than 2^32 events are pending");
        self.pool.push(Some((target, body)));
        slot
    }
}

#[cfg(test)]
mod tests;
