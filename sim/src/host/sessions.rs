//! The session ends of one node: slots with generations, so that a late packet finds nobody.
//!
//! Cost: 64 bytes for each end; whatever a busy or a broken session needs beyond that is boxed.

use std::collections::VecDeque;

use archipelago_core::channel::Frame;
use archipelago_core::footprint::vec_bytes;
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, Time};
use archipelago_router::DialId;

use crate::event::Body;

/// One end of a session.
#[derive(Debug)]
pub(crate) struct End {
    /// The node at the other end.
    pub(crate) peer: u32,
    /// The other end's number for it; unknown while dialling.
    pub(crate) remote: Option<SessionId>,
    /// How far the handshake got.
    pub(crate) stage: Stage,
    /// When the last packet sent arrives: none may arrive before it.
    pub(crate) last_arrival: Time,
    /// Set once the machine attached it: the peer's start, and data are read.
    pub(crate) attached: Option<Boot>,
    /// What only some sessions have.
    pub(crate) extra: Option<Box<Extra>>,
}

/// How far a session's handshake got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// We dialled, for this request of the machine.
    Dialling(DialId),
    /// We were dialled and answered.
    Accepting,
    /// The machine was told that it is open.
    Open,
}

/// What a busy or broken session end needs.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Sent into a cut, in order.
    pub(crate) held: VecDeque<Body>,
    /// Since when the transport has had no acknowledgement.
    pub(crate) unacked_since: Option<Time>,
    /// Data that arrived before the machine attached the session.
    pub(crate) unread: VecDeque<Vec<Frame>>,
    /// Until when what was sent occupies the link.
    pub(crate) busy_until: Time,
    /// When the machine was last told of traffic.
    pub(crate) reported: Option<Time>,
}

/// The table of one node.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    end: Option<End>,
}

impl End {
    /// What this end has beside the ordinary, made if need be.
    pub(crate) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl Sessions {
    /// A new end towards `peer`.
    pub(crate) fn open(&mut self, peer: u32, remote: Option<SessionId>, stage: Stage) -> SessionId {
        let end = End {
            peer,
            remote,
            stage,
            last_arrival: Time::START,
            attached: None,
            extra: None,
        };
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        let entry = &mut self.slots[slot as usize];
        entry.end = Some(end);
        SessionId {
            slot,
            generation: entry.generation,
        }
    }

    /// The end of this number, if it is still there.
    pub(crate) fn get(&self, session: SessionId) -> Option<&End> {
        let slot = self.slots.get(session.slot as usize)?;
        (slot.generation == session.generation)
            .then_some(slot.end.as_ref())
            .flatten()
    }

    /// As [`Sessions::get`], to change it.
    pub(crate) fn get_mut(&mut self, session: SessionId) -> Option<&mut End> {
        let slot = self.slots.get_mut(session.slot as usize)?;
        (slot.generation == session.generation)
            .then_some(slot.end.as_mut())
            .flatten()
    }

    /// Takes an end away; its number is never valid again.
    pub(crate) fn close(&mut self, session: SessionId) -> Option<End> {
        let slot = self.slots.get_mut(session.slot as usize)?;
        if slot.generation != session.generation {
            return None;
        }
        let end = slot.end.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(session.slot);
        Some(end)
    }

    /// All ends, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &End)> {
        (0u32..).zip(&self.slots).filter_map(|(slot, entry)| {
            let generation = entry.generation;
            Some((SessionId { slot, generation }, entry.end.as_ref()?))
        })
    }

    /// The numbers of all ends, by slot.
    pub(crate) fn ids(&self) -> Vec<SessionId> {
        self.iter().map(|(session, _)| session).collect()
    }

    /// The best attached session with `peer`: the newest slot's, where there are two.
    pub(crate) fn attached_to(&self, peer: u32) -> Option<(SessionId, Boot)> {
        self.iter()
            .filter(|(_, end)| end.peer == peer)
            .find_map(|(session, end)| Some((session, end.attached?)))
    }

    /// What the table holds on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let extras = self.iter().filter(|(_, end)| end.extra.is_some()).count();
        vec_bytes(&self.slots) + vec_bytes(&self.free) + extras * size_of::<Extra>()
    }

    fn grow(&mut self) -> u32 {
        self.slots.push(Slot {
            generation: 0,
            end: None,
        });
        u32::try_from(self.slots.len() - 1).expect("a node has fewer than 2^32 sessions")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_number_finds_nobody_when_its_slot_is_used_again() {
        let mut sessions = Sessions::default();
        let first = sessions.open(1, None, Stage::Accepting);
        assert_eq!(sessions.close(first).unwrap().peer, 1);
        let second = sessions.open(2, None, Stage::Accepting);
        assert_eq!(second.slot, first.slot);
        assert!(sessions.get(first).is_none() && sessions.close(first).is_none());
        assert_eq!(sessions.get(second).unwrap().peer, 2);
        assert_eq!(sessions.ids(), [second]);
    }

    #[test]
    fn an_idle_end_is_small() {
        assert!(std::mem::size_of::<Slot>() <= 72);
    }
}
