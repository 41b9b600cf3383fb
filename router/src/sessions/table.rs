//! The table of sessions itself: by the driver's slot, by peer, and by what is due next.

use archipelago_core::footprint::{set_bytes, vec_bytes};
use archipelago_core::wire::SessionId;
use archipelago_core::{Peer, Time};

use super::{Phase, Session, Sessions};

impl Sessions {
    /// The session of this number, if it is not over.
    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        let slot = self.table.get(id.slot as usize)?.as_deref()?;
        (slot.id == id).then_some(slot)
    }

    /// As [`Sessions::get`], to change it.
    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let slot = self.table.get_mut(id.slot as usize)?.as_deref_mut()?;
        (slot.id == id).then_some(slot)
    }

    /// Whether any connection with `peer` is left.
    pub(crate) fn has(&self, peer: Peer) -> bool {
        self.of(peer).next().is_some()
    }

    /// Whether anything may still be sent on the session.
    pub(crate) fn is_open(&self, id: SessionId) -> bool {
        let session = self.get(id);
        session.is_some_and(|session| !matches!(session.phase, Phase::Ending(_)))
    }

    /// All sessions, by the driver's slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.table.iter().filter_map(Option::as_deref)
    }

    /// What the table holds on the heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        let boxed = self.pairs.len() * size_of::<Session>();
        vec_bytes(&self.table) + boxed + set_bytes(&self.pairs) + set_bytes(&self.queue)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Whether a connection with `peer` waits for its Hello.
    pub(crate) fn is_opening(&self, peer: Peer) -> bool {
        self.of(peer)
            .any(|session| matches!(session.phase, Phase::Opening(_)))
    }

    pub(super) fn of(&self, peer: Peer) -> impl Iterator<Item = &Session> {
        let low = SessionId {
            slot: 0,
            generation: 0,
        };
        let high = SessionId {
            slot: u32::MAX,
            generation: u32::MAX,
        };
        let pair = self.pairs.range((peer, low)..=(peer, high));
        pair.filter_map(|&(_, id)| self.get(id))
    }

    pub(super) fn insert(&mut self, session: Session) {
        let index = session.id.slot as usize;
        if self.table.len() <= index {
            self.table.resize_with(index + 1, || None);
        }
        self.pairs.insert((session.peer, session.id));
        self.queue.insert((session.due, session.id));
        if let Some(slot) = self.table.get_mut(index) {
            *slot = Some(Box::new(session));
        }
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Box<Session>> {
        self.get(id)?;
        let session = self.table.get_mut(id.slot as usize)?.take()?;
        self.pairs.remove(&(session.peer, id));
        self.queue.remove(&(session.due, id));
        Some(session)
    }

    pub(super) fn set_due(&mut self, id: SessionId, due: Time) {
        let Some(session) = self.get_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut session.due, due);
        self.queue.remove(&(before, id));
        self.queue.insert((due, id));
    }
}
