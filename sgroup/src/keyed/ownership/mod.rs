//! Which shards this host runs: claimed from all other hosts, and let go to those they belong to.
//!
//! The map (rendezvous over those who offer the service) says whom a shard *should* belong to; hosts
//! may see different maps for a while. So who should own a shard and does not run it claims it
//! from every other host, and runs it once all have released it. A host that releases a
//! shard will not run it before it was released to it in turn; one whose own map gives the shard to
//! itself releases it to nobody. Of hosts that know of each other at most one runs a shard,
//! whatever their maps say meanwhile.
//!
//! The one that ran it goes on until the claim comes, then stops its workers, sends what they left,
//! and keeps that until the claimant says that it took it. Every word may be lost and is repeated.
//!
//! *Never*: a release while its own map gives it the shard. Cost: 24 bytes per shard and 1 KiB per
//! other host; per change of hosts one claim to each, and one release back.

mod handing;

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::wire::KeyedWord;
use archipelago_core::{LocalId, NodeId, Time};
use bytes::Bytes;

use super::deed::{Deed, Route, release};
use super::workers::Left;
use super::{Fence, HostConfig, HostInfo};
use crate::shards::{Shard, ShardMap, ShardSet};

#[derive(Debug)]
pub(super) struct Ownership {
    me: NodeId,
    service: Bytes,
    is_leaving: bool,
    /// Nothing is claimed before.
    starts: Time,
    others: BTreeMap<NodeId, Other>,
    map: ShardMap,
    standings: Vec<Standing>,
    /// The number of the last claim.
    round: u32,
    /// Shards that are being handed over, or were, and are not known to have come.
    handed: BTreeMap<Shard, Handed>,
    /// How many states of a shard came so far, in order.
    arriving: BTreeMap<(NodeId, Shard), (u32, u32)>,
    retry_at: Time,
    retry: Duration,
    transfers_max: usize,
    serving: usize,
    claiming: usize,
    /// Shards that are its own by its map; more than there are until it has one.
    mine: usize,
    /// What this host runs, or still drains, has changed.
    is_changed: bool,
    /// With leases: who got the states of which shards since this was last asked.
    heirs: Option<Vec<(Shard, NodeId)>>,
}

#[derive(Debug)]
struct Other {
    run: LocalId,
    is_leaving: bool,
    /// Which it is yet to release.
    wanted: ShardSet,
    /// What it claims, and its number of the claim.
    claim: Option<(u32, ShardSet)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    phase: Phase,
    /// The claim that began what it is.
    since: u32,
    /// Hosts that have not released it.
    missing: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Not this host's.
    #[default]
    Foreign,
    /// Claimed, and not released by all.
    Claiming,
    /// Run here.
    Serving,
}

#[derive(Debug)]
struct Handed {
    to: NodeId,
    round: u32,
    /// What its workers left; `None` while they stop.
    states: Option<Vec<Left>>,
    /// The lease under which that was run.
    fence: Option<Fence>,
    /// Whom that was sent to, and for which claim; whoever of them took it has it.
    sent: Vec<(NodeId, u32)>,
    resend_at: Time,
}

impl Ownership {
    pub(super) fn new(me: NodeId, service: Bytes, config: &HostConfig, now: Time) -> Self {
        Self {
            me,
            map: ShardMap::default(),
            service,
            is_leaving: false,
            starts: now.after(config.settle),
            others: BTreeMap::new(),
            standings: vec![Standing::default(); Shard::all().count()],
            round: 0,
            handed: BTreeMap::new(),
            arriving: BTreeMap::new(),
            retry_at: now.after(config.settle),
            retry: config.retry,
            transfers_max: config.transfers_max.max(1),
            serving: 0,
            claiming: 0,
            mine: usize::MAX,
            is_changed: false,
            heirs: config.lease.map(|_| Vec::new()),
        }
    }

    pub(super) fn route(&self, shard: Shard) -> Route {
        match self.standing(shard).phase {
            Phase::Serving => Route::Here,
            Phase::Claiming => Route::Hold,
            Phase::Foreign => match (self.handed.get(&shard), self.map.owner(shard)) {
                (Some(handed), _) => Route::Moved(Some(handed.to)),
                (None, Some(owner)) if owner == self.me => Route::Hold,
                (None, owner) => Route::Moved(owner),
            },
        }
    }

    /// Whether nothing of any shard is here any more, besides workers at rest.
    pub(super) fn is_clear(&self) -> bool {
        self.handed.is_empty() && self.serving == 0 && self.claiming == 0
    }

    /// Whether it runs all shards that are its own by its map.
    pub(super) fn is_settled(&self, now: Time) -> bool {
        let mut handed = self.handed.keys();
        let is_complete = now >= self.starts && self.claiming == 0 && self.serving >= self.mine;
        is_complete && !handed.any(|shard| self.is_mine(*shard))
    }

    /// Shards that are run here.
    pub(super) const fn serving(&self) -> usize {
        self.serving
    }

    /// What this host runs or drains, and who got the states of what it ran, if any of it has
    /// changed since this was last asked.
    pub(super) fn take_wanted(&mut self) -> Option<(ShardSet, Vec<(Shard, NodeId)>)> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let standings = Shard::all().zip(&self.standings);
        let serving = standings.filter(|(_, standing)| standing.phase == Phase::Serving);
        let draining = self.handed.iter();
        let draining = draining.filter(|(_, handed)| handed.states.is_none());
        let wanted = serving.map(|(shard, _)| shard);
        let wanted = wanted.chain(draining.map(|(shard, _)| *shard)).collect();
        let heirs = self.heirs.as_mut().map(std::mem::take);
        Some((wanted, heirs.unwrap_or_default()))
    }

    /// All other hosts.
    pub(super) fn others(&self) -> impl Iterator<Item = NodeId> {
        self.others.keys().copied()
    }

    pub(super) fn run_of(&self, host: NodeId) -> Option<LocalId> {
        self.others.get(&host).map(|other| other.run)
    }

    pub(super) fn next(&self) -> Time {
        self.retry_at
    }

    /// Who hosts the service now, this node or not.
    pub(super) fn hosts(&mut self, hosts: &[HostInfo], now: Time, out: &mut Vec<Deed>) {
        let mut before = std::mem::take(&mut self.others);
        let (me, mut has_met) = (self.me, false);
        for host in hosts.iter().filter(|host| host.node != me) {
            let mut other = match before.remove(&host.node) {
                Some(known) if known.run == host.run => known,
                gone => {
                    if let Some(gone) = gone {
                        self.forget(host.node, &gone, out);
                    }
                    has_met = true;
                    self.meet(host.run)
                }
            };
            other.is_leaving = host.is_leaving;
            self.others.insert(host.node, other);
        }
        for (node, gone) in before {
            self.forget(node, &gone, out);
        }
        self.remap();
        self.reassess(Shard::all(), now, out);
        if has_met {
            self.claim_all(out);
        }
    }

    /// Hands everything over to the others from now on.
    pub(super) fn leave(&mut self, now: Time, out: &mut Vec<Deed>) {
        self.is_leaving = true;
        self.remap();
        self.reassess(Shard::all(), now, out);
    }

    /// Another host says something.
    pub(super) fn word(
        &mut self,
        from: NodeId,
        word: KeyedWord,
        body: Bytes,
        now: Time,
        out: &mut Vec<Deed>,
    ) {
        match word {
            KeyedWord::Claim { round, shards } => {
                let shards = ShardSet::from_bits(&shards);
                self.doubt(from, &shards, out);
                if let Some(other) = self.others.get_mut(&from) {
                    other.claim = Some((round, shards));
                }
            }
            KeyedWord::State {
                round,
                index,
                version,
                fence,
                key,
            } => {
                let fence = fence.map(|(term, serial)| Fence { term, serial });
                let left = (key, version, body);
                self.on_state(from, (round, index), (fence, left), out);
            }
            KeyedWord::Release {
                round,
                shards,
                states,
            } => self.on_release(from, round, &ShardSet::from_bits(&shards), states, out),
            KeyedWord::Took { round, shard } => {
                let Some(shard) = Shard::new(shard) else {
                    return;
                };
                let handed = self.handed.get(&shard);
                if handed.is_some_and(|handed| handed.sent.contains(&(from, round))) {
                    self.handed.remove(&shard);
                    self.reassess([shard].into_iter(), now, out);
                }
            }
            // Of leases, which are not its business.
            _ => {}
        }
    }

    /// Releases what others claim and this host should not run; `has_any` says whether there are
    /// workers of a shard.
    pub(super) fn grant(
        &mut self,
        has_any: impl Fn(Shard) -> bool,
        now: Time,
        out: &mut Vec<Deed>,
    ) {
        let claimants: Vec<NodeId> = self.others.keys().copied().collect();
        for to in claimants {
            let other = self.others.get_mut(&to);
            let Some((round, claimed)) = other.and_then(|other| other.claim.take()) else {
                continue;
            };
            let mut rest = ShardSet::default();
            let mut free = ShardSet::default();
            for shard in claimed.iter() {
                if self.map.owner(shard) == Some(self.me) {
                    rest.insert(shard);
                } else if self.handed.contains_key(&shard) {
                    self.hand_again((shard, to, round), now, out);
                } else if !has_any(shard) {
                    self.let_go(shard);
                    free.insert(shard);
                } else if self.transfers() < self.transfers_max {
                    self.hand(shard, to, round, out);
                } else {
                    rest.insert(shard);
                }
            }
            if !free.is_empty() {
                out.push(release(to, round, &free, 0));
            }
            if let Some(other) = self.others.get_mut(&to).filter(|_| !rest.is_empty()) {
                other.claim = Some((round, rest));
            }
        }
    }

    /// Claims what is to be claimed, and repeats what may have been lost.
    pub(super) fn timeout(&mut self, now: Time, out: &mut Vec<Deed>) {
        if self.retry_at > now {
            return;
        }
        self.retry_at = Time::NEVER;
        self.reassess(Shard::all(), now, out);
        self.claim_all(out);
        let due = self.handed.iter().filter(|(shard, handed)| {
            let is_mine = self.map.owner(**shard) == Some(self.me);
            let is_known = self.others.contains_key(&handed.to);
            handed.states.is_some() && handed.resend_at <= now && is_known && !is_mine
        });
        for shard in due.map(|(shard, _)| *shard).collect::<Vec<_>>() {
            self.send_states(shard, now, out);
        }
        self.arm(now);
    }

    /// Sets the timer where anything may have to be repeated.
    pub(super) fn arm(&mut self, now: Time) {
        let is_waiting = self.others.values().any(|other| !other.wanted.is_empty());
        if self.retry_at == Time::NEVER && (is_waiting || !self.handed.is_empty()) {
            self.retry_at = now.after(self.retry);
        }
    }

    fn on_state(
        &mut self,
        from: NodeId,
        (round, index): (u32, u32),
        (fence, left): (Option<Fence>, Left),
        out: &mut Vec<Deed>,
    ) {
        let shard = Shard::of(&left.0);
        let is_wanted = |other: &Other| other.wanted.contains(shard);
        let since = self.standing(shard).since;
        if since > round || !self.others.get(&from).is_some_and(is_wanted) {
            return;
        }
        let arriving = self.arriving.entry((from, shard)).or_default();
        if index == 0 {
            *arriving = (round, 0);
        }
        if *arriving == (round, index) {
            arriving.1 += 1;
            out.push(Deed::Adopt(fence, left));
        }
    }

    fn on_release(
        &mut self,
        from: NodeId,
        round: u32,
        shards: &ShardSet,
        states: u32,
        out: &mut Vec<Deed>,
    ) {
        for shard in shards.iter() {
            let standing = self.standing(shard);
            if standing.phase == Phase::Foreign || standing.since > round {
                continue;
            }
            let Some(other) = self.others.get_mut(&from) else {
                return;
            };
            if other.wanted.contains(shard) {
                let arrived = self.arriving.remove(&(from, shard)).unwrap_or_default();
                if states > 0 && arrived != (round, states) {
                    // Some were lost: all come again.
                    continue;
                }
                other.wanted.remove(shard);
                self.on_released(shard, out);
            }
            if states > 0 {
                let shard = shard.number();
                let word = KeyedWord::Took { round, shard };
                out.push(Deed::Send(from, word, Bytes::new()));
            }
        }
    }

    fn on_released(&mut self, shard: Shard, out: &mut Vec<Deed>) {
        let standing = self.standing_mut(shard);
        if standing.phase != Phase::Claiming {
            return;
        }
        standing.missing = standing.missing.saturating_sub(1);
        if standing.missing == 0 {
            self.begin(shard, out);
        }
    }

    fn begin(&mut self, shard: Shard, out: &mut Vec<Deed>) {
        self.set_phase(shard, Phase::Serving);
        // What this host gave away, and nobody took.
        let handed = self.handed.remove(&shard);
        if let Some(handed) = handed {
            let states = handed.states.into_iter().flatten();
            out.extend(states.map(|left| Deed::Adopt(handed.fence, left)));
        }
        out.push(Deed::Begin(shard));
    }

    /// Claims what has become this host's by the map, and gives up what has not.
    fn reassess(&mut self, shards: impl Iterator<Item = Shard>, now: Time, out: &mut Vec<Deed>) {
        let round = self.round.saturating_add(1);
        let mut has_claimed = false;
        for shard in shards {
            let is_mine = self.is_mine(shard) && now >= self.starts;
            match self.standing(shard).phase {
                Phase::Foreign if is_mine && !self.is_draining(shard) => {
                    has_claimed = true;
                    self.claim(shard, round, out);
                }
                Phase::Claiming if !is_mine => self.let_go(shard),
                _ => {}
            }
        }
        if has_claimed {
            self.round = round;
            self.claim_all(out);
        }
    }

    fn claim(&mut self, shard: Shard, round: u32, out: &mut Vec<Deed>) {
        for other in self.others.values_mut() {
            other.wanted.insert(shard);
        }
        let missing = u32::try_from(self.others.len()).unwrap_or(u32::MAX);
        self.set_phase(shard, Phase::Claiming);
        let standing = self.standing_mut(shard);
        standing.since = round;
        standing.missing = missing;
        if missing == 0 {
            self.begin(shard, out);
        }
    }

    /// It is not this host's, and nothing is wanted for it.
    fn let_go(&mut self, shard: Shard) {
        self.set_phase(shard, Phase::Foreign);
        for other in self.others.values_mut() {
            other.wanted.remove(shard);
        }
    }

    fn claim_all(&self, out: &mut Vec<Deed>) {
        for (to, other) in &self.others {
            if !other.wanted.is_empty() {
                let (round, shards) = (self.round, other.wanted.to_bits());
                let word = KeyedWord::Claim { round, shards };
                out.push(Deed::Send(*to, word, Bytes::new()));
            }
        }
    }

    /// A host is met for the first time, or in a new run: it may run what is this host's.
    fn meet(&mut self, run: LocalId) -> Other {
        let mut wanted = ShardSet::default();
        for (shard, standing) in Shard::all().zip(&mut self.standings) {
            if standing.phase != Phase::Foreign {
                wanted.insert(shard);
                standing.missing = standing.missing.saturating_add(1);
            }
        }
        Other {
            run,
            is_leaving: false,
            wanted,
            claim: None,
        }
    }

    /// A host claims what is this one's. It may run it as well: it may have taken this host for dead
    /// for a while, which that one need not have noticed. So this one claims it in turn.
    fn doubt(&mut self, from: NodeId, claimed: &ShardSet, out: &mut Vec<Deed>) {
        let Some(other) = self.others.get_mut(&from) else {
            return;
        };
        let mut is_any_new = false;
        for shard in claimed.without(&other.wanted).iter() {
            let standing = self.standings.get_mut(usize::from(shard.number()));
            let is_mine = self.map.owner(shard) == Some(self.me);
            if let Some(standing) = standing
                && standing.phase != Phase::Foreign
                && is_mine
            {
                standing.missing = standing.missing.saturating_add(1);
                is_any_new = other.wanted.insert(shard);
            }
        }
        if is_any_new {
            let (round, shards) = (self.round, other.wanted.to_bits());
            let word = KeyedWord::Claim { round, shards };
            out.push(Deed::Send(from, word, Bytes::new()));
        }
    }

    /// A host is gone, and with it what it ran.
    fn forget(&mut self, node: NodeId, gone: &Other, out: &mut Vec<Deed>) {
        self.arriving.retain(|(from, _), _| *from != node);
        for shard in gone.wanted.iter() {
            self.on_released(shard, out);
        }
    }

    fn remap(&mut self) {
        let takers = self.others.iter().filter(|(_, other)| !other.is_leaving);
        let takers = takers.map(|(node, _)| *node);
        let me = (!self.is_leaving).then_some(self.me);
        self.map = ShardMap::new(&self.service, takers.chain(me));
        self.mine = Shard::all().filter(|&shard| self.is_mine(shard)).count();
    }

    /// Shards on their way to hosts that are there.
    fn transfers(&self) -> usize {
        let handed = self.handed.values();
        let under_way = handed.filter(|handed| self.others.contains_key(&handed.to));
        under_way.count()
    }

    fn is_mine(&self, shard: Shard) -> bool {
        self.map.owner(shard) == Some(self.me)
    }

    fn is_draining(&self, shard: Shard) -> bool {
        let handed = self.handed.get(&shard);
        handed.is_some_and(|handed| handed.states.is_none())
    }

    fn standing(&self, shard: Shard) -> Standing {
        let index = usize::from(shard.number());
        self.standings.get(index).copied().unwrap_or_default()
    }

    fn set_phase(&mut self, shard: Shard, phase: Phase) {
        self.is_changed = true;
        let before = std::mem::replace(&mut self.standing_mut(shard).phase, phase);
        match before {
            Phase::Foreign => {}
            Phase::Claiming => self.claiming -= 1,
            Phase::Serving => self.serving -= 1,
        }
        match phase {
            Phase::Foreign => {}
            Phase::Claiming => self.claiming += 1,
            Phase::Serving => self.serving += 1,
        }
    }

    fn standing_mut(&mut self, shard: Shard) -> &mut Standing {
        let index = usize::from(shard.number());
        self.standings
            .get_mut(index)
            .expect("there is a standing for each of the 4,096 shards")
    }
}
