//! Single control messages as they arrive at or from chosen nodes: for diagrams, never for checks.
//!
//! A tap holds a bounded number of messages, the first in time, and counts all. It changes nothing:
//! no digest and no order depends on it. Cost: one comparison per message without a tap, and a
//! look-up in a set with one.

use std::collections::BTreeSet;

use archipelago_core::wire::Control;
use archipelago_core::{GroupId, Time};

use crate::engine::Key;
use crate::tally::{Kind, kind};

/// Which messages are kept.
#[derive(Clone, Debug)]
pub struct Tap {
    /// Those to or from these nodes, by number.
    pub nodes: BTreeSet<u32>,
    /// That arrive from here on.
    pub from: Time,
    /// And up to here.
    pub until: Time,
    /// At most so many; the rest is counted.
    pub len_max: usize,
}

/// One control message that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tapped {
    /// When.
    pub time: Time,
    /// Who sent it.
    pub from: u32,
    /// Who got it.
    pub to: u32,
    /// What it is.
    pub kind: Kind,
    /// The group that it belongs to, if it belongs to one.
    pub group: Option<GroupId>,
    /// How many events its sender had caused before: the order of one instant.
    pub(crate) counter: u32,
}

/// What a tap has let through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caught {
    /// The first messages, in the order of time.
    pub(crate) messages: Vec<Tapped>,
    /// All, kept or not.
    pub(crate) count: u64,
}

impl Caught {
    /// Keeps or counts a message, if it is one of the tap's. Messages of different nodes come in any order
    /// for as long as a lookahead, so more are kept for a while than in the end.
    pub(crate) fn note(&mut self, tap: &Tap, key: Key, target: u32, message: &Control) {
        let is_in_time = tap.from <= key.time && key.time <= tap.until;
        let is_chosen = tap.nodes.contains(&key.source) || tap.nodes.contains(&target);
        if !is_in_time || !is_chosen {
            return;
        }
        self.count += 1;
        if self.messages.len() / 2 >= tap.len_max {
            self.keep_first(tap.len_max);
        }
        self.messages.push(Tapped {
            time: key.time,
            from: key.source,
            to: target,
            kind: kind(message),
            group: group(message),
            counter: key.counter,
        });
    }

    /// Adds what another shard caught, and keeps the first in time.
    pub(crate) fn merge(&mut self, other: &mut Self, len_max: usize) {
        self.count += std::mem::take(&mut other.count);
        self.messages.append(&mut other.messages);
        self.keep_first(len_max);
    }

    fn keep_first(&mut self, len_max: usize) {
        let order = |seen: &Tapped| (seen.time, seen.from, seen.counter);
        self.messages.sort_by_key(order);
        self.messages.truncate(len_max);
    }
}

const fn group(message: &Control) -> Option<GroupId> {
    match message {
        Control::Group(group, _) => Some(*group),
        _ => None,
    }
}
