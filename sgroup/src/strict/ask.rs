//! Questions to the council who holds a name.
//!
//! The newest tenancy that any acceptor knows of is the answer, once a majority has answered: a
//! name that somebody holds is known to at least one of them. Bounded: at most [`ASKS_MAX`] at once.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use archipelago_core::Time;
use archipelago_core::wire::Tenancy;

use super::{StrictError, StrictEvent};

/// Questions of one node at once.
const ASKS_MAX: usize = 256;

/// All questions of one node that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Asks {
    open: BTreeMap<u64, Ask>,
}

#[derive(Debug)]
struct Ask {
    name: Bytes,
    answered: u8,
    newest: Option<Tenancy>,
    repeat_at: Time,
    over_at: Time,
}

impl Asks {
    /// A question that is due at once and over after `life`.
    pub(super) fn add(
        &mut self,
        id: u64,
        name: Bytes,
        life: Duration,
        now: Time,
    ) -> Result<(), StrictError> {
        if self.open.len() >= ASKS_MAX {
            return Err(StrictError::TooMany { max: ASKS_MAX });
        }
        let ask = Ask {
            name,
            answered: 0,
            newest: None,
            repeat_at: now,
            over_at: now.after(life),
        };
        self.open.insert(id, ask);
        Ok(())
    }

    /// Another council is to be asked.
    pub(super) fn handle_council(&mut self) {
        for ask in self.open.values_mut() {
            (ask.answered, ask.newest) = (0, None);
            ask.repeat_at = Time::START;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn due(&self) -> impl Iterator<Item = Time> {
        self.open.values().map(|ask| ask.repeat_at.min(ask.over_at))
    }

    /// What is to be asked (again): number, name, and who has answered.
    pub(super) fn take_due(&mut self, now: Time, repeat: Duration) -> Vec<(u64, Bytes, u8)> {
        let due = self.open.iter_mut();
        let due = due.filter(|(_, ask)| ask.repeat_at <= now && ask.over_at > now);
        due.map(|(&id, ask)| {
            ask.repeat_at = now.after(repeat);
            (id, ask.name.clone(), ask.answered)
        })
        .collect()
    }

    /// Questions that nobody answered in time.
    pub(super) fn take_over(&mut self, now: Time) -> Vec<StrictEvent> {
        let open = std::mem::take(&mut self.open);
        let (open, over): (BTreeMap<_, _>, BTreeMap<_, _>) =
            open.into_iter().partition(|(_, ask)| ask.over_at > now);
        self.open = open;
        let over = over.into_keys();
        over.map(|id| StrictEvent::Answer {
            id,
            result: Err(StrictError::NoQuorum),
        })
        .collect()
    }

    /// An acceptor's answer; what it leads to.
    pub(super) fn on_state(
        &mut self,
        id: u64,
        name: &Bytes,
        place: u8,
        tenancy: Option<Tenancy>,
        majority: u32,
    ) -> Option<StrictEvent> {
        let ask = self.open.get_mut(&id).filter(|ask| ask.name == *name)?;
        ask.answered |= 1 << (place & 7);
        let newer = |known: Tenancy| tenancy.is_none_or(|told| told.round < known.round);
        if !ask.newest.is_some_and(newer) {
            ask.newest = tenancy;
        }
        if ask.answered.count_ones() < majority {
            return None;
        }
        let result = Ok(ask.newest);
        self.open.remove(&id);
        Some(StrictEvent::Answer { id, result })
    }
}
