//! A group as it is once all of its members have joined, made instead of joined.
//!
//! For simulations of very many nodes: [`Formed`] describes the group once, and
//! [`Group::formed`] is one member of it, in the state that joining, proving and a first period of
//! heartbeats lead to: up, every member admitted and told, observers chosen and watching, and what
//! members wrote into their logs ([`Formed::write`]) known to all. What differs from a joined member is the phase of its timers, which is drawn, and what
//! only the way there leaves behind (hashes of earlier views, counts).
//!
//! It checks no proof: whoever calls it says that these nodes are members. Live nodes never do.
//! Cost: O(g²) per group to rank observers, O(g) per member.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use archipelago_core::wire::{Charter, Life};
use archipelago_core::{Context, Era, GroupId, Incarnation, NodeId, Peer, Peers, SignedRecord};

use super::{Group, Quorum, charter};
use crate::detector::Formation;
use crate::join::Phase;
use crate::log::{FormedLog, Logs, PeerLog};
use crate::view::{Member, Standing, View, membership, rendezvous};
use crate::{GroupConfig, Timing};

/// What all members of a formed group have in common.
#[derive(Debug)]
pub struct Formed {
    id: GroupId,
    charter: Arc<Charter>,
    /// By name.
    members: Vec<Arc<SignedRecord>>,
    /// For each member the places of those who observe it, best first.
    observers: Vec<Vec<u32>>,
    /// Of the membership, every member included.
    hash: u64,
    /// What members wrote, by their places; those of the others are empty.
    logs: BTreeMap<u32, FormedLog>,
    log_hash: u32,
}

impl Formed {
    /// The group that `config` describes, of the nodes with these records.
    pub fn new(config: &GroupConfig, mut members: Vec<Arc<SignedRecord>>) -> Self {
        members.sort_unstable_by_key(|signed| signed.record.node);
        members.dedup_by_key(|signed| signed.record.node);
        let standings = members
            .iter()
            .map(|signed| (signed.record.node.prefix(), standing(signed)));
        Self {
            id: config.id(),
            charter: Arc::new(charter::of(config)),
            hash: membership(standings),
            observers: rank(&members, &config.timing),
            members,
            logs: BTreeMap::new(),
            log_hash: 0,
        }
    }

    /// A member has written these keys and values, each key once, in this order; whoever is no
    /// member has not. Once for each member.
    pub fn write(&mut self, node: NodeId, written: Vec<(Bytes, Bytes)>) {
        let Some(place) = self.place(node).filter(|_| !written.is_empty()) else {
            return;
        };
        let Some(signed) = self.members.get(place) else {
            return;
        };
        let log = FormedLog::new(written);
        let contribution = log.contribution(node, signed.record.boot);
        self.log_hash = self.log_hash.wrapping_add(contribution);
        self.logs.insert(number(place), log);
    }

    /// The group's id.
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// The members' records, by name.
    pub fn members(&self) -> &[Arc<SignedRecord>] {
        &self.members
    }

    fn place(&self, node: NodeId) -> Option<usize> {
        let place = self
            .members
            .binary_search_by_key(&node, |signed| signed.record.node);
        place.ok()
    }
}

impl Group {
    /// A member of `formed` that is up and has a session with every other member: `cx.peers` knows
    /// them all. Those whom it observes count as heard now.
    ///
    /// `None` when this node is not a member, or does not know all of the others.
    pub fn formed(
        config: Arc<GroupConfig>,
        record: Arc<SignedRecord>,
        formed: &Formed,
        cx: &mut Context<'_>,
    ) -> Option<Self> {
        let me = formed.place(cx.me)?;
        let slots = slots(formed, me, cx.peers)?;
        let mut group = Self::new(config, record, cx);
        group.charter = Arc::clone(&formed.charter);
        group.phase = Phase::Up;
        group.view = view(formed, me, &slots, &group);
        group.logs = logs(formed, me, &slots, &group);
        for peer in slots.iter().flatten() {
            group.seeds.on_member(*peer);
        }
        let formation = formation(formed, me, &slots);
        for &peer in &formation.watched {
            if let Some(state) = cx.peers.get_mut(peer) {
                state.last_heard = cx.now;
            }
        }
        group.detector.form(formation, &group.config.timing, cx);
        let is_counted = group.charter.size > 0;
        group.quorum = is_counted.then(|| quorum(formed.members.len(), group.charter.size));
        group.settle_due();
        Some(group)
    }
}

fn quorum(here: usize, size: u32) -> Quorum {
    if here * 2 > size as usize {
        Quorum::Majority
    } else {
        Quorum::Minority
    }
}

/// How a member stands that joined once and was never doubted.
fn standing(signed: &SignedRecord) -> Standing {
    Standing::new(signed.record.boot, Era(0), Incarnation(0), Life::Alive)
}

/// The others' slots by their places; both tables are ordered by name. `None` if one is unknown.
fn slots(formed: &Formed, me: usize, peers: &Peers) -> Option<Vec<Option<Peer>>> {
    let mut known = peers.iter();
    let mut slots = Vec::with_capacity(formed.members.len());
    for (place, signed) in formed.members.iter().enumerate() {
        if place == me {
            slots.push(None);
            continue;
        }
        let node = signed.record.node;
        let found = known.by_ref().find(|(_, state)| state.id() >= node);
        let (peer, _) = found.filter(|(_, state)| state.id() == node)?;
        slots.push(Some(peer));
    }
    Some(slots)
}

fn view(formed: &Formed, me: usize, slots: &[Option<Peer>], group: &Group) -> View {
    let others = slots.iter().zip(&formed.members);
    let mut members: Vec<Member> = others
        .filter_map(|(peer, signed)| Some(Member::formed((*peer)?, standing(signed))))
        .collect();
    members.sort_unstable_by_key(|member| member.peer);
    let signed = &formed.members[me];
    let life = group.config.timing.tombstone_life;
    View::formed(
        signed.record.node,
        standing(signed),
        life,
        &members,
        formed.hash,
    )
}

fn logs(formed: &Formed, me: usize, slots: &[Option<Peer>], group: &Group) -> Logs {
    let (mut peers, mut silent) = (Vec::new(), Vec::new());
    for (place, (slot, signed)) in (0u32..).zip(slots.iter().zip(&formed.members)) {
        let Some(peer) = *slot else { continue };
        let (boot, era) = (signed.record.boot, Era(0));
        match formed.logs.get(&place) {
            Some(log) => peers.push(log.replica(peer, boot, era)),
            None => silent.push((peer, (boot, era))),
        }
    }
    peers.sort_unstable_by_key(PeerLog::owner);
    peers.shrink_to_fit();
    let peers = (peers, silent.into_iter().collect());
    let epoch = (group.view.own().boot, Era(0));
    let own = formed.logs.get(&number(me));
    Logs::formed(epoch, &group.config.timing, peers, own, formed.log_hash)
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Who observes this member, and whom it observes.
fn formation(formed: &Formed, me: usize, slots: &[Option<Peer>]) -> Formation {
    let slot = |place: usize| slots.get(place).copied().flatten();
    let mine = formed.observers.get(me).into_iter().flatten();
    let observers = mine.filter_map(|&place| slot(place as usize));
    let is_watched = |observers: &[u32]| observers.iter().any(|&place| place as usize == me);
    let all = formed.observers.iter().enumerate();
    let watched = all.filter(|(_, observers)| is_watched(observers));
    let mut watched: Vec<Peer> = watched.filter_map(|(place, _)| slot(place)).collect();
    watched.sort_unstable();
    Formation {
        observers: observers.collect(),
        watched,
        common: formed.hash,
    }
}

/// For each member the places of its observers.
fn rank(members: &[Arc<SignedRecord>], timing: &Timing) -> Vec<Vec<u32>> {
    let prefixes: Vec<u64> = members
        .iter()
        .map(|signed| signed.record.node.prefix())
        .collect();
    let mut ranked: Vec<(u64, u32)> = Vec::with_capacity(members.len());
    let observers_of = |(place, &observed): (u32, &u64)| {
        ranked.clear();
        let others = (0u32..).zip(&prefixes).filter(|&(other, _)| other != place);
        ranked.extend(others.map(|(other, &observer)| (rendezvous(observed, observer), other)));
        ranked.sort_unstable_by(|a, b| b.cmp(a));
        let best = ranked.iter().take(timing.observers);
        best.map(|&(_, other)| other).collect()
    };
    (0u32..).zip(&prefixes).map(observers_of).collect()
}
