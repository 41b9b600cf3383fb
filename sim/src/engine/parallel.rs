//! Many shards on many threads: each thread runs its shards through one window, all meet at a
//! barrier, and each files what the others had for it.
//!
//! One barrier per window is enough because everything that threads hand over is kept twice: what
//! is written for the next window is not what is read in this one.

use std::sync::atomic::{AtomicU64, Ordering};
#[allow(
    clippy::disallowed_types,
    reason = "threads hand bags over here, between two barriers: no machine sees a lock"
)]
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use archipelago_core::Time;

use super::barrier::{Barrier, Guard};
use super::layout::Layout;
use super::post::Letter;
use super::{Part, Shard, window_last};

/// What the threads of one run share.
struct Exchange<T> {
    barrier: Barrier,
    /// When each thread's next event may be due, what it sent included; once for each parity.
    next: [Vec<AtomicU64>; 2],
    /// Bags by parity, receiving shard, sending shard.
    bags: [Vec<Vec<Bag<T>>>; 2],
}

/// Letters from one shard to another.
#[allow(clippy::disallowed_types, reason = "see above")]
type Bag<T> = Mutex<Vec<Letter<T>>>;

/// Runs all shards up to `until`.
pub(super) fn run<S: Shard>(
    parts: &mut [Part<S>],
    shared: &S::Shared,
    layout: Layout,
    until: Time,
    lookahead: Duration,
    threads: usize,
) {
    let share = parts.len().div_ceil(threads.clamp(1, parts.len()));
    let exchange = Exchange::new(parts.len(), parts.len().div_ceil(share));
    std::thread::scope(|scope| {
        for (number, parts) in parts.chunks_mut(share).enumerate() {
            let worker = Worker {
                number,
                first: number * share,
                exchange: &exchange,
                layout,
                until,
                lookahead,
            };
            scope.spawn(move || worker.run(parts, shared));
        }
    });
}

impl<T> Exchange<T> {
    fn new(shards: usize, threads: usize) -> Self {
        let next = || (0..threads).map(|_| AtomicU64::new(u64::MAX)).collect();
        let row = || (0..shards).map(|_| Bag::default()).collect();
        let bags = || (0..shards).map(|_| row()).collect();
        Self {
            barrier: Barrier::new(threads),
            next: [next(), next()],
            bags: [bags(), bags()],
        }
    }
}

/// One thread of a run.
struct Worker<'a, T> {
    number: usize,
    /// Its first shard.
    first: usize,
    exchange: &'a Exchange<T>,
    layout: Layout,
    until: Time,
    lookahead: Duration,
}

impl<T> Worker<'_, T> {
    fn run<S: Shard<Body = T>>(&self, parts: &mut [Part<S>], shared: &S::Shared) {
        let _guard = Guard(&self.exchange.barrier);
        let mut parity = 0;
        loop {
            self.publish(parts, parity);
            if !self.exchange.barrier.wait() {
                return;
            }
            self.collect(parts, parity);
            let next = self.exchange.next[parity].iter();
            let start = next.map(|time| time.load(Ordering::Acquire)).min();
            let start = Time::from_micros(start.unwrap_or(u64::MAX));
            if start > self.until || start.as_micros() == u64::MAX {
                return;
            }
            let last = window_last(start, self.lookahead).min(self.until);
            for (place, part) in parts.iter_mut().enumerate() {
                part.run(last, shared, self.layout, self.first + place);
            }
            parity = 1 - parity;
        }
    }

    /// Hands over what this thread's shards have for others, and says when their next event is.
    fn publish<S: Shard<Body = T>>(&self, parts: &mut [Part<S>], parity: usize) {
        let mut next = u64::MAX;
        for (place, part) in parts.iter_mut().enumerate() {
            for (to, letters) in part.mail.iter_mut().enumerate() {
                if !letters.is_empty() {
                    let times = letters.iter().map(|(key, ..)| key.time.as_micros());
                    next = next.min(times.min().unwrap_or(u64::MAX));
                    let bag = &self.exchange.bags[parity][to][self.first + place];
                    std::mem::swap(&mut *lock(bag), letters);
                }
            }
            let due = part.queue.next_time();
            next = next.min(due.map_or(u64::MAX, Time::as_micros));
        }
        self.exchange.next[parity][self.number].store(next, Ordering::Release);
    }

    /// Files what others have for this thread's shards.
    fn collect<S: Shard<Body = T>>(&self, parts: &mut [Part<S>], parity: usize) {
        for (place, part) in parts.iter_mut().enumerate() {
            for bag in &self.exchange.bags[parity][self.first + place] {
                for (key, target, body) in lock(bag).drain(..) {
                    part.queue.push(key, target, body);
                }
            }
        }
    }
}

#[allow(clippy::disallowed_types, reason = "see above")]
fn lock<T>(bag: &Bag<T>) -> MutexGuard<'_, Vec<Letter<T>>> {
    bag.lock().expect("whoever held the bag did not panic")
}
