//! Work that every member of a group runs: declared once, kept by the group, restarted on failure.
//!
//! A *duty* is a name, arguments and a version. Whoever declares it writes it into its owner-log;
//! whoever hears of it remembers it, and the three *keepers* of the name (the members drawn to it
//! most, by rendezvous) write a copy into their own logs. So it outlives whoever declared it, is
//! there for every future member, and is forgotten with the last member only. Of two declarations
//! the higher version holds (then a withdrawal, then the higher author); a withdrawal is a
//! declaration, so it cannot be overtaken by an old one that comes back with a healed split.
//!
//! A member runs a duty while it is up in the group and knows how (it has the *factory*): one run at
//! a time, another one after the last one has ended. A run that fails is started again after a
//! pause that doubles, from 0.1 s to 30 s, and is short again after a run of a minute; one that says
//! it is done is not.
//!
//! It starts nothing itself: [`DutyOutput`] says what is to be started and stopped.
//! Limits: 256 duties; what is heard beyond is passed over. Cost: nothing without a duty; with d
//! of them O(d · g) when the view or a duty changes.

mod run;

use std::collections::{BTreeMap, BTreeSet};

use archipelago_core::footprint::map_bytes;
use archipelago_core::wire::Duty;
use archipelago_core::{Context, Time};
use bytes::Bytes;

use crate::log::{LogError, Logs, keys};
use crate::view::rendezvous;
use run::Run;
pub use run::{BACKOFF_MAX, BACKOFF_MIN, STABLE_AFTER};

/// Members that keep a copy of a duty.
const KEEPERS: usize = 3;
/// Most duties of a group, withdrawn ones included.
pub const DUTIES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 255;

/// What a node says of the duties of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DutyCommand {
    /// Every member is to run this, from now on; other arguments than before start it anew.
    Declare {
        /// Of which name, 1 to 255 bytes.
        name: Bytes,
        /// For the factory; at most 2 KiB.
        arguments: Bytes,
    },
    /// No member is to run it any more.
    Withdraw {
        /// Of which name.
        name: Bytes,
    },
    /// This node knows how to run it.
    AddFactory {
        /// Of which name.
        name: Bytes,
    },
    /// It does not any more: what runs is stopped.
    RemoveFactory {
        /// Of which name.
        name: Bytes,
    },
    /// A run has ended, whether it was stopped or not.
    Ended {
        /// Of which name.
        name: Bytes,
        /// Which run.
        run: u64,
        /// How.
        end: RunEnd,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// By itself, with nothing more to do; it is not started again.
    Done,
    /// By an error or a panic, or because it could not be started.
    Failed,
    /// As it was told.
    Stopped,
}

/// What is to be done on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DutyOutput {
    /// Start a run; answered by [`DutyCommand::Ended`] when it has ended.
    Start {
        /// Of which name.
        name: Bytes,
        /// Which run of this node.
        run: u64,
        /// For the factory.
        arguments: Bytes,
    },
    /// Stop a run; answered by [`DutyCommand::Ended`].
    Stop {
        /// Of which name.
        name: Bytes,
        /// Which.
        run: u64,
    },
}

/// Why a duty was not declared; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DutyError {
    /// A name is empty or too long.
    #[error("a name of {bytes} bytes: 1 to 255 are allowed")]
    Name {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The arguments are too long.
    #[error("arguments of {bytes} bytes: at most 2,048 are allowed; share a key instead")]
    Arguments {
        /// Their length in bytes.
        bytes: usize,
    },
    /// Nobody declared such a duty.
    #[error("no such duty was declared in the group")]
    Unknown,
    /// As many as there may be.
    #[error("the group has 256 duties already")]
    Full,
    /// The node's log in the group is full.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The duties of one group at one node.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    /// The newest that was heard of each name.
    known: BTreeMap<Bytes, Duty>,
    factories: BTreeSet<Bytes>,
    runs: BTreeMap<Bytes, Run>,
    last_run: u64,
    /// Something changed since the last settling.
    is_dirty: bool,
    view_hash: u32,
}

/// What the group is, for one settling.
pub(crate) struct Surroundings<'a> {
    pub(crate) is_up: bool,
    /// Prefixes of the names of the other members that are present.
    pub(crate) others: &'a mut dyn Iterator<Item = u64>,
    pub(crate) view_hash: u32,
}

impl Duties {
    pub(crate) fn handle(
        &mut self,
        command: DutyCommand,
        logs: &mut Logs,
        cx: &mut Context<'_>,
    ) -> Result<(), DutyError> {
        match command {
            DutyCommand::Declare { name, arguments } => {
                self.declare(name, arguments, false, logs, cx)?;
            }
            DutyCommand::Withdraw { name } => {
                let known = self.known.get(&name).ok_or(DutyError::Unknown)?;
                if !known.is_withdrawn {
                    self.declare(name, Bytes::new(), true, logs, cx)?;
                }
            }
            DutyCommand::AddFactory { name } => {
                // Who registers it anew wants it to run, also where it was done.
                if let Some(run) = self.runs.get_mut(&name) {
                    run.on_factory();
                }
                self.factories.insert(name);
            }
            DutyCommand::RemoveFactory { name } => {
                self.factories.remove(&name);
            }
            DutyCommand::Ended { name, run, end } => {
                if let Some(known) = self.runs.get_mut(&name) {
                    known.on_ended(run, end, cx);
                }
            }
        }
        self.is_dirty = true;
        Ok(())
    }

    /// A member says that there is such a duty; whether it could be taken in.
    pub(crate) fn on_heard(&mut self, name: Bytes, duty: Duty) -> bool {
        let known = self.known.get(&name);
        if known.is_none() && self.known.len() >= DUTIES_MAX {
            return false;
        }
        if known.is_none_or(|known| rank(known) < rank(&duty)) {
            self.known.insert(name, duty);
            self.is_dirty = true;
        }
        true
    }

    /// Draws the conclusions from what changed: starts, stops, and keeps copies.
    pub(crate) fn settle(
        &mut self,
        around: &mut Surroundings<'_>,
        logs: &mut Logs,
        cx: &Context<'_>,
        out: &mut Vec<DutyOutput>,
    ) {
        let is_due = self.next() <= cx.now;
        if !(is_due || self.is_dirty || self.view_hash != around.view_hash) {
            return;
        }
        self.is_dirty = false;
        self.view_hash = around.view_hash;
        if around.is_up {
            self.keep(around, logs, cx);
        }
        self.run(around.is_up, cx.now, out);
    }

    /// When to settle in any case.
    pub(crate) fn next(&self) -> Time {
        let due = self.runs.values().filter_map(Run::next);
        due.min().unwrap_or(Time::NEVER)
    }

    /// Everything that runs is to be stopped: the group is left.
    pub(crate) fn stop_all(&mut self, out: &mut Vec<DutyOutput>) {
        for (name, run) in &mut self.runs {
            out.extend(run.stop(name));
        }
    }

    /// Duties that hold, in order, with their arguments.
    pub(crate) fn declared(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        let known = self.known.iter();
        known.filter_map(|(name, duty)| (!duty.is_withdrawn).then_some((name, &duty.arguments)))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let names = self.factories.len() * size_of::<Bytes>();
        size_of::<Self>() + map_bytes(&self.known) + map_bytes(&self.runs) + names
    }

    fn declare(
        &mut self,
        name: Bytes,
        arguments: Bytes,
        is_withdrawn: bool,
        logs: &mut Logs,
        cx: &Context<'_>,
    ) -> Result<(), DutyError> {
        let bytes = name.len();
        if !(1..=NAME_BYTES_MAX).contains(&bytes) {
            return Err(DutyError::Name { bytes });
        }
        let known = self.known.get(&name);
        if known.is_none() && self.known.len() >= DUTIES_MAX {
            return Err(DutyError::Full);
        }
        let is_same = |known: &&Duty| !known.is_withdrawn && known.arguments == arguments;
        if !is_withdrawn && known.filter(is_same).is_some() {
            return Ok(());
        }
        let bytes = arguments.len();
        let duty = Duty {
            version: known.map_or(0, |known| known.version).saturating_add(1),
            author: cx.me,
            is_withdrawn,
            arguments,
        };
        let value = duty.to_bytes().map_err(|_| DutyError::Arguments { bytes })?;
        logs.put(keys::key(keys::DUTY, &name), value.into(), cx)?;
        self.known.insert(name, duty);
        Ok(())
    }

    /// Writes the newest of each duty that this node keeps or has a copy of.
    fn keep(&self, around: &mut Surroundings<'_>, logs: &mut Logs, cx: &Context<'_>) {
        let others: Vec<u64> = around.others.collect();
        let me = cx.me.prefix();
        for (name, duty) in &self.known {
            let key = keys::key(keys::DUTY, name);
            let own = logs.own().and_then(|own| own.get(&key));
            if own.is_none() && !is_keeper(name, me, &others) {
                continue;
            }
            // What was heard has an encoding. A full log leaves it to the other keepers.
            if let Ok(value) = duty.to_bytes() {
                let _ = logs.put(key, value.into(), cx);
            }
        }
    }

    fn run(&mut self, is_up: bool, now: Time, out: &mut Vec<DutyOutput>) {
        for name in &self.factories {
            let wanted = self.known.get(name).filter(|duty| is_up && !duty.is_withdrawn);
            if wanted.is_some() && !self.runs.contains_key(name) {
                self.runs.insert(name.clone(), Run::default());
            }
        }
        for (name, run) in &mut self.runs {
            let known = self.known.get(name);
            let is_wanted = is_up && self.factories.contains(name);
            let wanted = known.filter(|duty| is_wanted && !duty.is_withdrawn);
            out.extend(run.settle(name, wanted, &mut self.last_run, now));
        }
        self.runs.retain(|_, run| !run.is_over());
    }
}

/// Of two declarations the higher one holds.
fn rank(duty: &Duty) -> (u64, bool, &archipelago_core::NodeId, &Bytes) {
    // By one author and version there is one declaration, unless it lies: then any total order.
    (duty.version, duty.is_withdrawn, &duty.author, &duty.arguments)
}

fn is_keeper(name: &[u8], me: u64, others: &[u64]) -> bool {
    let place = name_hash(name);
    let mine = (rendezvous(place, me), me);
    let better = others.iter().filter(|&&other| (rendezvous(place, other), other) > mine);
    better.count() < KEEPERS
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo): portable, for a choice only.
fn name_hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What a member's log says of duties, out of its changes; and what could not be read.
pub(crate) fn read<'a>(
    changes: impl Iterator<Item = (&'a Bytes, Option<&'a Bytes>)>,
) -> (Vec<(Bytes, Duty)>, u32) {
    let mut unread = 0_u32;
    let mut heard = Vec::new();
    for (key, value) in changes {
        // What is gone is kept by others, or not at all: it is remembered here.
        let (Some(name), Some(value)) = (keys::rest(keys::DUTY, key), value) else {
            continue;
        };
        match Duty::from_bytes(value) {
            Ok(duty) if (1..=NAME_BYTES_MAX).contains(&name.len()) => {
                heard.push((key.slice_ref(name), duty));
            }
            _ => unread = unread.saturating_add(1),
        }
    }
    (heard, unread)
}


#[cfg(test)]
mod tests;
