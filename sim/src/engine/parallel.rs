//! Many shards on many threads, a lookahead apart at most.
//!
//! Time is cut into windows, a few to the lookahead. What a shard sends in window `w` is due in
//! `w + reach` or later, `reach` being the windows of a lookahead; so a thread may run window `w`
//! when all others have finished `w - reach`, and until then they need not be in step: one that has
//! more to do in one window and less in the next holds up nobody. All windows of a *stretch* are
//! run that way. Between stretches threads meet at a barrier, exchange what is due after the
//! stretch, and skip to the next event anywhere.
//!
//! ```text
//!  thread 0:  ... run w │ hand over what it sent │ finished w │ run w + 1 ...
//!  thread 1:  ... wait for finished w of thread 0 │ take it in │ run w + reach ...
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
#[allow(
    clippy::disallowed_types,
    reason = "threads hand letters over here, and never two at once: no machine sees a lock"
)]
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use archipelago_core::Time;

use super::barrier::{Barrier, Guard};
use super::clock::Finished;
use super::layout::Layout;
use super::pace::Pace;
use super::post::Letter;
use super::{Order, Part, Shard, file};

/// Windows of a lookahead: with one, threads run in step; with many, they hand over more often than
/// their drifting apart is worth.
const REACH: u64 = 2;

/// What the threads of one run share.
struct Exchange<T> {
    barrier: Barrier,
    /// What each thread says before a stretch; once for each parity.
    said: [Vec<Said>; 2],
    /// How far each thread is within the stretch.
    finished: Vec<Finished>,
    /// What is due after the stretch, by parity and pair of shards: written before the barrier,
    /// read after it, while the next is written elsewhere.
    bags: [Vec<Slot<T>>; 2],
    /// What was sent in a window, by pair of shards, twice the reach of windows in turn.
    slots: Vec<Slot<T>>,
    shards: usize,
}

/// What a thread says before a stretch.
#[derive(Default)]
#[repr(align(128))]
struct Said {
    /// When its next event may be due, what it sent included.
    next: AtomicU64,
    /// How many events its last stretch had.
    events: AtomicU64,
}

/// Letters from one shard to another, alone on their line of cache.
#[allow(clippy::disallowed_types, reason = "see above")]
#[repr(align(64))]
struct Slot<T>(Mutex<Vec<Letter<T>>>);

/// Runs all shards up to `until`. The lookahead is not zero.
pub(super) fn run<S: Shard>(
    parts: &mut [Part<S>],
    shared: &S::Shared,
    layout: Layout,
    until: Time,
    lookahead: Duration,
    threads: usize,
) {
    let share = parts.len().div_ceil(threads.clamp(1, parts.len()));
    let micros = u64::try_from(lookahead.as_micros()).unwrap_or(u64::MAX);
    let window = window(micros, &parts[0]);
    let reach = micros / window;
    let exchange = Exchange::new(parts.len(), parts.len().div_ceil(share), reach);
    let mut chunks = parts.chunks_mut(share).enumerate();
    let worker = |number| Worker {
        number,
        first: number * share,
        exchange: &exchange,
        layout,
        until,
        window,
        reach,
    };
    // This thread is one of them: runs are many where a plan has many steps, and threads cost some
    // tens of microseconds each to begin.
    let first = chunks.next();
    std::thread::scope(|scope| {
        for (number, parts) in chunks {
            let worker = worker(number);
            scope.spawn(move || worker.run(parts, shared));
        }
        if let Some((number, parts)) = first {
            worker(number).run(parts, shared);
        }
    });
}

/// Microseconds of a window: so many to the lookahead, and where nodes are taken one by one whole buckets.
fn window<S: Shard>(lookahead: u64, part: &Part<S>) -> u64 {
    let window = lookahead / REACH.min(lookahead);
    let bucket = u64::try_from(part.queue.bucket().as_micros()).unwrap_or(u64::MAX);
    match S::ORDER {
        Order::Nodes if bucket <= window => window / bucket * bucket,
        _ => window,
    }
}

impl<T> Exchange<T> {
    fn new(shards: usize, threads: usize, reach: u64) -> Self {
        fn list<X>(len: usize, make: impl Fn() -> X) -> Vec<X> {
            std::iter::repeat_with(make).take(len).collect()
        }
        let pairs = shards * shards;
        let bags = || list(pairs, Slot::default);
        Self {
            barrier: Barrier::new(threads),
            said: [list(threads, Said::default), list(threads, Said::default)],
            finished: list(threads, Finished::default),
            bags: [bags(), bags()],
            slots: list(pairs * 2 * reach as usize, Slot::default),
            shards,
        }
    }

    fn bag(&self, parity: usize, from: usize, to: usize) -> Letters<'_, T> {
        self.bags[parity][to * self.shards + from].lock()
    }

    /// Where one shard puts what it sent another in `window`. The place is used again for a window
    /// that is run when the letters of this one are long filed.
    fn slot(&self, window: u64, from: usize, to: usize) -> Letters<'_, T> {
        let pairs = self.shards * self.shards;
        let turn = window as usize % (self.slots.len() / pairs);
        self.slots[turn * pairs + to * self.shards + from].lock()
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
    /// Microseconds of a window.
    window: u64,
    /// The first window in which something that is sent now may be due, counted from this one.
    reach: u64,
}

/// Windows that are run without a meeting.
#[derive(Clone, Copy)]
struct Stretch {
    first: u64,
    end: u64,
}

impl<T> Worker<'_, T> {
    fn run<S: Shard<Body = T>>(&self, parts: &mut [Part<S>], shared: &S::Shared) {
        let _guard = Guard(&self.exchange.barrier);
        let mut pace = Pace::new(self.reach);
        let (mut parity, mut events) = (0, 0);
        loop {
            self.publish(parts, parity, events);
            if !self.exchange.barrier.wait() {
                return;
            }
            self.collect(parts, parity);
            let Some(stretch) = self.agree(parity, &mut pace) else {
                return;
            };
            match self.run_stretch(parts, shared, stretch) {
                Some(count) => events = count,
                None => return,
            }
            parity = 1 - parity;
        }
    }

    /// Hands over what lies after the stretch, and says when this thread's next event is.
    fn publish<S: Shard<Body = T>>(&self, parts: &mut [Part<S>], parity: usize, events: u64) {
        let mut next = u64::MAX;
        for (from, part) in (self.first..).zip(parts) {
            for (to, letters) in part.mail.iter_mut().enumerate() {
                if !letters.is_empty() {
                    let times = letters.iter().map(|(key, ..)| key.time.as_micros());
                    next = times.fold(next, u64::min);
                    std::mem::swap(&mut *self.exchange.bag(parity, from, to), letters);
                }
            }
            let due = part.queue.next_time();
            next = next.min(due.map_or(u64::MAX, Time::as_micros));
        }
        let said = &self.exchange.said[parity][self.number];
        said.next.store(next, Ordering::Release);
        said.events.store(events, Ordering::Release);
    }

    /// Files what others have for this thread's shards.
    fn collect<S: Shard<Body = T>>(&self, parts: &mut [Part<S>], parity: usize) {
        for (to, part) in (self.first..).zip(parts) {
            for from in 0..self.exchange.shards {
                file(&mut part.queue, &mut self.exchange.bag(parity, from, to));
            }
        }
    }

    /// The next stretch, the same for every thread; `None` when nothing is left to do.
    fn agree(&self, parity: usize, pace: &mut Pace) -> Option<Stretch> {
        let said = &self.exchange.said[parity];
        let next = said.iter().map(|said| said.next.load(Ordering::Acquire));
        let events = said.iter().map(|said| said.events.load(Ordering::Acquire));
        pace.learn(events.sum());
        let start = next.min().filter(|&next| next != u64::MAX)?;
        if start > self.until.as_micros() {
            return None;
        }
        let first = start / self.window;
        let last = self.until.as_micros() / self.window;
        let end = first
            .saturating_add(pace.windows())
            .min(last.saturating_add(1));
        Some(Stretch { first, end })
    }

    /// Runs all windows of a stretch; how many events they had, or `None` when a thread panicked.
    fn run_stretch<S: Shard<Body = T>>(
        &self,
        parts: &mut [Part<S>],
        shared: &S::Shared,
        stretch: Stretch,
    ) -> Option<u64> {
        let (mut events, mut taken) = (0, Vec::new());
        let mut seen = vec![0; self.exchange.finished.len()];
        for window in stretch.first..stretch.end {
            if window >= stretch.first + self.reach {
                let sent = window - self.reach;
                if !self.wait_for(sent + 1, &mut seen) {
                    return None;
                }
                self.take_in(parts, sent, &mut taken);
            }
            let last = self.last(window).min(self.until);
            for part in &mut *parts {
                events += part.run(last, shared, self.layout);
            }
            if window + self.reach < stretch.end {
                self.hand_over(parts, window);
            }
            self.exchange.finished[self.number].set(window + 1);
        }
        Some(events)
    }

    /// The last instant of a window.
    const fn last(&self, window: u64) -> Time {
        let next = window.saturating_add(1).saturating_mul(self.window);
        Time::from_micros(next - 1)
    }

    /// Waits until all threads have finished the windows before `end`; `seen` is how far they were
    /// when last looked at.
    fn wait_for(&self, end: u64, seen: &mut [u64]) -> bool {
        let others = self.exchange.finished.iter().zip(seen);
        others
            .filter(|(_, seen)| **seen < end)
            .all(|(other, seen)| {
                other
                    .wait_for(end, &self.exchange.barrier)
                    .map(|now| *seen = now)
                    .is_some()
            })
    }

    /// Files what others sent this thread's shards in a window. What another core wrote is copied in
    /// one go, so that its lines of cache are waited for together and not one by one.
    fn take_in<S: Shard<Body = T>>(
        &self,
        parts: &mut [Part<S>],
        sent: u64,
        taken: &mut Vec<Letter<T>>,
    ) {
        for (to, part) in (self.first..).zip(parts) {
            for from in (0..self.exchange.shards).filter(|&from| from != to) {
                taken.append(&mut self.exchange.slot(sent, from, to));
                file(&mut part.queue, taken);
            }
        }
    }

    /// Hands over what this thread's shards sent in a window: written here, and copied where the
    /// others look in one go.
    fn hand_over<S: Shard<Body = T>>(&self, parts: &mut [Part<S>], window: u64) {
        for (from, part) in (self.first..).zip(parts) {
            for (to, letters) in part.mail.iter_mut().enumerate() {
                if to == from {
                    file(&mut part.queue, letters);
                } else if !letters.is_empty() {
                    self.exchange.slot(window, from, to).append(letters);
                }
            }
        }
    }
}

#[allow(clippy::disallowed_types, reason = "see above")]
type Letters<'a, T> = MutexGuard<'a, Vec<Letter<T>>>;

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> Letters<'_, T> {
        self.0.lock().expect("whoever held the slot did not panic")
    }
}
