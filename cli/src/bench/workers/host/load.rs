//! Requests at their times, whether or not earlier ones were answered.
//!
//! Small requests and large ones have a clock each: one that is due and may not go yet, because too
//! many are under way, holds up its own kind only. A request's time counts from when it was due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use archipelago::{Bytes, Keyed};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::order::LoadOrder;
use super::tally::{Class, Counting};
use crate::machine::clock;

const BODY_BYTES: usize = 300_000;
const SMALL_BYTES: usize = 200;
/// Until a request is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests under way at once while workers are started.
const STARTING_MAX: usize = 256;
/// Small requests of one process under way at once.
const SMALL_MAX: usize = 20_000;
/// The same with bodies: 150 MB of them.
const BODIES_MAX: usize = 500;
/// A request whose host died may be asked again so often.
const TRIES_MAX: usize = 5;

/// Coprime to every number of keys below it: keys are asked in a mixed order, each in turn.
const MIXING: u64 = 1_000_000_007;

/// One node that takes requests.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) node: usize,
    /// To the workers of each group.
    ways: Vec<Keyed>,
    /// The node is dead: nobody asks it any more.
    is_gone: Arc<AtomicBool>,
}

impl Entry {
    pub(super) fn new(node: usize, ways: Vec<Keyed>) -> Self {
        let is_gone = Arc::default();
        Self {
            node,
            ways,
            is_gone,
        }
    }

    pub(super) fn end(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }

    /// How often a host said that a key is another's.
    pub(super) fn redirected(&self) -> u64 {
        self.ways.iter().map(Keyed::redirected).sum()
    }
}

/// Asks what it was told to; returns when all is answered or given up.
pub(super) async fn run(order: LoadOrder, entries: Vec<Entry>, counting: Arc<Counting>) {
    let until = clock::between(clock::now_us(), order.begin_us);
    tokio::time::sleep(until).await;
    if order.is_rest || entries.is_empty() {
        tokio::time::sleep(Duration::from_secs_f64(order.seconds)).await;
        return;
    }
    let load = Arc::new(Load {
        entries,
        counting,
        order,
    });
    if load.order.rate == 0 {
        load.start_all().await;
        return;
    }
    let begun = Instant::now();
    let mut clocks = JoinSet::new();
    for (class, under_way_max) in [(Class::Small, SMALL_MAX), (Class::Body, BODIES_MAX)] {
        let (load, on) = (load.clone(), Handle::current());
        clocks.spawn_blocking(move || load.ask_class(class, under_way_max, begun, &on));
    }
    while clocks.join_next().await.is_some() {}
}

struct Load {
    entries: Vec<Entry>,
    counting: Arc<Counting>,
    order: LoadOrder,
}

impl Load {
    /// Every key of this process's part once.
    async fn start_all(self: Arc<Self>) {
        let room = Arc::new(Semaphore::new(STARTING_MAX));
        let request = Bytes::from(vec![1; 16]);
        for number in self.part_of(self.order.keys) {
            let permit = room.clone().acquire_owned().await.ok();
            let (load, request) = (self.clone(), request.clone());
            tokio::spawn(async move {
                let _permit = permit;
                let due = Instant::now();
                load.ask(Class::Small, number, number, &request, due).await;
            });
        }
        self.all_back(&room, STARTING_MAX).await;
    }

    /// The requests of one class, each at its time, by a thread that is there for nothing else: the
    /// runtime's own clock ticks in milliseconds.
    fn ask_class(self: Arc<Self>, class: Class, under_way_max: usize, begun: Instant, on: &Handle) {
        let total = (self.order.seconds * f64::from(self.order.rate)) as u64;
        let request = Bytes::from(vec![7; class.pick(SMALL_BYTES, BODY_BYTES)]);
        let room = Arc::new(Semaphore::new(under_way_max));
        let mine = self.part_of(total);
        for number in mine.filter(|&number| self.class_of(number) == class) {
            let due = begun + self.due_after(number);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.counting.asked();
            let permit = on.block_on(room.clone().acquire_owned()).ok();
            let (load, request) = (self.clone(), request.clone());
            let keys = self.order.keys;
            let key = (number % keys) * (MIXING % keys) % keys;
            on.spawn(async move {
                let _permit = permit;
                load.ask(class, number, key, &request, due).await;
            });
        }
        on.block_on(self.all_back(&room, under_way_max));
    }

    fn part_of(&self, total: u64) -> impl Iterator<Item = u64> + use<> {
        let of = usize::try_from(self.order.of).unwrap_or(1).max(1);
        (self.order.part..total).step_by(of)
    }

    fn due_after(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / f64::from(self.order.rate))
    }

    /// Bodies are spread evenly among all requests.
    fn class_of(&self, number: u64) -> Class {
        let (rate, bodies) = (u64::from(self.order.rate), u64::from(self.order.bodies));
        let before = |number: u64| number * bodies / rate;
        if before(number + 1) > before(number) {
            Class::Body
        } else {
            Class::Small
        }
    }

    /// Asks once, and again, at the next entry, where a host or the entry died meanwhile.
    async fn ask(&self, class: Class, number: u64, key: u64, request: &Bytes, due: Instant) {
        self.counting.behind(due.elapsed());
        // Every entry of this process in turn, and the group that has the key.
        let place = (number / self.order.of.max(1)) as usize;
        let from = self.entries.iter().cycle().skip(place % self.entries.len());
        let once_round = from.take(self.entries.len().max(TRIES_MAX));
        let living = once_round.filter(|entry| !entry.is_gone.load(Ordering::Relaxed));
        for entry in living.take(TRIES_MAX) {
            let way = &entry.ways[group_of(key, entry.ways.len())];
            match way.call(key.to_be_bytes(), request, PATIENCE).await {
                Ok(_) => return self.counting.answered(class, due.elapsed()),
                Err(error) => self.counting.failed(&error),
            }
        }
        self.counting.lost();
    }

    /// What is under way has its patience.
    async fn all_back(&self, room: &Semaphore, places: usize) {
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        let all = tokio::time::timeout(PATIENCE * 2, room.acquire_many(places)).await;
        drop(all);
    }
}

/// Which of so many groups has a key: by a mixed number, or it would go with who asks for it.
fn group_of(key: u64, groups: usize) -> usize {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    mixed as usize % groups.max(1)
}
