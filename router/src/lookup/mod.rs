//! Look-ups: where is a node of another group, and who opens its door?
//!
//! ```text
//!  locate ──► cache ──► flight ──► Lookup to the nearest reflector ··· hedged to the next
//!  Lookup of a peer ──► answered here (answer) if the group is ours, else its own flight
//!  LookupReply ──► flight ──► Found / Failed here, LookupReply to the peers that wait
//! ```
//! One table holds the look-ups of this node and those that it passes on; each goes hop by hop
//! toward the target's group, where a reflector answers with signed records and an introduction
//! made out to the requester. Single flight; the next choice is asked when one is silent for
//! 100 ms, at once when it is lost or knows no route; and when nobody is left it fails at once.
//!
//! Nobody gets an introduction in another's name: the first reflector takes a question only from
//! its requester. What comes back is believed only as far as it is signed.
//! Cost: one message per hop and direction; 0 with a fresh answer in the cache.

mod answer;
mod cache;
mod config;
mod flights;

pub use config::{LookupConfig, LookupCounters};

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{
    Lookup, LookupAnswer, LookupReply, Name, RouteBody, SignedHolding, SignedIntroduction,
};
use archipelago_core::{Boot, Context, GroupId, NodeId, Peer, SignedRecord, Time};

use archipelago_sgroup::names::NameInfo;
use bytes::Bytes;

use crate::{Hop, Routes};
use cache::{Cache, Hit};
use flights::{Flight, Flights, Key, Waiter};

/// Where a node is, as signed by itself and by a reflector of its group. All was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The target's own record.
    pub record: Arc<SignedRecord>,
    /// The group that it was found in.
    pub group: GroupId,
    /// Reflectors of that group, nearest to the one that answered first.
    pub reflectors: Vec<Arc<SignedRecord>>,
    /// What a dialler shows the target.
    pub introduction: Arc<SignedIntroduction>,
    /// Where a name was sought: who holds it, by the word of the reflector that answered.
    pub holding: Option<Arc<SignedHolding>>,
}

impl Located {
    /// By what it was sought: a node's key, or a name's.
    pub(crate) fn key(&self) -> NodeId {
        let named = self.holding.as_ref().map(|signed| signed.holding.key);
        named.unwrap_or(self.record.record.node)
    }
}

/// Why a look-up came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No look-up is needed: the group is one of this node's, which knows better.
    #[error("the node's group is one of this node's own: ask the group")]
    Near,
    /// No live reflector leads to the group, or none answered in time.
    #[error("no live reflector leads to the node's group")]
    NoRoute,
    /// The group does not know the node, or only an older version of it.
    #[error("the group does not know the node")]
    NotFound,
    /// The group knows the node as gone.
    #[error("the node is gone")]
    Gone,
    /// The group lets nobody in from outside.
    #[error("the group is closed to others")]
    Closed,
    /// Too many look-ups are under way, here or there.
    #[error("too many look-ups at once: try again later")]
    Overloaded,
}

/// What look-ups ask of their caller, or tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupOutput {
    /// Send on the session with the peer; if there is none any more, not at all.
    Send {
        /// To whom.
        to: Peer,
        /// A `Lookup` or a `LookupReply`.
        body: RouteBody,
    },
    /// The answer to every `handle_locate` of this target so far; once more with a newer record
    /// when an answer that was served stale has been renewed.
    Found(Arc<Located>),
    /// The group does not have what is sought; these came of it, and may. Every `handle_locate` of
    /// this target so far is to go on there.
    Moved {
        /// Who was sought: a node, or the key of a name.
        target: NodeId,
        /// In which group.
        group: GroupId,
        /// The name, where one was sought.
        name: Option<Bytes>,
        /// As in `handle_locate`.
        version_min: (Boot, u64),
        /// Where it may be.
        heirs: Vec<GroupId>,
    },
    /// The end of every `handle_locate` of this target so far.
    Failed {
        /// Who was sought.
        target: NodeId,
        /// Why it was not found.
        error: LookupError,
    },
}

/// The caller's buffer; the machine only appends to it.
pub type LookupOutputs = Vec<LookupOutput>;

/// The machine of one node.
#[derive(Debug)]
pub struct Lookups {
    config: Arc<LookupConfig>,
    /// This node's own record: a reflector hands it out as one of its group's.
    record: Arc<SignedRecord>,
    cache: Cache,
    flights: Flights,
    counters: LookupCounters,
}

impl Lookups {
    /// What they hold on the heap, about; configuration and records are shared.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.cache.heap_bytes() + self.flights.heap_bytes()
    }

    /// Nothing cached, nothing under way; `record` is this node's own.
    pub fn new(config: Arc<LookupConfig>, record: Arc<SignedRecord>) -> Self {
        Self {
            record,
            cache: Cache::new(&config),
            flights: Flights::default(),
            counters: LookupCounters::default(),
            config,
        }
    }

    /// This node's own record changed.
    pub fn handle_record(&mut self, record: Arc<SignedRecord>) {
        self.record = record;
    }

    /// Seeks `target` in its home group; ends in one `Found` or `Failed`, now or later.
    ///
    /// Answers whose record is older than `version_min` (boot, seq) will not do.
    pub fn handle_locate(
        &mut self,
        target: NodeId,
        home: GroupId,
        version_min: (Boot, u64),
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        let is_near =
            routes.standing(home).is_some() && routes.hosts(home, &target, cx.peers).is_empty();
        if target == cx.me || is_near {
            let error = LookupError::Near;
            return out.push(LookupOutput::Failed { target, error });
        }
        self.locate(target, None, home, version_min, routes, cx, out);
    }

    /// Seeks who holds `name` in a group, or offers the service of that name; `target` is its
    /// [`name_key`](archipelago_core::wire::name_key) or its
    /// [`service_key`](archipelago_core::wire::service_key). Ends in one `Found` or `Failed` of that,
    /// now or later. In a group of this node's own it ends as [`LookupError::Near`].
    pub fn handle_find(
        &mut self,
        name: Name,
        target: NodeId,
        group: GroupId,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        if routes.standing(group).is_some() {
            let error = LookupError::Near;
            return out.push(LookupOutput::Failed { target, error });
        }
        self.locate(target, Some(name), group, (Boot(0), 0), routes, cx, out);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one caller's values, in their words"
    )]
    fn locate(
        &mut self,
        target: NodeId,
        name: Option<Name>,
        home: GroupId,
        version_min: (Boot, u64),
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        let hit = self.cache.hit(target, version_min, &self.config, cx.now);
        let key = Key {
            target,
            requester: cx.me,
            version_min,
            heading: None,
        };
        match hit {
            Some(Hit::Fresh(located)) => {
                self.counters.cache_hits += 1;
                out.push(LookupOutput::Found(located));
            }
            Some(Hit::Stale(located)) => {
                self.counters.cache_hits += 1;
                out.push(LookupOutput::Found(located));
                let to = (home, name, self.config.hops_max);
                self.fly(key, to, Waiter::Refresh, routes, cx, out);
            }
            Some(Hit::Negative(error)) => {
                self.counters.cache_hits += 1;
                out.push(LookupOutput::Failed { target, error });
            }
            None => {
                let to = (home, name, self.config.hops_max);
                self.fly(key, to, Waiter::Local, routes, cx, out);
            }
        }
    }

    /// What was cached of `target` proved wrong (gone, moved, a later boot): ask again next time.
    pub fn handle_purge(&mut self, target: &NodeId) {
        self.cache.purge(target);
    }

    /// A peer asks.
    pub fn handle_lookup(
        &mut self,
        from: Peer,
        lookup: Lookup,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        self.handle_lookup_of(from, lookup, (None, &[]), routes, cx, out);
    }

    /// As [`Lookups::handle_lookup`], for a name that this node knows the holder of, or a group whose
    /// heirs it knows: what is not in the group may be in one of them.
    pub fn handle_lookup_of(
        &mut self,
        from: Peer,
        lookup: Lookup,
        known: (Option<&NameInfo>, &[GroupId]),
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        match self.answer(from, &lookup, known, routes, cx) {
            Some(answer) => {
                self.counters.answered += 1;
                out.push(reply(from, lookup.id, lookup.target, answer));
            }
            None => self.pass_on(from, &lookup, routes, cx, out),
        }
    }

    /// A peer answers.
    pub fn handle_reply(
        &mut self,
        from: Peer,
        reply: LookupReply,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        let Some(number) = self.flights.close(reply.id, from) else {
            self.counters.unasked += 1;
            return;
        };
        if self.is_final(number, &reply, cx) {
            self.finish(number, reply.answer, cx, out);
        } else {
            self.advance(number, routes, cx, out);
        }
    }

    /// The last session with the peer closed: what it was asked, the next one is asked at once.
    pub fn handle_session_closed(
        &mut self,
        peer: Peer,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        for number in self.flights.forget(peer) {
            self.counters.asked_again += 1;
            self.advance(number, routes, cx, out);
        }
    }

    /// What has come due by `now`; harmless when early, late or repeated.
    pub fn handle_timeout(
        &mut self,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        while let Some((due_at, number)) = self.flights.first_due() {
            if due_at > cx.now {
                break;
            }
            self.on_silence(number, routes, cx, out);
        }
    }

    /// When to call `handle_timeout`, and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        let first = self.flights.first_due();
        first.map(|(due_at, _)| (due_at, "silent look-up"))
    }

    /// What was counted.
    pub const fn counters(&self) -> LookupCounters {
        self.counters
    }

    /// How many look-ups are under way, and how many answers are cached.
    pub fn len(&self) -> (usize, usize) {
        (self.flights.len(), self.cache.len())
    }

    /// Asks on for a peer, within its limit.
    fn pass_on(
        &mut self,
        from: Peer,
        lookup: &Lookup,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        let (target, id) = (lookup.target, lookup.id);
        if self.flights.load(from) >= self.config.flights_per_peer_max {
            self.counters.overloaded += 1;
            return out.push(reply(from, id, target, LookupAnswer::Overloaded));
        }
        let key = Key {
            target,
            requester: lookup.requester,
            version_min: lookup.version_min,
            heading: Some(lookup.heading),
        };
        let waiter = Waiter::Remote { peer: from, id };
        let hops = lookup.hops.min(self.config.hops_max).saturating_sub(1);
        let to = (lookup.group, lookup.name.clone(), hops);
        self.fly(key, to, waiter, routes, cx, out);
    }

    /// Joins the flight of `key`, or begins it.
    fn fly(
        &mut self,
        key: Key,
        (group, name, hops): (GroupId, Option<Name>, u8),
        waiter: Waiter,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        if let Some(number) = self.flights.by_key(&key) {
            self.counters.shared += 1;
            return self.flights.wait(number, waiter);
        }
        if self.flights.len() >= self.config.flights_max {
            self.counters.overloaded += 1;
            return tell(waiter, key.target, &LookupAnswer::Overloaded, out);
        }
        let ends_at = cx.now.after(self.config.timeout);
        let number = self.flights.insert(Flight {
            key,
            name,
            group,
            hops,
            waiters: Vec::new(),
            asked: Vec::new(),
            failure: LookupAnswer::NoRoute,
            due_at: ends_at,
            ends_at,
        });
        self.flights.wait(number, waiter);
        self.advance(number, routes, cx, out);
    }

    /// Nobody answered in time: the next choice, or the end.
    fn on_silence(
        &mut self,
        number: u64,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        let Some(flight) = self.flights.get(number) else {
            return;
        };
        if flight.ends_at <= cx.now {
            let failure = flight.failure.clone();
            return self.finish(number, failure, cx, out);
        }
        self.counters.asked_again += 1;
        self.advance(number, routes, cx, out);
    }

    /// Asks the next choice; with none left, waits for what is open, or gives up.
    fn advance(
        &mut self,
        number: u64,
        routes: &dyn Routes,
        cx: &mut Context<'_>,
        out: &mut LookupOutputs,
    ) {
        let Some(flight) = self.flights.get(number) else {
            return;
        };
        let (ends_at, is_local) = (flight.ends_at, flight.is_local());
        let next = self.next_choice(flight, routes, cx);
        let has_open = flight.has_open();
        if let Some(hop) = next {
            let hedge = self.hedge(is_local);
            self.ask(number, hop, out);
            self.flights
                .set_due(number, cx.now.after(hedge).min(ends_at));
        } else if has_open {
            self.flights.set_due(number, ends_at);
        } else {
            let failure = flight.failure.clone();
            self.finish(number, failure, cx, out);
        }
    }

    fn hedge(&self, is_local: bool) -> Duration {
        if is_local {
            self.config.hedge
        } else {
            self.config.hedge_on
        }
    }

    fn next_choice(&self, flight: &Flight, routes: &dyn Routes, cx: &Context<'_>) -> Option<Hop> {
        if flight.asked.len() >= self.config.tries_max {
            return None;
        }
        let is_new =
            |hop: &Hop| !flight.involves(hop.peer) && cx.peers.id(hop.peer) != flight.key.requester;
        let (group, target) = (flight.group, &flight.key.target);
        let hops = routes.hops_to(group, target, flight.key.heading, cx.peers);
        hops.into_iter().find(is_new)
    }

    fn ask(&mut self, number: u64, hop: Hop, out: &mut LookupOutputs) {
        let to = hop.peer;
        let id = self.flights.ask(number, to);
        let Some(flight) = self.flights.get(number) else {
            return;
        };
        self.counters.asked += 1;
        let body = RouteBody::Lookup(Box::new(Lookup {
            id,
            target: flight.key.target,
            name: flight.name.clone(),
            group: flight.group,
            requester: flight.key.requester,
            version_min: flight.key.version_min,
            hops: flight.hops,
            heading: hop.heading,
        }));
        out.push(LookupOutput::Send { to, body });
    }

    /// Ends a flight and tells everybody who waits.
    fn finish(
        &mut self,
        number: u64,
        answer: LookupAnswer,
        cx: &Context<'_>,
        out: &mut LookupOutputs,
    ) {
        let Some(flight) = self.flights.remove(number) else {
            return;
        };
        let target = flight.key.target;
        for waiter in &flight.waiters {
            if matches!(waiter, Waiter::Remote { .. }) {
                tell(*waiter, target, &answer, out);
            }
        }
        if flight.is_local() {
            self.finish_local(&flight, answer, cx, out);
        }
    }

    fn finish_local(
        &mut self,
        flight: &Flight,
        answer: LookupAnswer,
        cx: &Context<'_>,
        out: &mut LookupOutputs,
    ) {
        let target = flight.key.target;
        if let LookupAnswer::Moved(heirs) = answer {
            return self.move_on(flight, heirs.into_vec(), out);
        }
        let error = match answer::located(flight.group, answer) {
            Ok(located) => {
                let located = Arc::new(located);
                self.keep_holder(&located, cx.now);
                self.cache.found(Arc::clone(&located), cx.now);
                return out.push(LookupOutput::Found(located));
            }
            Err(error) => error,
        };
        // Routes come back by themselves and at once: to know of none is not worth keeping.
        if !matches!(error, LookupError::NoRoute | LookupError::Overloaded) {
            self.cache.failed(target, error, cx.now);
        }
        if flight.waiters.contains(&Waiter::Local) {
            out.push(LookupOutput::Failed { target, error });
        }
    }
}

impl Lookups {
    /// What was known of the target is of the past.
    fn move_on(&mut self, flight: &Flight, heirs: Vec<GroupId>, out: &mut LookupOutputs) {
        let Key {
            target,
            version_min,
            ..
        } = flight.key;
        self.cache.purge(&target);
        if flight.waiters.contains(&Waiter::Local) {
            out.push(LookupOutput::Moved {
                target,
                group: flight.group,
                name: flight.name.as_ref().map(|name| name.0.clone()),
                version_min,
                heirs,
            });
        }
    }

    /// Who was told of a name's holder knows the way to it as well.
    fn keep_holder(&mut self, located: &Located, now: Time) {
        if located.holding.is_some() {
            let node = Located {
                holding: None,
                ..located.clone()
            };
            self.cache.found(Arc::new(node), now);
        }
    }
}

fn tell(waiter: Waiter, target: NodeId, answer: &LookupAnswer, out: &mut LookupOutputs) {
    match waiter {
        Waiter::Remote { peer, id } => out.push(reply(peer, id, target, answer.clone())),
        Waiter::Refresh => {}
        Waiter::Local => {
            let error = answer::error(answer);
            out.push(LookupOutput::Failed { target, error });
        }
    }
}

fn reply(to: Peer, id: u64, target: NodeId, answer: LookupAnswer) -> LookupOutput {
    let reply = LookupReply { id, target, answer };
    LookupOutput::Send {
        to,
        body: RouteBody::LookupReply(Box::new(reply)),
    }
}
