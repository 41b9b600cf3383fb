//! Keyed workers: one worker for each key of a service, on the member that its shard belongs to.
//!
//! ```text
//!  requests ─▶ Host ─▶ Route: here  ─▶ Workers ─▶ Run, one at a time per key ─▶ handle_done
//!                       on its way  ─▶ held until the shard comes
//!                       elsewhere   ─▶ Refuse(Moved): the entry asks there
//!  members, words ─▶ Ownership: claim ─▶ drain ─▶ states ─▶ release ─▶ took
//! ```
//! A [`Host`] is one member that runs workers of one service. The 4,096 shards of all keys spread
//! over the hosts by rendezvous ([`ShardMap`](crate::shards::ShardMap)). A worker starts with the
//! first request for its key, does one request after the other, is put to rest when idle, and moves
//! with its shard: its host stops it between two requests, hands its state over and runs it no more;
//! what waited for it is refused as moved, undone, and asked again by its entry. An [`Entry`] is
//! whoever asks: it sends the requests of one key one after the other, so that they are done in that
//! order wherever the key moves meanwhile.
//!
//! *Promises*: of hosts that know of each other at most one runs a key, and a request that was
//! refused was not begun. Where a host dies its workers' states die with it; they start afresh at
//! the shard's next owner. While a group is split each side has hosts of its own; when it heals, of
//! two states that which was handed over more often stays, or else the one of a worker at work.
//!
//! *Never two, also in a split* ([`HostConfig::lease`], off by default): a shard is then run only
//! while it is leased to its host, by whoever holds the service's strict name ([`office`]), and each
//! lease has a [`Fence`]. The side without a majority of the group's council refuses what it is
//! asked ([`Refusal::Unleased`]). A worker whose lease is over is dropped with what it had: what must
//! survive that is written elsewhere, under the fence. Scheme and cost: one strict name for each
//! service, and three words per host each sixth of a life for all its shards together (`lessor`).
//!
//! *Never*: more than its limits; a request lost without an answer. Cost: see the parts; 48 KiB for
//! the tables of a host. Nothing for nodes that host nothing.
//! Sources: shards as in Akka's cluster sharding and in Redis Cluster (`MOVED`); workers that exist
//! by being asked as in Orleans; leases as in Gray and Cheriton 1989.

mod config;
mod deed;
mod entry;
mod fence;
mod leases;
mod lessor;
mod letting;
mod ownership;
mod workers;

use std::collections::{BTreeMap, VecDeque};

use archipelago_core::wire::{KEY_BYTES_MAX, KeyedWord};
use archipelago_core::{LocalId, NodeId, Time};
use bytes::Bytes;

pub use config::HostConfig;
use deed::{Deed, Route};
pub use entry::{Entry, Ticket, pause};
pub use fence::Fence;
use letting::Letting;
use ownership::Ownership;
use workers::Workers;

use crate::shards::Shard;

/// A member that offers a service of keyed workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostInfo {
    /// Which.
    pub node: NodeId,
    /// Its mailbox for the service, which is another one each time that it begins anew.
    pub run: LocalId,
    /// It takes no shards any more.
    pub is_leaving: bool,
}

/// How a worker begins a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start<W> {
    /// There is none of its key yet, or it was lost.
    Fresh,
    /// It was at rest, or elsewhere, and left this.
    Kept(Bytes),
    /// It is here.
    Active(W),
}

/// Why a worker stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// It had nothing to do for long.
    Idle,
    /// Its shard goes to another host, with what it leaves.
    Moved,
    /// It is not this host's any more: what it leaves is thrown away.
    Lost,
}

/// Why a request is not done here; nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It belongs to another host: [`Host::owner_of`] has an idea whose.
    Moved,
    /// As much waits as may.
    Full,
    /// Its key is empty or too long.
    Key,
    /// The shard is not leased to this host, which would run it; it may be in a moment.
    Unleased,
}

/// The strict name whose holder lets out the shards of a service; at most as long as a name may be.
pub fn office(service: &[u8]) -> Bytes {
    let mut name = b"archipelago/keyed/".to_vec();
    if service.len() <= SERVICE_SHOWN_LEN {
        name.extend_from_slice(service);
    } else {
        name.extend_from_slice(service.get(..SERVICE_SHOWN_LEN).unwrap_or_default());
        // Two services that begin alike have two offices all the same.
        name.extend_from_slice(&crate::shards::fnv(service).to_be_bytes());
    }
    name.into()
}

/// Bytes of a service's name that are in that of its office as they are.
const SERVICE_SHOWN_LEN: usize = 200;

/// What a host is to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostOutput<W, M> {
    /// Send a word to another host.
    Send {
        /// To whom.
        to: NodeId,
        /// The word.
        word: KeyedWord,
        /// What it brings.
        body: Bytes,
    },
    /// Have a worker do a request; answered by [`Host::handle_done`].
    Run {
        /// Whose.
        key: Bytes,
        /// Which time that a worker of this host is lent.
        run: u64,
        /// The worker.
        worker: Start<W>,
        /// The request.
        message: M,
        /// Under which lease; `None` at a host without leases.
        fence: Option<Fence>,
    },
    /// Stop a worker; answered by [`Host::handle_stopped`].
    Stop {
        /// Whose.
        key: Bytes,
        /// As in `Run`; 0: no answer is wanted.
        run: u64,
        /// The worker.
        worker: W,
        /// Why.
        reason: StopReason,
    },
    /// Drop what was lent in this run: its worker is not this host's any more.
    Abort {
        /// Whose.
        key: Bytes,
        /// Which.
        run: u64,
    },
    /// Tell whoever asked that it is not done.
    Refuse {
        /// What.
        message: M,
        /// Why.
        refusal: Refusal,
    },
}

/// The workers of one service on one member.
#[derive(Debug)]
pub struct Host<W, M> {
    config: HostConfig,
    me: NodeId,
    ownership: Ownership,
    workers: Workers<W, M>,
    /// Requests for shards that are on their way here, with their keys and bytes.
    held: BTreeMap<Shard, VecDeque<(Bytes, M, usize)>>,
    held_len: usize,
    held_bytes: usize,
    /// With leases only.
    letting: Option<Box<Letting>>,
    /// What this host says to itself.
    own_words: VecDeque<KeyedWord>,
}

type Outputs<W, M> = Vec<HostOutput<W, M>>;

impl<W, M> Host<W, M> {
    /// A host of `service` that offers it from now on.
    pub fn new(me: NodeId, service: Bytes, config: HostConfig, now: Time) -> Self {
        let letting = config.lease.map(|life| Box::new(Letting::new(life)));
        Self {
            ownership: Ownership::new(me, service, &config, now),
            letting,
            own_words: VecDeque::new(),
            config,
            me,
            workers: Workers::new(),
            held: BTreeMap::new(),
            held_len: 0,
            held_bytes: 0,
        }
    }

    /// Who hosts the service now; this node may be among them.
    pub fn handle_hosts(&mut self, hosts: &[HostInfo], now: Time, out: &mut Outputs<W, M>) {
        self.lapse(now, out);
        let mut deeds = Vec::new();
        self.ownership.hosts(hosts, now, &mut deeds);
        self.perform(deeds, now, out);
    }

    /// A word of another host. Words of mailboxes that are no host's are to be left out by the
    /// driver ([`Host::is_host`]).
    pub fn handle_word(
        &mut self,
        from: NodeId,
        word: KeyedWord,
        body: Bytes,
        now: Time,
        out: &mut Outputs<W, M>,
    ) {
        self.lapse(now, out);
        let mut deeds = Vec::new();
        if !self.on_lease_word(from, &word, now, (&mut deeds, out)) {
            self.ownership.word(from, word, body, now, &mut deeds);
        }
        self.perform(deeds, now, out);
    }

    /// A request of `bytes` bytes for the worker of a key.
    pub fn handle_request(
        &mut self,
        key: Bytes,
        message: M,
        bytes: usize,
        now: Time,
        out: &mut Outputs<W, M>,
    ) {
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
            let refusal = Refusal::Key;
            return out.push(HostOutput::Refuse { message, refusal });
        }
        self.lapse(now, out);
        let shard = Shard::of(&key);
        match self.ownership.route(shard) {
            Route::Here if !self.is_leased(shard, now) => {
                let refusal = Refusal::Unleased;
                out.push(HostOutput::Refuse { message, refusal });
            }
            Route::Here => {
                let at = (shard, key);
                self.workers.request(&self.config, at, message, now, out);
            }
            Route::Hold => self.hold(shard, key, message, bytes, out),
            Route::Moved(_) => {
                let refusal = Refusal::Moved;
                out.push(HostOutput::Refuse { message, refusal });
            }
        }
    }

    /// A request is done, and its worker back; `None`: it failed, and its state is lost.
    pub fn handle_done(
        &mut self,
        key: Bytes,
        run: u64,
        worker: Option<W>,
        now: Time,
        out: &mut Outputs<W, M>,
    ) {
        self.lapse(now, out);
        let at = (Shard::of(&key), key);
        let shard = at.0;
        self.workers.done(&self.config, at, run, worker, now, out);
        self.hand_on(shard, now, out);
    }

    /// A worker has stopped. What it left starts it again; `None`: it needs nothing.
    pub fn handle_stopped(
        &mut self,
        key: Bytes,
        run: u64,
        state: Option<Bytes>,
        now: Time,
        out: &mut Outputs<W, M>,
    ) {
        self.lapse(now, out);
        let at = (Shard::of(&key), key);
        let shard = at.0;
        self.workers.stopped(at, run, state, out);
        self.hand_on(shard, now, out);
    }

    /// Hands everything over to the other hosts; [`Host::has_left`] says when that is done.
    pub fn leave(&mut self, now: Time, out: &mut Outputs<W, M>) {
        self.lapse(now, out);
        let mut deeds = Vec::new();
        self.ownership.leave(now, &mut deeds);
        self.perform(deeds, now, out);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time, out: &mut Outputs<W, M>) {
        self.lapse(now, out);
        self.workers.timeout(&self.config, now, out);
        let mut deeds = Vec::new();
        self.ownership.timeout(now, &mut deeds);
        self.let_out(now, &mut deeds);
        self.perform(deeds, now, out);
    }

    /// When to call [`Host::handle_timeout`], and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let letting = self.letting.as_ref();
        let all = [
            (self.ownership.next(), "words to other hosts"),
            (self.workers.next(), "idle workers"),
            (
                letting.map_or(Time::NEVER, |letting| letting.next()),
                "leases",
            ),
        ];
        let first = all.into_iter().min_by_key(|(at, _)| *at);
        first.filter(|(at, _)| *at < Time::NEVER)
    }

    /// Whether this is the mailbox of another host, or of the one that lets and was a host when it
    /// was heard.
    pub fn is_host(&self, node: NodeId, run: LocalId) -> bool {
        let letting = self.letting.as_ref();
        self.ownership.run_of(node) == Some(run)
            || letting.is_some_and(|letting| letting.leases.is_lessor((node, run)))
    }

    /// Whose a key is, as far as this host knows; itself also while the key is on its way here.
    pub fn owner_of(&self, key: &[u8]) -> Option<NodeId> {
        match self.ownership.route(Shard::of(key)) {
            Route::Here | Route::Hold => Some(self.me),
            Route::Moved(to) => to,
        }
    }

    /// Whether it runs this key's shard; with leases, whether it holds the one of it.
    pub fn is_serving(&self, key: &[u8], now: Time) -> bool {
        let shard = Shard::of(key);
        self.ownership.route(shard) == Route::Here && self.is_leased(shard, now)
    }

    /// The fence of a key's shard, where it is leased to this host.
    pub fn fence(&self, key: &[u8], now: Time) -> Option<Fence> {
        let shard = Shard::of(key);
        let fence = self.workers.fence(shard);
        fence.filter(|_| self.is_leased(shard, now))
    }

    /// Whether it runs all shards that are its own by what it knows of other hosts.
    pub fn is_settled(&self, now: Time) -> bool {
        self.ownership.is_settled(now) && self.is_let(now)
    }

    /// Shards that it runs.
    pub const fn shards_len(&self) -> usize {
        self.ownership.serving()
    }

    /// Workers, those at rest included.
    pub fn workers_len(&self) -> usize {
        self.workers.len()
    }

    /// States that came for workers which were at work here, and were thrown away; only after a
    /// split.
    pub const fn conflicts(&self) -> u64 {
        self.workers.conflicts()
    }

    /// Whether it has handed everything over, and nothing runs here.
    pub fn has_left(&self) -> bool {
        self.workers.len() == 0 && self.ownership.is_clear() && self.has_let()
    }

    fn hold(
        &mut self,
        shard: Shard,
        key: Bytes,
        message: M,
        bytes: usize,
        out: &mut Outputs<W, M>,
    ) {
        let is_full = self.held_len >= self.config.held_len_max
            || self.held_bytes.saturating_add(bytes) > self.config.held_bytes_max;
        if is_full {
            let refusal = Refusal::Full;
            return out.push(HostOutput::Refuse { message, refusal });
        }
        self.held_len += 1;
        self.held_bytes += bytes;
        let held = self.held.entry(shard).or_default();
        held.push_back((key, message, bytes));
    }

    /// Takes out what waits for a shard.
    fn release(&mut self, shard: Shard) -> VecDeque<(Bytes, M, usize)> {
        let held = self.held.remove(&shard).unwrap_or_default();
        self.held_len -= held.len();
        self.held_bytes -= held.iter().map(|(_, _, bytes)| bytes).sum::<usize>();
        held
    }

    fn perform(&mut self, deeds: Vec<Deed>, now: Time, out: &mut Outputs<W, M>) {
        for deed in deeds {
            self.perform_one(deed, now, out);
        }
        self.settle(now, out);
    }

    fn perform_one(&mut self, deed: Deed, now: Time, out: &mut Outputs<W, M>) {
        match deed {
            Deed::Send(to, word, _) if to == self.me => self.own_words.push_back(word),
            Deed::Send(to, word, body) => out.push(HostOutput::Send { to, word, body }),
            Deed::Adopt(fence, left) => self.workers.adopt(fence, left, out),
            Deed::Begin(shard) if !self.is_leased(shard, now) => {
                let held = self.release(shard).into_iter();
                out.extend(held.map(|(_, message, _)| {
                    let refusal = Refusal::Unleased;
                    HostOutput::Refuse { message, refusal }
                }));
            }
            Deed::Begin(shard) => {
                for (key, message, _) in self.release(shard) {
                    let at = (shard, key);
                    self.workers.request(&self.config, at, message, now, out);
                }
            }
            Deed::Drain(shard) => {
                self.workers.drain(shard, out);
                self.hand_on(shard, now, out);
            }
        }
    }

    /// A worker of the shard has stopped, or was done: hands on what its shard left, if it was the
    /// last.
    fn hand_on(&mut self, shard: Shard, now: Time, out: &mut Outputs<W, M>) {
        if let Some(left) = self.workers.take_drained(shard) {
            let mut deeds = Vec::new();
            self.ownership.drained(shard, left, now, &mut deeds);
            self.perform(deeds, now, out);
        }
    }

    /// Lets go of what others may have, until nothing follows from it.
    fn settle(&mut self, now: Time, out: &mut Outputs<W, M>) {
        loop {
            let (mut deeds, workers) = (Vec::new(), &self.workers);
            let has_any = |shard| workers.has_any(shard);
            self.ownership.grant(has_any, now, &mut deeds);
            self.relet(now, &mut deeds);
            if let Some(word) = self.own_words.pop_front() {
                self.on_lease_word(self.me, &word, now, (&mut deeds, out));
            }
            if deeds.is_empty() && self.own_words.is_empty() {
                break;
            }
            for deed in deeds {
                self.perform_one(deed, now, out);
            }
        }
        self.give_up(out);
        self.ownership.arm(now);
    }

    /// Refuses what waits for shards that will not come after all.
    fn give_up(&mut self, out: &mut Outputs<W, M>) {
        let held = self.held.keys().copied();
        let gone = held.filter(|shard| matches!(self.ownership.route(*shard), Route::Moved(_)));
        for shard in gone.collect::<Vec<_>>() {
            out.extend(self.release(shard).into_iter().map(|(_, message, _)| {
                let refusal = Refusal::Moved;
                HostOutput::Refuse { message, refusal }
            }));
        }
    }
}

#[cfg(test)]
mod lease_tests;
#[cfg(test)]
mod tests;
