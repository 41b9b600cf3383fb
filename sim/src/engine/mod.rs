//! Virtual time: nodes in shards, a queue for each shard, and one order of events that depends on
//! nothing but the seed.
//!
//! ```text
//!             ┌ Shard 0: nodes ── Queue ┐   in windows, a lookahead apart at most: what they send
//!  Engine ────┤            ╳            ├── each other is handed over before the window in which
//!             └ Shard 1: nodes ── Queue ┘   it is due
//! ```
//! Events are ordered by (time, source, the source's own counter). An event for another node lies
//! at least the lookahead ahead, so what a node sees, and in which order, is the same for any
//! number of shards and threads, and for any order in which the nodes of a window have their turn. The engine knows nothing of networks: what an event means is the
//! [`Shard`]'s business, and workload W1 (`benches/w1.rs`) is as much its user as the world.
//! Never: a clock, a random number, an order that depends on a thread.
//! Cost: O(1) per event, 24 bytes and its body while it waits; per window and thread a few loads
//! and stores that others see.
//! Source: conservative synchronisation with lookahead, Chandy and Misra, IEEE TSE 1979; windows
//! as in bounded-lag simulation, Lubachevsky, CACM 1989.

mod barrier;
mod clock;
mod layout;
mod occupied;
mod pace;
mod parallel;
mod post;
mod queue;

use std::time::Duration;

use archipelago_core::Time;
use archipelago_core::footprint::vec_bytes;
use post::Letter;

pub use layout::Layout;
pub use post::Post;
pub use queue::{Due, Key, Order, Queue};

/// Some of the nodes of a simulation, with everything that only they touch.
pub trait Shard: Send {
    /// What all nodes read and none changes while the engine runs.
    type Shared: Sync;
    /// What an event carries. Small is fast: it is moved three times.
    type Body: Send + std::fmt::Debug;

    /// An event happens to one of this shard's nodes. What follows from it goes into `post`:
    /// events for the node itself from now on, for another node from the lookahead on.
    fn handle(
        &mut self,
        due: Due<Self::Body>,
        shared: &Self::Shared,
        post: &mut Post<'_, Self::Body>,
    );

    /// In which order the events of a window happen, where no node can tell: by time, or node by node, for
    /// nodes of so much memory that it is better fetched once. Default by time.
    const ORDER: Order = Order::Time;

    /// How many steps of [`Shard::foresee`] are worth their time. Default none.
    const FORESIGHT: u32 = 0;

    /// Has some of what an event for the node at `place` will read fetched: at step 0 what can be
    /// found at once, at step 1 what that points to, and so on.
    ///
    /// Called for several coming events at once, so that the processor fetches the memory of all of
    /// them together.
    #[inline]
    fn foresee(&self, _place: usize, _body: &Self::Body, _step: u32) {}
}

/// All shards, and the time that has passed in them.
#[derive(Debug)]
pub struct Engine<S: Shard> {
    layout: Layout,
    shared: S::Shared,
    parts: Vec<Part<S>>,
    now: Time,
}

/// A shard, its queue, and what it has for other shards; no two of them share a line of cache.
#[derive(Debug)]
#[repr(align(128))]
struct Part<S: Shard> {
    shard: S,
    queue: Queue<S::Body>,
    /// By receiving shard, this one among them.
    mail: Vec<Vec<Letter<S::Body>>>,
}

impl<S: Shard> Engine<S> {
    /// An engine at time zero; `lookahead` is what it is tuned for.
    ///
    /// # Panics
    /// When there are not as many shards as the layout says.
    pub fn new(layout: Layout, shared: S::Shared, shards: Vec<S>, lookahead: Duration) -> Self {
        let count = layout.shards();
        assert_eq!(shards.len(), count, "the layout names every shard");
        let part = |shard| Part {
            shard,
            queue: Queue::with_lookahead(lookahead),
            mail: (0..count).map(|_| Vec::new()).collect(),
        };
        Self {
            layout,
            shared,
            parts: shards.into_iter().map(part).collect(),
            now: Time::START,
        }
    }

    /// The instant up to which everything has happened.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// Which node is where.
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// What all nodes read.
    pub const fn shared(&self) -> &S::Shared {
        &self.shared
    }

    /// As [`Engine::shared`], to change it between runs.
    pub const fn shared_mut(&mut self) -> &mut S::Shared {
        &mut self.shared
    }

    /// The shards, in order.
    pub fn shards(&self) -> impl Iterator<Item = &S> {
        self.parts.iter().map(|part| &part.shard)
    }

    /// As [`Engine::shards`], to change them between runs.
    pub fn shards_mut(&mut self) -> impl Iterator<Item = &mut S> {
        self.parts.iter_mut().map(|part| &mut part.shard)
    }

    /// The shard of `node`.
    pub fn shard(&self, node: u32) -> &S {
        &self.parts[self.layout.shard(node)].shard
    }

    /// As [`Engine::shard`], to change it between runs.
    pub fn shard_mut(&mut self, node: u32) -> &mut S {
        &mut self.parts[self.layout.shard(node)].shard
    }

    /// Lends the shard of `node` out of turn; what it posts is filed at once.
    pub fn with<R>(
        &mut self,
        node: u32,
        call: impl FnOnce(&mut S, &S::Shared, &mut Post<'_, S::Body>) -> R,
    ) -> R {
        let here = self.layout.shard(node);
        let Part { shard, queue, mail } = &mut self.parts[here];
        let result = call(
            shard,
            &self.shared,
            &mut Post::new(queue, mail, self.layout),
        );
        self.exchange();
        result
    }

    /// Adds an event for `target`.
    pub fn push(&mut self, key: Key, target: u32, body: S::Body) {
        let here = self.layout.shard(target);
        self.parts[here].queue.push(key, target, body);
    }

    /// How many events wait.
    pub fn pending(&self) -> usize {
        self.parts.iter().map(|part| part.queue.len()).sum()
    }

    /// What the queues hold on the heap, the bodies' own heap not counted.
    pub fn heap_bytes(&self) -> usize {
        let mail = self.parts.iter().flat_map(|part| &part.mail);
        let queues = self.parts.iter().map(|part| part.queue.heap_bytes());
        queues.sum::<usize>() + mail.map(vec_bytes).sum::<usize>()
    }

    /// Lets everything due by `until` happen, with up to `threads` threads. Events between nodes
    /// must lie at least `lookahead` ahead; with a lookahead of zero there is no parallel run.
    pub fn run(&mut self, until: Time, lookahead: Duration, threads: usize) {
        for part in &mut self.parts {
            part.set_order(lookahead);
        }
        if self.parts.len() == 1 {
            self.parts[0].run(until, &self.shared, self.layout);
        } else if threads > 1 && lookahead > Duration::ZERO {
            parallel::run(
                &mut self.parts,
                &self.shared,
                self.layout,
                until,
                lookahead,
                threads,
            );
        } else {
            self.run_in_turn(until, lookahead);
        }
        self.now = self.now.max(until);
    }

    /// One thread, many shards: the same windows one after the other.
    fn run_in_turn(&mut self, until: Time, lookahead: Duration) {
        while let Some(start) = self.next_time()
            && start <= until
        {
            let last = self.window_last(start, lookahead).min(until);
            for part in &mut self.parts {
                part.run(last, &self.shared, self.layout);
            }
            self.exchange();
        }
    }

    /// The last instant of the window that begins at `start`, at the end of a bucket where that is near.
    fn window_last(&self, start: Time, lookahead: Duration) -> Time {
        let last = window_last(start, lookahead);
        match S::ORDER {
            Order::Time => last,
            Order::Nodes => self.parts[0].queue.bucket_last(start, last),
        }
    }

    /// When the next event may be due.
    fn next_time(&self) -> Option<Time> {
        let times = self.parts.iter().filter_map(|part| part.queue.next_time());
        times.min()
    }

    /// Hands over what shards have for each other.
    fn exchange(&mut self) {
        for from in 0..self.parts.len() {
            for to in 0..self.parts.len() {
                let mut letters = std::mem::take(&mut self.parts[from].mail[to]);
                file(&mut self.parts[to].queue, &mut letters);
                self.parts[from].mail[to] = letters;
            }
        }
    }
}

impl<S: Shard> Part<S> {
    /// Nodes are independent of each other for a lookahead: within one, their order is free.
    fn set_order(&mut self, lookahead: Duration) {
        let is_free = self.queue.bucket() <= lookahead;
        let order = if is_free { S::ORDER } else { Order::Time };
        self.queue.set_order(order);
    }

    /// Lets everything due by `last` happen in this shard; how many events that was.
    fn run(&mut self, last: Time, shared: &S::Shared, layout: Layout) -> u64 {
        let mut events = 0;
        while let Some(due) = self.queue.pop(last) {
            events += 1;
            if S::FORESIGHT > 0 && self.queue.is_batch_begun() {
                self.foresee(layout);
            }
            let mut post = Post::new(&mut self.queue, &mut self.mail, layout);
            self.shard.handle(due, shared, &mut post);
        }
        events
    }

    /// Has the memory of the next few events fetched.
    #[inline]
    fn foresee(&self, layout: Layout) {
        for step in 0..S::FORESIGHT {
            for (node, body) in self.queue.coming() {
                self.shard.foresee(layout.place(node), body, step);
            }
        }
    }
}

/// Files letters in the queue of the shard that they are for.
fn file<T>(queue: &mut Queue<T>, letters: &mut Vec<Letter<T>>) {
    for (key, target, body) in letters.drain(..) {
        queue.push(key, target, body);
    }
}

/// The last instant of the window that begins at `start`: nothing that happens in it reaches
/// another shard before it has passed.
fn window_last(start: Time, lookahead: Duration) -> Time {
    let micros = start.after(lookahead).as_micros();
    Time::from_micros(micros.saturating_sub(1).max(start.as_micros()))
}

#[cfg(test)]
mod tests;
