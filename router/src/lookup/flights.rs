//! Look-ups under way: one flight per target, requester and version, whoever waits for it.
//!
//! Each question sent has a number of its own, so that an answer finds its flight and none that
//! was not asked for is taken. Cost: O(log n) a call; bounded by the caller.

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::footprint::{map_bytes, set_bytes};
use archipelago_core::wire::{Heading, LookupAnswer, Name};
use archipelago_core::{Boot, GroupId, NodeId, Peer, Time};

/// What may share a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) target: NodeId,
    pub(super) requester: NodeId,
    pub(super) version_min: (Boot, u64),
    /// The way that it came; `None` for this node's own. Questions that go different ways share
    /// nothing, or two nodes could wait for each other.
    pub(super) heading: Option<Heading>,
}

/// Who is told in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiter {
    /// This node.
    Local,
    /// Nobody: a stale answer of the cache is renewed.
    Refresh,
    /// A peer, under its own number.
    Remote { peer: Peer, id: u64 },
}

/// A question sent on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) peer: Peer,
    pub(super) id: u64,
    pub(super) is_open: bool,
}

/// One look-up under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) key: Key,
    /// The name that the key stands for.
    pub(super) name: Option<Name>,
    pub(super) group: GroupId,
    /// What is left for whom is asked next.
    pub(super) hops: u8,
    pub(super) waiters: Vec<Waiter>,
    pub(super) asked: Vec<Asked>,
    /// The most telling failure so far.
    pub(super) failure: LookupAnswer,
    /// When the next choice is asked, or the flight ends.
    pub(super) due_at: Time,
    pub(super) ends_at: Time,
}

impl Flight {
    pub(super) fn is_local(&self) -> bool {
        let is_remote = |waiter: &Waiter| matches!(waiter, Waiter::Remote { .. });
        !self.waiters.iter().all(is_remote)
    }

    pub(super) fn has_open(&self) -> bool {
        self.asked.iter().any(|asked| asked.is_open)
    }

    /// Whether asking `peer` could not lead anywhere new.
    pub(super) fn involves(&self, peer: Peer) -> bool {
        let waits =
            |waiter: &Waiter| matches!(waiter, Waiter::Remote { peer: p, .. } if *p == peer);
        self.asked.iter().any(|asked| asked.peer == peer) || self.waiters.iter().any(waits)
    }

    /// Notes a failure, if it tells more than the last one.
    pub(super) fn note_failure(&mut self, failure: LookupAnswer) {
        if weight(&failure) > weight(&self.failure) {
            self.failure = failure;
        }
    }
}

fn weight(failure: &LookupAnswer) -> u8 {
    match failure {
        LookupAnswer::NotFound => 2,
        LookupAnswer::Overloaded => 1,
        _ => 0,
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Flights {
    flights: BTreeMap<u64, Flight>,
    by_key: BTreeMap<Key, u64>,
    by_question: BTreeMap<u64, u64>,
    by_time: BTreeSet<(Time, u64)>,
    load: BTreeMap<Peer, usize>,
    last_number: u64,
    last_question: u64,
}

impl Flights {
    pub(super) fn heap_bytes(&self) -> usize {
        let flights = map_bytes(&self.flights) + map_bytes(&self.by_key);
        let questions = map_bytes(&self.by_question) + set_bytes(&self.by_time);
        flights + questions + map_bytes(&self.load)
    }

    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    /// Questions of `peer` under way.
    pub(super) fn load(&self, peer: Peer) -> usize {
        self.load.get(&peer).copied().unwrap_or(0)
    }

    pub(super) fn by_key(&self, key: &Key) -> Option<u64> {
        self.by_key.get(key).copied()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Flight> {
        self.flights.get(&number)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Flight> {
        self.flights.get_mut(&number)
    }

    /// Begins a flight; its waiters come by [`Flights::wait`].
    pub(super) fn insert(&mut self, flight: Flight) -> u64 {
        self.last_number += 1;
        let number = self.last_number;
        self.by_key.insert(flight.key, number);
        self.by_time.insert((flight.due_at, number));
        self.flights.insert(number, flight);
        number
    }

    /// Adds who is told in the end; nobody twice under one number.
    pub(super) fn wait(&mut self, number: u64, waiter: Waiter) {
        let Some(flight) = self.flights.get_mut(&number) else {
            return;
        };
        if !flight.waiters.contains(&waiter) {
            flight.waiters.push(waiter);
            if let Waiter::Remote { peer, .. } = waiter {
                *self.load.entry(peer).or_default() += 1;
            }
        }
    }

    /// Notes that `peer` is asked; returns the question's number.
    pub(super) fn ask(&mut self, number: u64, peer: Peer) -> u64 {
        self.last_question += 1;
        let id = self.last_question;
        if let Some(flight) = self.flights.get_mut(&number) {
            let is_open = true;
            flight.asked.push(Asked { peer, id, is_open });
            self.by_question.insert(id, number);
        }
        id
    }

    /// Closes the question `id` that `peer` was asked; returns its flight.
    pub(super) fn close(&mut self, id: u64, peer: Peer) -> Option<u64> {
        let number = *self.by_question.get(&id)?;
        let flight = self.flights.get_mut(&number)?;
        let asked = flight.asked.iter_mut().find(|asked| asked.id == id)?;
        if asked.peer != peer {
            return None;
        }
        asked.is_open = false;
        self.by_question.remove(&id);
        Some(number)
    }

    pub(super) fn set_due(&mut self, number: u64, due_at: Time) {
        if let Some(flight) = self.flights.get_mut(&number) {
            self.by_time.remove(&(flight.due_at, number));
            flight.due_at = due_at;
            self.by_time.insert((due_at, number));
        }
    }

    /// Ends a flight.
    pub(super) fn remove(&mut self, number: u64) -> Option<Flight> {
        let flight = self.flights.remove(&number)?;
        self.by_key.remove(&flight.key);
        self.by_time.remove(&(flight.due_at, number));
        for asked in &flight.asked {
            self.by_question.remove(&asked.id);
        }
        for waiter in &flight.waiters {
            self.unload(*waiter);
        }
        Some(flight)
    }

    /// A peer is gone: nobody waits there any more. Returns the flights that had asked it and go
    /// on without it; those that nobody else waits for are over.
    pub(super) fn forget(&mut self, peer: Peer) -> Vec<u64> {
        let is_its =
            |waiter: &Waiter| matches!(waiter, Waiter::Remote { peer: p, .. } if *p == peer);
        let involved: Vec<u64> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.involves(peer))
            .map(|(&number, _)| number)
            .collect();
        let mut bereft = Vec::new();
        for number in involved {
            let Some(flight) = self.flights.get_mut(&number) else {
                continue;
            };
            flight.waiters.retain(|waiter| !is_its(waiter));
            let open = flight.asked.iter().find(|a| a.peer == peer && a.is_open);
            let question = open.map(|asked| asked.id);
            if flight.waiters.is_empty() {
                self.remove(number);
            } else if let Some(id) = question {
                bereft.extend(self.close(id, peer));
            }
        }
        self.load.remove(&peer);
        bereft
    }

    /// The flight that is due first.
    pub(super) fn first_due(&self) -> Option<(Time, u64)> {
        self.by_time.first().copied()
    }

    fn unload(&mut self, waiter: Waiter) {
        if let Waiter::Remote { peer, .. } = waiter
            && let Some(count) = self.load.get_mut(&peer)
        {
            *count -= 1;
            if *count == 0 {
                self.load.remove(&peer);
            }
        }
    }
}
