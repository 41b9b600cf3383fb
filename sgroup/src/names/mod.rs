//! Names of one group at one node: who holds which, and this node's own claims.
//!
//! A claim is one entry of its owner's log, so it reaches all members in one message each, is
//! repaired with the log, and vanishes with its owner. Nothing is locked and nobody is asked for
//! leave: whoever claims a name says so to all, and holds it when all living members have said
//! that they know ([`confirm`](self)). Who holds a name is a function of the logs alone
//! ([`NameInfo::outranks`]), so members that have the same logs agree (I4).
//!
//! ```text
//!  register ──► put ──► Waiting ── all know ──► Holder ◄──── the better one goes ─────┐
//!                         │ a better claim        │ a better claim (after a split)    │
//!                         ▼                       ▼                                   │
//!                       Taken, withdrawn        Lost: withdrawn, or stands by ──► Standby
//! ```
//!
//! It promises: two claims of one name are never both confirmed unless a cut or a death overlapped
//! (I3); only the owner withdraws a claim (I5); a name is moved by one write, without a gap (E12).
//! It never sends anything itself: the log does.
//!
//! Waits: a member that is suspected, or to whom the direct path is broken, is waited for
//! [`NamesConfig::grace`]; any other for [`NamesConfig::timeout`]. A member that is joining and not
//! admitted yet gets all claims before it can make one, and is not waited for.
//!
//! Cost: nothing before the first claim. A registration is one message to each member and one
//! back, shared by all that are made meanwhile; per name about 70 bytes beside the logs.

mod api;
mod claims;
mod config;
mod confirm;
mod index;
#[cfg(test)]
mod model;
mod union;

pub use api::{
    Mode, NAME_BYTES_MAX, NameAct, NameChange, NameError, NameInfo, NameOutput, OnLoss,
    Registration, Standing, Verdict,
};
pub use config::NamesConfig;
pub(crate) use union::{Union, key_of, name_of};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archipelago_core::footprint::map_bytes;
use archipelago_core::wire::{Life, NameClaim};
use archipelago_core::{Context, GroupId, LocalId, NodeId, Peer, Time};
use bytes::Bytes;

use crate::log::{LogChange, Logs};
use crate::view::{Member, View};
use confirm::Confirmations;
use index::Index;

/// Who lets a claim wait for longer is looked into: beyond any round trip.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a claim is looked at again that waits.
const RECHECK: Duration = Duration::from_millis(250);

/// A clock that runs ahead of ours by more than this is not followed: a liar would exhaust it. Its
/// claims only lose by being late.
const CLOCK_STEP_MAX: u64 = 1 << 32;

/// The names of one group at one node.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    group: GroupId,
    config: NamesConfig,
    /// The logical clock: the latest claim that was seen.
    clock: u64,
    index: Index,
    /// This node's claims.
    own: BTreeMap<Bytes, Own>,
    by_process: BTreeSet<(LocalId, Bytes)>,
    /// Claims that wait for confirmation, by the number of their write.
    waiting: BTreeMap<u64, Bytes>,
    confirmations: Confirmations,
    /// A member that the first of `waiting` waits for, when last looked.
    witness: Option<Peer>,
    due: Time,
}

/// A claim of this node.
#[derive(Clone, Debug)]
struct Own {
    local: LocalId,
    on_loss: OnLoss,
    standing: Standing,
    /// It was confirmed once: its process believes that it holds the name, or stands by.
    is_confirmed: bool,
    /// The number of its last write.
    seq: u64,
    since: Time,
    /// Who is to be told when it is confirmed.
    requests: Vec<u64>,
}

/// What the machine is lent: the logs that claims are in.
pub(crate) struct Around<'a, 'b> {
    pub(crate) logs: &'a mut Logs,
    pub(crate) cx: &'a mut Context<'b>,
    pub(crate) out: &'a mut Vec<NameOutput>,
}

impl Names {
    pub(crate) fn new(group: GroupId, config: NamesConfig) -> Self {
        Self {
            group,
            config,
            clock: 0,
            index: Index::default(),
            own: BTreeMap::new(),
            by_process: BTreeSet::new(),
            waiting: BTreeMap::new(),
            confirmations: Confirmations::default(),
            witness: None,
            due: Time::NEVER,
        }
    }

    /// Claims of a member came, changed or went.
    pub(crate) fn handle_changes(
        &mut self,
        owner: Peer,
        changes: &[LogChange],
        around: &mut Around<'_, '_>,
    ) {
        let mut told = Vec::new();
        for change in changes {
            let Some(name) = name_of(&change.key) else {
                continue;
            };
            let said = change.value.as_ref();
            match said.and_then(|value| NameClaim::from_bytes(value).ok()) {
                Some(claim) => {
                    self.see(claim.lamport);
                    self.index.insert(&change.key, owner);
                }
                None => self.index.remove(&change.key, owner),
            }
            self.compare(&name, around);
            let holder = self.holder(&name, around);
            told.push(NameChange { name, holder });
        }
        if !told.is_empty() {
            around.out.push(NameOutput::Changed(told));
        }
    }

    /// A member has this node's log up to `seq`, and its own went up to `head` by then.
    pub(crate) fn handle_ack(&mut self, by: Peer, seq: u64, head: u64) {
        if !self.waiting.is_empty() {
            self.confirmations.on_ack(by, seq, head);
        }
    }

    /// A member is gone, or began anew.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.confirmations.forget(peer);
    }

    /// A process of this node has ended.
    pub(crate) fn handle_process_ended(&mut self, local: LocalId, around: &mut Around<'_, '_>) {
        let from = (local, Bytes::new());
        let of_it = self.by_process.range(from..);
        let of_it = of_it.take_while(|(other, _)| *other == local);
        let names: Vec<Bytes> = of_it.map(|(_, name)| name.clone()).collect();
        for name in names {
            self.withdraw(&name, &NameError::Withdrawn, around);
        }
    }

    /// This node leaves the group: who waits is told.
    pub(crate) fn handle_leave(&mut self, out: &mut Vec<NameOutput>) {
        for own in self.own.values() {
            answer(&own.requests, &Err(NameError::NotUp), out);
        }
    }

    /// After every input of the group: confirms what all members know of. Returns members that
    /// nobody doubts and that have been silent for long: whether they are there is to be found out.
    pub(crate) fn settle(&mut self, view: &View, around: &mut Around<'_, '_>) -> Vec<Peer> {
        let Some((&first, _)) = self.waiting.first_key_value() else {
            return Vec::new();
        };
        let now = around.cx.now;
        if now < self.due && self.is_held_back(first, view, around.logs) {
            return Vec::new();
        }
        let (all, sure) = self.watermarks(view, around.logs);
        while let Some((&seq, name)) = self.waiting.first_key_value() {
            let name = name.clone();
            let since = self.own.get(&name).map_or(now, |own| own.since);
            let waited = now.since(since);
            if seq <= all || (seq <= sure && waited >= self.config.grace) {
                self.confirm(seq, &name, around.out);
            } else if waited >= self.config.timeout {
                self.withdraw(&name, &NameError::Unconfirmed, around);
            } else {
                self.due = now.after(RECHECK);
                let is_long = waited >= PATIENCE;
                return if is_long {
                    self.silent(seq, view, around.logs)
                } else {
                    Vec::new()
                };
            }
        }
        self.confirmations.clear();
        (self.witness, self.due) = (None, Time::NEVER);
        Vec::new()
    }

    /// Members that nobody doubts and that do not know of the write `seq`.
    fn silent(&mut self, seq: u64, view: &View, logs: &Logs) -> Vec<Peer> {
        let members = view.present().filter(is_awaited);
        let sure = members.filter(|member| !is_doubtful(member));
        let silent = sure.filter(|member| self.seen(member, logs) < seq);
        silent.map(|member| member.peer).collect()
    }

    /// When to call `settle`; may be early.
    pub(crate) const fn poll_timeout(&self) -> Time {
        self.due
    }

    /// The key of every name that others claim, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Bytes> {
        self.index.keys()
    }

    /// The claims of all members, to look names up in.
    pub(crate) const fn union<'a>(&'a self, logs: &'a Logs) -> Union<'a> {
        Union {
            group: self.group,
            index: &self.index,
            logs,
        }
    }

    /// This node's claims as they would be made anew, by name, and whether all members know them.
    pub(crate) fn claims(&self, logs: &Logs, me: NodeId) -> Vec<(Registration, bool)> {
        let union = self.union(logs);
        let claims = self.own.iter().filter_map(|(name, own)| {
            let mine = union.mine(&key_of(name), me)?;
            let claim = Registration {
                priority: mine.priority,
                metadata: mine.metadata,
                on_loss: own.on_loss,
                is_exported: mine.is_exported,
                ..Registration::new(name.clone(), own.local)
            };
            Some((claim, own.is_confirmed))
        });
        claims.collect()
    }

    /// This node's claims.
    pub(crate) fn claims_count(&self) -> usize {
        self.own.len()
    }

    /// What it holds beside the logs.
    pub(crate) fn heap_bytes(&self) -> usize {
        let own = map_bytes(&self.own) + self.by_process.len() * 60 + map_bytes(&self.waiting);
        size_of::<Self>() + self.index.heap_bytes() + self.confirmations.heap_bytes() + own
    }

    fn see(&mut self, lamport: u64) {
        if lamport <= self.clock.saturating_add(CLOCK_STEP_MAX) {
            self.clock = self.clock.max(lamport);
        }
    }

    /// Whether the member that held back the first claim still does.
    fn is_held_back(&mut self, first: u64, view: &View, logs: &Logs) -> bool {
        let Some(member) = self.witness.and_then(|witness| view.find(witness)) else {
            return false;
        };
        is_awaited(&member) && self.seen(&member, logs) < first
    }

    /// Up to which write every member knows, and every member that there is no doubt about.
    fn watermarks(&mut self, view: &View, logs: &Logs) -> (u64, u64) {
        let (mut all, mut sure) = (u64::MAX, u64::MAX);
        self.witness = None;
        for member in view.present().filter(is_awaited) {
            let seen = self.seen(&member, logs);
            if seen < all {
                (all, self.witness) = (seen, Some(member.peer));
            }
            if !is_doubtful(&member) {
                sure = sure.min(seen);
            }
        }
        (all, sure)
    }

    fn seen(&mut self, member: &Member, logs: &Logs) -> u64 {
        let applied = logs.peer(member.peer).map_or(0, |log| log.applied());
        self.confirmations.seen(member.peer, applied)
    }
}

/// A joiner that is not admitted cannot have claimed anything, and will know before it can.
fn is_awaited(member: &Member) -> bool {
    member.is_present() && (member.is_admitted || member.life() != Life::Joining)
}

fn is_doubtful(member: &Member) -> bool {
    !member.is_admitted || member.is_path_down || member.is_suspect || member.is_unreachable
}

fn answer(
    requests: &[u64],
    result: &Result<Option<Standing>, NameError>,
    out: &mut Vec<NameOutput>,
) {
    out.extend(requests.iter().map(|&request| NameOutput::Done {
        request,
        result: result.clone(),
    }));
}
