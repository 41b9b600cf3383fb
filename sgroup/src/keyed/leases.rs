//! The leases of one host: applied for together, and over by its own clock without a word.
//!
//! The life of what an answer leases counts from when the application that it answers was *sent*.
//! A shard is leased by an answer if that application wanted it and every later one did too: an
//! answer that comes late gives nothing back that was given up in between.
//!
//! *Never*: a shard taken for leased past its life. Cost: 512 bytes for each of the last
//! eight applications, some 20 bytes per shard that is held.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use archipelago_core::wire::{KeyedWord, List};
use archipelago_core::{NodeId, Time};
use bytes::Bytes;

use super::Fence;
use super::deed::Deed;
use super::lessor::Who;
use crate::shards::{Shard, ShardSet};

/// Applications whose answers still count.
const HISTORY_LEN_MAX: usize = 8;

/// What one host holds, and applies for.
#[derive(Debug)]
pub(super) struct Leases {
    life: Duration,
    term: u64,
    /// Whom to apply to; `None`: nobody has called.
    lessor: Option<Who>,
    /// The number of the last application.
    number: u32,
    /// The serial of the last answer.
    seen: u64,
    sent: VecDeque<Sent>,
    wanted: ShardSet,
    /// What is leased, and until when.
    held: BTreeMap<Shard, Time>,
    /// The first end of what is held.
    ends_at: Time,
    /// Who got the states of shards that were given back, and in which application that was first
    /// said (0: in none).
    heirs: BTreeMap<Shard, (NodeId, u32)>,
}

#[derive(Debug)]
struct Sent {
    number: u32,
    at: Time,
    wanted: ShardSet,
}

/// A lease that is new: its fence, and whether somebody else ran the shard since this host got what
/// it has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) shard: Shard,
    pub(super) fence: Fence,
    pub(super) is_fresh: bool,
}

/// An answer of a lessor.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) term: u64,
    pub(super) number: u32,
    pub(super) serial: u64,
    pub(super) refused: ShardSet,
    pub(super) fresh: ShardSet,
    pub(super) life: Duration,
}

impl Leases {
    pub(super) fn new(life: Duration) -> Self {
        Self {
            life,
            term: 0,
            lessor: None,
            number: 0,
            seen: 0,
            sent: VecDeque::new(),
            wanted: ShardSet::default(),
            held: BTreeMap::new(),
            ends_at: Time::NEVER,
            heirs: BTreeMap::new(),
        }
    }

    /// Whether a shard is leased to this host now.
    pub(super) fn is_held(&self, shard: Shard, now: Time) -> bool {
        self.held.get(&shard).is_some_and(|until| *until > now)
    }

    /// Whether this is who lets, also if it hosts no more.
    pub(super) fn is_lessor(&self, who: Who) -> bool {
        self.lessor == Some(who)
    }

    /// Whether all that is wanted is held.
    pub(super) fn is_whole(&self, now: Time) -> bool {
        self.wanted.iter().all(|shard| self.is_held(shard, now))
    }

    /// When the first lease is over.
    pub(super) const fn next(&self) -> Time {
        self.ends_at
    }

    /// What it wants has changed, and who got the states of what it does not want any more; what is
    /// held no more.
    pub(super) fn want(
        &mut self,
        wanted: ShardSet,
        heirs: Vec<(Shard, NodeId)>,
        now: Time,
        out: &mut Vec<Deed>,
    ) -> Vec<Shard> {
        if self.wanted == wanted && heirs.is_empty() {
            return Vec::new();
        }
        let heirs = heirs.into_iter().map(|(shard, to)| (shard, (to, 0)));
        self.heirs.extend(heirs);
        let given_back = self.held.keys().copied();
        let given_back = given_back
            .filter(|shard| !wanted.contains(*shard))
            .collect();
        self.held.retain(|shard, _| wanted.contains(*shard));
        self.wanted = wanted;
        self.arm();
        self.apply(now, out);
        given_back
    }

    /// A host calls for applications.
    pub(super) fn on_lessor(&mut self, from: Who, term: u64, now: Time, out: &mut Vec<Deed>) {
        if term > self.term {
            (self.term, self.lessor, self.seen) = (term, Some(from), 0);
            self.sent.clear();
            for (_, said_in) in self.heirs.values_mut() {
                *said_in = 0;
            }
        }
        let is_it = self.lessor.is_some_and(|(node, _)| node == from.0);
        if term == self.term && is_it {
            // Its run may not have been known when it was heard first.
            self.lessor = Some(from);
            self.apply(now, out);
        }
    }

    /// Takes out what is over.
    pub(super) fn expire(&mut self, now: Time) -> Vec<Shard> {
        if self.ends_at > now {
            return Vec::new();
        }
        let over = self.held.iter().filter(|(_, until)| **until <= now);
        let over: Vec<Shard> = over.map(|(shard, _)| *shard).collect();
        self.held.retain(|_, until| *until > now);
        self.arm();
        over
    }

    /// The lessor answers; what is leased that was not. What is over was taken out before.
    pub(super) fn on_answer(&mut self, from: NodeId, answer: &Answer, now: Time) -> Vec<Taken> {
        let is_mine = self.term == answer.term && self.lessor.is_some_and(|(node, _)| node == from);
        let place = self.sent.iter();
        let place = place
            .take_while(|sent| sent.number != answer.number)
            .count();
        let Some(sent) = self.sent.get(place).filter(|_| is_mine) else {
            return Vec::new();
        };
        let until = sent.at.after(answer.life.min(self.life));
        let later = self.sent.iter().skip(place);
        let leased = later.fold(self.wanted.clone(), |all, sent| all.both(&sent.wanted));
        let leased = leased.without(&answer.refused);
        self.seen = self.seen.max(answer.serial);
        self.heirs
            .retain(|_, (_, said_in)| *said_in == 0 || *said_in > answer.number);
        if until <= now {
            return Vec::new();
        }
        let fence = Fence {
            term: answer.term,
            serial: answer.serial,
        };
        let mut taken = Vec::new();
        for shard in leased.iter() {
            let held = self.held.entry(shard).or_insert_with(|| {
                let is_fresh = answer.fresh.contains(shard);
                taken.push(Taken {
                    shard,
                    fence,
                    is_fresh,
                });
                until
            });
            *held = until.max(*held);
        }
        self.arm();
        taken
    }

    fn apply(&mut self, now: Time, out: &mut Vec<Deed>) {
        let Some((lessor, _)) = self.lessor else {
            return;
        };
        self.number = self.number.saturating_add(1);
        let number = self.number;
        if self.sent.len() == HISTORY_LEN_MAX {
            self.sent.pop_front();
        }
        let wanted = self.wanted.clone();
        self.sent.push_back(Sent {
            number,
            at: now,
            wanted,
        });
        let lacking = self.wanted.iter();
        let lacking: ShardSet = lacking.filter(|shard| !self.is_held(*shard, now)).collect();
        let heirs = self
            .heirs
            .iter_mut()
            .take(archipelago_core::wire::HEIRS_MAX);
        let heirs = heirs.map(|(shard, (to, said_in))| {
            if *said_in == 0 {
                *said_in = number;
            }
            (shard.number(), *to)
        });
        let word = KeyedWord::Apply {
            term: self.term,
            number,
            seen: self.seen,
            wanted: self.wanted.to_bits(),
            lacking: lacking.to_bits(),
            heirs: List::truncated(heirs),
        };
        out.push(Deed::Send(lessor, word, Bytes::new()));
    }

    fn arm(&mut self) {
        self.ends_at = self.held.values().copied().min().unwrap_or(Time::NEVER);
    }
}
