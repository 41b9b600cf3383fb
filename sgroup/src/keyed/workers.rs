//! The workers of one host: each at one request at a time, in order, and at rest without a task.
//!
//! A worker is a value `W` of the driver's. While it has nothing to do it lies here; for a request
//! it is lent to the driver, which gives it back when the request is done. One that is idle for
//! long is put to rest: what its stop leaves as bytes lies here in its place, and starts it again.
//!
//! *Never*: two requests of one key at once; more than its limits. It knows nothing of other hosts.
//! Cost: O(log n) per request; a look at all n workers eight times per idle time-out. An idle worker
//! takes its value, its key and some 120 bytes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

use archipelago_core::Time;
use bytes::Bytes;

use super::{Fence, HostConfig, HostOutput, Refusal, Start, StopReason};
use crate::shards::Shard;

/// What a worker leaves when it is handed over: its key, how often it was, and its state.
pub(super) type Left = (Bytes, u32, Bytes);

/// All workers of one service on one host.
#[derive(Debug)]
pub(super) struct Workers<W, M> {
    all: BTreeMap<(Shard, Bytes), Slot<W, M>>,
    /// Shards whose workers are to stop.
    draining: BTreeSet<Shard>,
    last_run: u64,
    sweep_at: Time,
    /// States that came for a worker which runs here already, and were thrown away.
    conflicts: u64,
    /// Of shards that are leased, with leases only.
    fences: BTreeMap<Shard, Fence>,
    /// The newest lease of which anything of a shard was here, with leases only.
    newest: BTreeMap<Shard, Fence>,
}

#[derive(Debug)]
struct Slot<W, M> {
    version: u32,
    life: Life<W, M>,
}

#[derive(Debug)]
enum Life<W, M> {
    /// Nothing to do since then.
    Idle(W, Time),
    /// Put to rest.
    Kept(Bytes),
    /// With the driver, at a request or stopping.
    Busy(Box<Busy<M>>),
}

#[derive(Debug)]
struct Busy<M> {
    run: u64,
    queue: VecDeque<M>,
}

type Outputs<W, M> = Vec<HostOutput<W, M>>;

impl<W, M> Workers<W, M> {
    pub(super) fn new() -> Self {
        Self {
            all: BTreeMap::new(),
            draining: BTreeSet::new(),
            last_run: 0,
            sweep_at: Time::NEVER,
            conflicts: 0,
            fences: BTreeMap::new(),
            newest: BTreeMap::new(),
        }
    }

    /// The lease under which the workers of a shard run.
    pub(super) fn fence(&self, shard: Shard) -> Option<Fence> {
        self.fences.get(&shard).copied()
    }

    /// They run under another one, or none.
    pub(super) fn set_fence(&mut self, shard: Shard, fence: Option<Fence>) {
        match fence {
            Some(fence) => {
                self.fences.insert(shard, fence);
                self.newest.insert(shard, fence);
            }
            None => drop(self.fences.remove(&shard)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) const fn conflicts(&self) -> u64 {
        self.conflicts
    }

    /// Whether there is any worker of the shard, at work or at rest.
    pub(super) fn has_any(&self, shard: Shard) -> bool {
        self.all.range(keys_of(shard)).next().is_some()
    }

    /// A request for a worker of a shard that this host runs.
    pub(super) fn request(
        &mut self,
        config: &HostConfig,
        (shard, key): (Shard, Bytes),
        message: M,
        now: Time,
        out: &mut Outputs<W, M>,
    ) {
        let is_full = self.all.len() >= config.workers_max;
        let at = (shard, key);
        let Some(slot) = self.all.get_mut(&at) else {
            if is_full {
                let refusal = Refusal::Full;
                return out.push(HostOutput::Refuse { message, refusal });
            }
            let run = self.next_run();
            self.all.insert(at.clone(), Slot::busy(0, run));
            return out.push(self.run_of(at, run, Start::Fresh, message));
        };
        if let Life::Busy(busy) = &mut slot.life {
            if busy.queue.len() < config.mailbox_len_max {
                return busy.queue.push_back(message);
            }
            let refusal = Refusal::Full;
            return out.push(HostOutput::Refuse { message, refusal });
        }
        self.last_run += 1;
        let run = self.last_run;
        let start = slot.lend(run);
        out.push(self.run_of(at, run, start, message));
        self.arm(config, now);
    }

    /// A request is done, and its worker back; `None`: the worker failed, and its state is lost.
    pub(super) fn done(
        &mut self,
        config: &HostConfig,
        at: (Shard, Bytes),
        run: u64,
        worker: Option<W>,
        now: Time,
        out: &mut Outputs<W, M>,
    ) {
        if !self.is_run(&at, run) {
            return;
        }
        if self.draining.contains(&at.0) {
            return match worker {
                Some(worker) => out.push(stop(at.1, run, worker, StopReason::Moved)),
                None => drop(self.all.remove(&at)),
            };
        }
        let next = self.pop(&at);
        match (next, worker) {
            (Some(message), worker) => {
                let start = worker.map_or(Start::Fresh, Start::Active);
                out.push(self.run_of(at, run, start, message));
            }
            (None, Some(worker)) => {
                if let Some(slot) = self.all.get_mut(&at) {
                    slot.life = Life::Idle(worker, now);
                }
                self.arm(config, now);
            }
            (None, None) => drop(self.all.remove(&at)),
        }
    }

    /// A worker has stopped, and left this.
    pub(super) fn stopped(
        &mut self,
        at: (Shard, Bytes),
        run: u64,
        state: Option<Bytes>,
        out: &mut Outputs<W, M>,
    ) {
        if !self.is_run(&at, run) {
            return;
        }
        if let Some(message) = self.pop(&at) {
            let start = state.map_or(Start::Fresh, Start::Kept);
            return out.push(self.run_of(at, run, start, message));
        }
        match (state, self.all.get_mut(&at)) {
            (Some(state), Some(slot)) => slot.life = Life::Kept(state),
            _ => drop(self.all.remove(&at)),
        }
    }

    /// Puts to rest who has been idle for long.
    pub(super) fn timeout(&mut self, config: &HostConfig, now: Time, out: &mut Outputs<W, M>) {
        if self.sweep_at > now {
            return;
        }
        self.sweep_at = Time::NEVER;
        let mut is_any_idle = false;
        for (at, slot) in &mut self.all {
            let Life::Idle(_, since) = &slot.life else {
                continue;
            };
            if since.after(config.idle_timeout) > now {
                is_any_idle = true;
                continue;
            }
            self.last_run += 1;
            if let Start::Active(worker) = slot.lend(self.last_run) {
                let key = at.1.clone();
                out.push(stop(key, self.last_run, worker, StopReason::Idle));
            }
        }
        if is_any_idle {
            self.arm(config, now);
        }
    }

    pub(super) const fn next(&self) -> Time {
        self.sweep_at
    }

    /// Stops all workers of a shard; what waits for them is refused.
    pub(super) fn drain(&mut self, shard: Shard, out: &mut Outputs<W, M>) {
        self.draining.insert(shard);
        for (at, slot) in self.all.range_mut(keys_of(shard)) {
            match &mut slot.life {
                Life::Busy(busy) => out.extend(busy.queue.drain(..).map(|message| {
                    let refusal = Refusal::Moved;
                    HostOutput::Refuse { message, refusal }
                })),
                Life::Idle(..) => {
                    self.last_run += 1;
                    if let Start::Active(worker) = slot.lend(self.last_run) {
                        let key = at.1.clone();
                        out.push(stop(key, self.last_run, worker, StopReason::Moved));
                    }
                }
                Life::Kept(_) => {}
            }
        }
    }

    /// Drops the workers of a shard with all that they have; what waits for them is refused.
    pub(super) fn lose(&mut self, shard: Shard, out: &mut Outputs<W, M>) {
        let keys = self.all.range(keys_of(shard)).map(|(at, _)| at.clone());
        for at in keys.collect::<Vec<_>>() {
            let life = self.all.remove(&at).map(|slot| slot.life);
            match life {
                Some(Life::Idle(worker, _)) => {
                    out.push(stop(at.1, 0, worker, StopReason::Lost));
                }
                Some(Life::Busy(busy)) => {
                    let (key, run) = (at.1, busy.run);
                    out.push(HostOutput::Abort { key, run });
                    out.extend(busy.queue.into_iter().map(|message| {
                        let refusal = Refusal::Unleased;
                        HostOutput::Refuse { message, refusal }
                    }));
                }
                Some(Life::Kept(_)) | None => {}
            }
        }
    }

    /// What the workers of a drained shard left, once all have stopped, and of which lease that is;
    /// they are gone from here.
    pub(super) fn take_drained(&mut self, shard: Shard) -> Option<(Option<Fence>, Vec<Left>)> {
        let mut all = self.all.range(keys_of(shard));
        let is_busy = all.any(|(_, slot)| matches!(slot.life, Life::Busy(_)));
        if is_busy || !self.draining.remove(&shard) {
            return None;
        }
        let keys = self.all.range(keys_of(shard)).map(|(at, _)| at.clone());
        let keys: Vec<_> = keys.collect();
        let taken = keys.into_iter().filter_map(|at| {
            let slot = self.all.remove(&at)?;
            let version = slot.version.saturating_add(1);
            match slot.life {
                Life::Kept(state) => Some((at.1, version, state)),
                _ => None,
            }
        });
        let taken = taken.collect();
        Some((self.newest.get(&shard).copied(), taken))
    }

    /// A worker's state comes from elsewhere. One that is here already and was not handed over less
    /// often stays as it is. With leases, what was run under a later one takes the place of all
    /// that is here, and nothing comes to a shard that is leased.
    pub(super) fn adopt(
        &mut self,
        fence: Option<Fence>,
        (key, version, state): Left,
        out: &mut Outputs<W, M>,
    ) {
        let at = (Shard::of(&key), key);
        let newest = self.newest.get(&at.0).copied();
        if newest > fence || self.fences.contains_key(&at.0) {
            return;
        }
        if let Some(fence) = fence.filter(|fence| Some(*fence) > newest) {
            self.lose(at.0, out);
            self.newest.insert(at.0, fence);
        }
        let life = Life::Kept(state);
        match self.all.get_mut(&at) {
            None => drop(self.all.insert(at, Slot { version, life })),
            Some(slot) if slot.version >= version => {}
            Some(slot) if matches!(slot.life, Life::Kept(_)) => *slot = Slot { version, life },
            Some(_) => self.conflicts += 1,
        }
    }

    fn run_of(
        &self,
        (shard, key): (Shard, Bytes),
        run: u64,
        worker: Start<W>,
        message: M,
    ) -> HostOutput<W, M> {
        HostOutput::Run {
            key,
            run,
            worker,
            message,
            fence: self.fence(shard),
        }
    }

    fn is_run(&self, at: &(Shard, Bytes), run: u64) -> bool {
        let slot = self.all.get(at);
        slot.is_some_and(|slot| matches!(&slot.life, Life::Busy(busy) if busy.run == run))
    }

    fn pop(&mut self, at: &(Shard, Bytes)) -> Option<M> {
        match &mut self.all.get_mut(at)?.life {
            Life::Busy(busy) => busy.queue.pop_front(),
            _ => None,
        }
    }

    const fn next_run(&mut self) -> u64 {
        self.last_run += 1;
        self.last_run
    }

    fn arm(&mut self, config: &HostConfig, now: Time) {
        if self.sweep_at == Time::NEVER {
            let period = config.idle_timeout / 8;
            self.sweep_at = now.after(period.max(std::time::Duration::from_millis(1)));
        }
    }
}

impl<W, M> Slot<W, M> {
    fn busy(version: u32, run: u64) -> Self {
        let queue = VecDeque::new();
        let life = Life::Busy(Box::new(Busy { run, queue }));
        Self { version, life }
    }

    /// Lends the worker to the driver.
    fn lend(&mut self, run: u64) -> Start<W> {
        let busy = Self::busy(self.version, run);
        match std::mem::replace(self, busy).life {
            Life::Idle(worker, _) => Start::Active(worker),
            Life::Kept(state) => Start::Kept(state),
            Life::Busy(_) => Start::Fresh,
        }
    }
}

/// All places of a shard's workers.
fn keys_of(shard: Shard) -> Range<(Shard, Bytes)> {
    (shard, Bytes::new())..(shard.bound(), Bytes::new())
}

const fn stop<W, M>(key: Bytes, run: u64, worker: W, reason: StopReason) -> HostOutput<W, M> {
    HostOutput::Stop {
        key,
        run,
        worker,
        reason,
    }
}
