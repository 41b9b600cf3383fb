//! Who lets the shards of a service out on lease: one host at a time, by the word of the council.
//!
//! It holds the service's strict name; the round under which it does is its *term*. Hosts apply for
//! all shards that they would run at once, so a lease is one word for each host and period, and not
//! one for each shard. A shard is leased to one host until that host gives it back, or its life has
//! passed by the lessor's clock with a tenth added, as everywhere in
//! [`strict`](crate::strict). A host counts the life from when it sent its application.
//!
//! A lessor knows nothing of what its predecessor leased. For one life it only confirms what hosts
//! say that they hold (of which there is one for each shard, since leases exclude each other);
//! then whatever nobody confirmed is over. So the death of the lessor takes nothing from the other
//! hosts, and its name may even be let go early.
//!
//! *Never*: a shard leased twice while both leases may be believed, for clocks that differ in rate
//! by up to 4.7 % each way; an answer when the name is not held. Hosts are trusted not to lie about
//! what they hold. Cost: three words per host each sixth of a life, some 300 bytes together at a
//! hundred hosts and 2 KiB at a few; 80 bytes per shard and 2 KiB per host at the lessor.
//! Source: leases (Gray and Cheriton 1989); one lease for many objects as with Chubby's sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archipelago_core::wire::KeyedWord;
use archipelago_core::{LocalId, NodeId, Time};
use bytes::Bytes;

use super::deed::Deed;
use crate::shards::{Shard, ShardSet};

/// A host, in one of its runs.
pub(super) type Who = (NodeId, LocalId);

/// Who lets, in one term.
#[derive(Debug)]
pub(super) struct Lessor {
    term: u64,
    /// It holds the name so long by its own clock.
    until: Time,
    /// What was leased in earlier terms is over from here on.
    quiet_until: Time,
    /// They are.
    is_letting: bool,
    life: Duration,
    serial: u64,
    tenants: BTreeMap<Who, Tenant>,
    /// All that is leased.
    taken: ShardSet,
    /// Of every shard that was leased in this term, who had it last.
    traces: BTreeMap<Shard, Trace>,
    call_at: Time,
}

#[derive(Debug, Default)]
struct Tenant {
    /// The last application that counted.
    number: u32,
    wanted: ShardSet,
    leased: ShardSet,
    /// Leased, and run by somebody else since what this host may know of them.
    fresh: ShardSet,
    /// The first answer that said all of these.
    fresh_serial: u64,
    over_at: Time,
}

#[derive(Clone, Copy, Debug)]
struct Trace {
    last: Who,
    /// Who got the states that the last one left, in order.
    heir: Option<NodeId>,
}

/// What a host applies for.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) number: u32,
    pub(super) seen: u64,
    pub(super) wanted: ShardSet,
    pub(super) held: ShardSet,
    pub(super) heirs: Vec<(Shard, NodeId)>,
}

/// How long a lease of `life` is waited for where its holder counts it by another clock.
pub(super) fn patience(life: Duration) -> Duration {
    life.saturating_mul(11) / 10
}

/// How often hosts are called on to apply again.
pub(super) fn period(life: Duration) -> Duration {
    life / 6
}

impl Lessor {
    pub(super) fn new(term: u64, until: Time, life: Duration, now: Time) -> Self {
        Self {
            term,
            until,
            quiet_until: now.after(patience(life)),
            is_letting: false,
            life,
            serial: 0,
            tenants: BTreeMap::new(),
            taken: ShardSet::default(),
            traces: BTreeMap::new(),
            call_at: now,
        }
    }

    pub(super) const fn term(&self) -> u64 {
        self.term
    }

    /// Whether all who applied have what they want.
    pub(super) fn has_let(&self) -> bool {
        let mut tenants = self.tenants.values();
        tenants.all(|tenant| tenant.leased == tenant.wanted)
    }

    /// The name is held for longer.
    pub(super) fn renew(&mut self, until: Time) {
        self.until = self.until.max(until);
    }

    pub(super) fn is_over(&self, now: Time) -> bool {
        self.until <= now
    }

    /// A host applies.
    pub(super) fn apply(
        &mut self,
        who: Who,
        application: Application,
        now: Time,
        out: &mut Vec<Deed>,
    ) {
        self.expire(now);
        let known = self.tenants.get(&who).map_or(0, |tenant| tenant.number);
        if self.is_over(now) || application.number <= known {
            return;
        }
        for &(shard, to) in &application.heirs {
            self.on_heir(who, shard, to);
        }
        let mut tenant = self.tenants.remove(&who).unwrap_or_default();
        tenant.number = application.number;
        tenant.over_at = now.after(patience(self.life));
        self.taken = self
            .taken
            .without(&tenant.leased.without(&application.wanted));
        tenant.leased = tenant.leased.both(&application.wanted);
        tenant.wanted = application.wanted;
        if application.seen >= tenant.fresh_serial {
            tenant.fresh = ShardSet::default();
        }
        if now < self.quiet_until {
            self.confirm(who, &mut tenant, &application.held);
        }
        self.tenants.insert(who, tenant);
        let mut changed = self.let_free(now);
        changed.insert(who);
        self.answer(&changed, out);
    }

    /// Calls hosts, and takes back what is over.
    pub(super) fn timeout(
        &mut self,
        hosts: impl Iterator<Item = NodeId>,
        now: Time,
        out: &mut Vec<Deed>,
    ) {
        if self.is_over(now) {
            // Until the name is renewed, or its end is told.
            self.call_at = self.call_at.max(self.until);
            return;
        }
        self.expire(now);
        let changed = self.let_free(now);
        self.answer(&changed, out);
        if self.call_at <= now {
            self.call_at = now.after(period(self.life));
            let term = self.term;
            out.extend(hosts.map(|to| Deed::Send(to, KeyedWord::Lessor { term }, Bytes::new())));
        }
    }

    /// When to call `timeout`.
    ///
    /// One whose name has run out has nothing to do before it is told of its end.
    pub(super) fn next(&self) -> Time {
        if self.call_at >= self.until {
            return Time::NEVER;
        }
        let ends = self.tenants.values().map(|tenant| tenant.over_at);
        let quiet = (!self.is_letting).then_some(self.quiet_until);
        let all = ends.chain(quiet).chain([self.call_at]);
        all.min().unwrap_or(Time::NEVER)
    }

    /// Who had a shard last, or got it from that one and had no lease of it, has left its states to
    /// another one.
    fn on_heir(&mut self, who: Who, shard: Shard, to: NodeId) {
        if let Some(trace) = self.traces.get_mut(&shard)
            && (trace.last == who || trace.heir == Some(who.0))
        {
            trace.heir = Some(to);
        }
    }

    /// What a host holds from an earlier term.
    fn confirm(&mut self, who: Who, tenant: &mut Tenant, held: &ShardSet) {
        let confirmed = held.both(&tenant.wanted).without(&self.taken);
        for shard in confirmed.iter() {
            let trace = Trace {
                last: who,
                heir: None,
            };
            self.traces.insert(shard, trace);
        }
        self.taken = self.taken.either(&confirmed);
        tenant.leased = tenant.leased.either(&confirmed);
    }

    /// Leases what is free and wanted; to whom.
    fn let_free(&mut self, now: Time) -> BTreeSet<Who> {
        let mut changed = BTreeSet::new();
        self.is_letting = now >= self.quiet_until;
        if !self.is_letting {
            return changed;
        }
        for (who, tenant) in &mut self.tenants {
            let free = tenant.wanted.without(&tenant.leased).without(&self.taken);
            if free.is_empty() {
                continue;
            }
            for shard in free.iter() {
                let trace = Trace {
                    last: *who,
                    heir: None,
                };
                let before = self.traces.insert(shard, trace);
                let is_next = |before: Trace| before.last == *who || before.heir == Some(who.0);
                if !before.is_some_and(is_next) {
                    tenant.fresh.insert(shard);
                    tenant.fresh_serial = self.serial.saturating_add(1);
                }
            }
            self.taken = self.taken.either(&free);
            tenant.leased = tenant.leased.either(&free);
            changed.insert(*who);
        }
        changed
    }

    fn answer(&mut self, to: &BTreeSet<Who>, out: &mut Vec<Deed>) {
        if to.is_empty() {
            return;
        }
        self.serial = self.serial.saturating_add(1);
        for who in to {
            let Some(tenant) = self.tenants.get(who) else {
                continue;
            };
            let word = KeyedWord::Lease {
                term: self.term,
                number: tenant.number,
                serial: self.serial,
                refused: tenant.wanted.without(&tenant.leased).to_bits(),
                fresh: tenant.fresh.both(&tenant.leased).to_bits(),
                life_ms: u32::try_from(self.life.as_millis()).unwrap_or(u32::MAX),
            };
            out.push(Deed::Send(who.0, word, Bytes::new()));
        }
    }

    fn expire(&mut self, now: Time) {
        let taken = &mut self.taken;
        self.tenants.retain(|_, tenant| {
            let is_kept = tenant.over_at > now;
            if !is_kept {
                *taken = taken.without(&tenant.leased);
            }
            is_kept
        });
    }
}
