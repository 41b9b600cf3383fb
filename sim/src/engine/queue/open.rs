//! The bucket whose time has come: its events in order, and a heap for those that come late to it.
//!
//! The order is that of time, or node by node and for each of them that of time: then the memory of a
//! node is fetched once for all that happens to it in the bucket.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use archipelago_core::Time;
use archipelago_core::footprint::vec_bytes;

use super::{Due, Entry, Key, Order};

/// Buckets with fewer events are sorted as they are.
const DEAL_LEN_MIN: usize = 96;

/// More events of one microsecond are sorted apart.
const CROWD_LEN_MIN: u32 = 12;

/// Events whose memory is fetched at once: about as many loads as a processor has under way.
const BATCH_LEN: usize = 16;

/// Bits of a rank that say where its event is, in the order of time and node by node; the latter has ten
/// for microseconds, as many as the longest bucket.
const PLACE_BITS: (u32, u32) = (32, 22);

/// The events of one bucket, which leave in order.
#[derive(Debug)]
pub(super) struct Open<T> {
    /// When the bucket begins.
    start: Time,
    order: Order,
    /// In the order in which they were pushed; emptied when the bucket is used up.
    entries: Vec<Entry<T>>,
    /// Ranks of the events that were there when the bucket was opened, in order.
    ranks: Vec<u128>,
    /// How many of them have left.
    taken: usize,
    /// Events that came since.
    late: BinaryHeap<Reverse<(Turn, u32)>>,
    /// How many events there are of each microsecond; lent to the sort.
    counts: Vec<u32>,
    spare: Vec<u128>,
}

/// Where an event stands in a bucket: whose turn it is, and its key. In the order of time all nodes
/// have the same turn.
type Turn = (u32, Key);

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self {
            start: Time::START,
            order: Order::Time,
            entries: Vec::new(),
            ranks: Vec::new(),
            taken: 0,
            late: BinaryHeap::new(),
            counts: Vec::new(),
            spare: Vec::new(),
        }
    }
}

impl<T> Open<T> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.ranks.len() && self.late.is_empty()
    }

    /// An empty bucket that begins at `start`.
    pub(super) fn begin(&mut self, start: Time, order: Order) {
        self.start = start;
        self.order = order;
        self.entries.clear();
        self.ranks.clear();
        self.taken = 0;
    }

    /// Where the bucket's events are put before they are sorted.
    pub(super) const fn entries_mut(&mut self) -> &mut Vec<Entry<T>> {
        &mut self.entries
    }

    /// Adds an event to the bucket that is open.
    pub(super) fn insert(&mut self, entry: Entry<T>) {
        if self.is_empty() {
            self.begin(self.start, Order::Time);
        }
        let at = u32::try_from(self.entries.len()).expect("a bucket holds fewer than 2^32 events");
        self.late.push(Reverse((self.turn(&entry), at)));
        self.entries.push(entry);
    }

    /// The next event.
    pub(super) fn peek(&self) -> Option<(Key, u32, &T)> {
        let at = self.next()?;
        let entry = &self.entries[at];
        Some((entry.key, entry.target, entry.body.as_ref()?))
    }

    /// Takes the next event if it is due by `until`.
    #[inline]
    pub(super) fn pop(&mut self, until: Time) -> Option<Due<T>> {
        let (at, is_late) = match self.ranks.get(self.taken) {
            Some(&rank) if self.late.is_empty() => (self.place(rank), false),
            _ => {
                let at = self.next()?;
                (
                    at,
                    self.late.peek().is_some_and(|late| late.0.1 as usize == at),
                )
            }
        };
        let entry = &mut self.entries[at];
        if entry.key.time > until {
            return None;
        }
        let due = Due {
            key: entry.key,
            target: entry.target,
            body: entry.body.take()?,
        };
        if is_late {
            self.late.pop();
        } else {
            self.taken += 1;
        }
        Some(due)
    }

    /// Whether the event taken last was the first of a batch.
    #[inline]
    pub(super) const fn is_batch_begun(&self) -> bool {
        self.taken % BATCH_LEN == 1
    }

    /// Whom the batch's other events happen to, and what.
    #[inline]
    pub(super) fn coming(&self) -> impl Iterator<Item = (u32, &T)> {
        let rest = self.ranks.get(self.taken..).unwrap_or_default().iter();
        let entries = rest
            .take(BATCH_LEN)
            .map(|&rank| &self.entries[self.place(rank)]);
        entries.filter_map(|entry| Some((entry.target, entry.body.as_ref()?)))
    }

    /// What the bucket holds on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let orders = vec_bytes(&self.ranks) + vec_bytes(&self.spare) + vec_bytes(&self.counts);
        let late = self.late.capacity() * size_of::<Reverse<(Turn, u32)>>();
        vec_bytes(&self.entries) + orders + late
    }

    /// The place of the next event, sorted or late.
    fn next(&self) -> Option<usize> {
        let sorted = self.ranks.get(self.taken).map(|&rank| self.place(rank));
        let late = self
            .late
            .peek()
            .map(|Reverse((turn, at))| (*turn, *at as usize));
        match (sorted, late) {
            (Some(at), Some((turn, _))) if self.turn(&self.entries[at]) < turn => Some(at),
            (_, Some((_, at))) => Some(at),
            (sorted, None) => sorted,
        }
    }

    fn turn(&self, entry: &Entry<T>) -> Turn {
        match self.order {
            Order::Time => (0, entry.key),
            Order::Nodes => (entry.target, entry.key),
        }
    }

    /// Where the event of a rank is.
    #[inline]
    const fn place(&self, rank: u128) -> usize {
        let bits = match self.order {
            Order::Time => PLACE_BITS.0,
            Order::Nodes => PLACE_BITS.1,
        };
        (rank & ((1 << bits) - 1)) as usize
    }

    /// Puts the entries in order: all lie within `1 << bits` microseconds of the beginning.
    pub(super) fn sort(&mut self, bits: u32) {
        if self.entries.len() >> PLACE_BITS.1 != 0 {
            self.order = Order::Time;
        }
        let start = self.start.as_micros();
        let entries = (0u32..).zip(&self.entries);
        if self.order == Order::Nodes {
            let ranks = entries.map(|(at, entry)| rank_by_node(entry, start, at));
            self.ranks.extend(ranks);
            return self.ranks.sort_unstable();
        }
        let ranks = entries.map(|(at, entry)| rank(entry, start, at));
        if self.entries.len() < DEAL_LEN_MIN {
            self.ranks.extend(ranks);
            self.ranks.sort_unstable();
        } else {
            self.spare.clear();
            self.spare.extend(ranks);
            self.deal(bits);
        }
    }

    /// Deals the ranks out by microsecond, and sorts those of one.
    fn deal(&mut self, bits: u32) {
        self.counts.clear();
        self.counts.resize((1 << bits) + 1, 0);
        for &rank in &self.spare {
            self.counts[offset(rank) + 1] += 1;
        }
        let (mut before, mut most) = (0, 0);
        for count in &mut self.counts {
            most = most.max(*count);
            before += *count;
            *count = before;
        }
        self.ranks.resize(self.spare.len(), 0);
        for &rank in &self.spare {
            let next = &mut self.counts[offset(rank)];
            self.ranks[*next as usize] = rank;
            *next += 1;
        }
        if most <= CROWD_LEN_MIN {
            self.settle_neighbours();
        } else {
            self.settle_crowds(bits);
        }
    }

    /// Sorts what is in order but for the few of one microsecond.
    fn settle_neighbours(&mut self) {
        for at in 1..self.ranks.len() {
            let mut at = at;
            while at > 0 && self.ranks[at - 1] > self.ranks[at] {
                self.ranks.swap(at - 1, at);
                at -= 1;
            }
        }
    }

    /// Sorts what each microsecond has.
    fn settle_crowds(&mut self, bits: u32) {
        let mut first = 0;
        for &end in &self.counts[..1 << bits] {
            self.ranks[first..end as usize].sort_unstable();
            first = end as usize;
        }
    }
}

/// An event's order within its bucket, and its place there: 16 bits of microseconds, the source,
/// the counter, the place.
#[inline]
fn rank<T>(entry: &Entry<T>, start: u64, at: u32) -> u128 {
    let offset = u128::from(entry.key.time.as_micros().saturating_sub(start));
    let source = u128::from(entry.key.source);
    let counter = u128::from(entry.key.counter);
    (offset << 96) | (source << 64) | (counter << 32) | u128::from(at)
}

/// The same node by node: the node, ten bits of microseconds, the source, the counter, the place.
#[inline]
fn rank_by_node<T>(entry: &Entry<T>, start: u64, at: u32) -> u128 {
    let offset = u128::from(entry.key.time.as_micros().saturating_sub(start));
    let target = u128::from(entry.target);
    let source = u128::from(entry.key.source);
    let counter = u128::from(entry.key.counter);
    (target << 96) | (offset << 86) | (source << 54) | (counter << 22) | u128::from(at)
}

#[inline]
const fn offset(rank: u128) -> usize {
    (rank >> 96) as usize
}
