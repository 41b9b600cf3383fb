//! The table of sessions itself: by the driver's slot, and what is due next.
//!
//! A session is *at rest* when it is the one in use with its peer (`Peers` names it) and something
//! justifies it. Of those only silence is watched, by one look at all of them every
//! [`times::LOOK`]. All others are *unsettled*: they have an entry and a place in the queue each.

use archipelago_core::footprint::{map_bytes, set_bytes, vec_bytes};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, Peer, Peers, Time, ahead};

use super::session::{Unsettled, times};
use super::{Hold, Phase, Session, Sessions};

impl Sessions {
    /// The session of this number, if it is not over.
    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        let slot = self.table.get(id.slot as usize)?.as_ref()?;
        (slot.id == id).then_some(slot)
    }

    /// Has a session's entry fetched from memory.
    pub(crate) fn foresee(&self, id: SessionId) {
        ahead::fetch_at(&self.table, id.slot as usize);
    }

    /// As [`Sessions::get`], to change it.
    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        let slot = self.table.get_mut(id.slot as usize)?.as_mut()?;
        (slot.id == id).then_some(slot)
    }

    /// Whether any connection with `peer` is left, where none is in use.
    pub(crate) fn has(&self, peer: Peer) -> bool {
        self.unsettled_of(peer).next().is_some()
    }

    /// Whether anything may still be sent on the session.
    pub(crate) fn is_open(&self, id: SessionId) -> bool {
        self.get(id).is_some() && !matches!(self.phase(id), Phase::Ending(_))
    }

    /// What both Hellos of the session said, hashed.
    pub(crate) fn transcript(&self, id: SessionId, peers: &Peers) -> Option<[u8; 16]> {
        let peer = self.get(id)?.peer;
        match self.unsettled.get(&id) {
            Some(unsettled) => Some(unsettled.transcript),
            None => peers.get(peer).map(|state| state.transcript),
        }
    }

    /// All sessions, by the driver's slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.table.iter().filter_map(Option::as_ref)
    }

    /// What the table holds on the heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        vec_bytes(&self.table) + map_bytes(&self.unsettled) + set_bytes(&self.queue)
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a connection with `peer` waits for its Hello.
    pub(crate) fn is_opening(&self, peer: Peer) -> bool {
        let mut phases = self
            .unsettled_of(peer)
            .map(|session| self.phase(session.id));
        phases.any(|phase| matches!(phase, Phase::Opening(_)))
    }

    /// How far a session is.
    pub(super) fn phase(&self, id: SessionId) -> Phase {
        let unsettled = self.unsettled.get(&id);
        unsettled.map_or(Phase::Ready, |unsettled| unsettled.phase)
    }

    /// Whether anything justifies a session.
    pub(super) fn hold_of(&self, id: SessionId) -> Hold {
        let unsettled = self.unsettled.get(&id);
        unsettled.map_or(Hold::Justified, |unsettled| unsettled.hold)
    }

    /// The peer's start, as it said on a session.
    pub(super) fn boot(&self, session: &Session, peers: &Peers) -> Boot {
        match self.unsettled.get(&session.id) {
            Some(unsettled) => unsettled.boot,
            None => peers
                .get(session.peer)
                .map_or(Boot(0), archipelago_core::PeerState::boot),
        }
    }

    /// The connections with `peer`: the one in use if it is at rest, and those that are not.
    pub(super) fn of(&self, peer: Peer, peers: &Peers) -> impl Iterator<Item = &Session> {
        let current = peers.get(peer).and_then(|state| state.session);
        let resting = current.filter(|id| !self.unsettled.contains_key(id));
        let resting = resting.and_then(|id| self.get(id));
        resting.into_iter().chain(self.unsettled_of(peer))
    }

    fn unsettled_of(&self, peer: Peer) -> impl Iterator<Item = &Session> {
        let sessions = self.unsettled.keys().filter_map(|&id| self.get(id));
        sessions.filter(move |session| session.peer == peer)
    }

    pub(super) fn insert(&mut self, session: Session, unsettled: Unsettled) {
        let (id, index) = (session.id, session.id.slot as usize);
        if self.table.len() <= index {
            // Slots are dense: growth by an eighth keeps the table of a formed group tight.
            let missing = index + 1 - self.table.len();
            if self.table.capacity() <= index {
                self.table.reserve_exact(missing + index / 8);
            }
            self.table.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.table.get_mut(index) {
            *slot = Some(session);
            self.len += 1;
        }
        self.queue.insert((unsettled.due, id));
        self.unsettled.insert(id, unsettled);
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.get(id)?;
        let session = self.table.get_mut(id.slot as usize)?.take()?;
        self.len -= 1;
        if let Some(unsettled) = self.unsettled.remove(&id) {
            self.queue.remove(&(unsettled.due, id));
        }
        Some(session)
    }

    /// When to look at an unsettled session; one at rest is looked at with the others.
    pub(super) fn set_due(&mut self, id: SessionId, due: Time) {
        if let Some(unsettled) = self.unsettled.get_mut(&id) {
            let before = std::mem::replace(&mut unsettled.due, due);
            self.queue.remove(&(before, id));
            self.queue.insert((due, id));
        }
    }

    /// The entry of a session that is to change: made from what the peers' table knows, if the
    /// session was at rest.
    pub(super) fn unsettle(&mut self, id: SessionId, peers: &Peers) -> Option<&mut Unsettled> {
        let state = peers.get(self.get(id)?.peer)?;
        let queue = &mut self.queue;
        let entry = self.unsettled.entry(id).or_insert_with(|| {
            queue.insert((Time::NEVER, id));
            Unsettled {
                phase: Phase::Ready,
                due: Time::NEVER,
                hold: Hold::Justified,
                boot: state.boot(),
                transcript: state.transcript,
            }
        });
        Some(entry)
    }

    /// Lets a session rest if it is the one in use and justified.
    pub(super) fn rest(&mut self, id: SessionId, peers: &Peers, now: Time) {
        let Some(unsettled) = self.unsettled.get(&id) else {
            return;
        };
        let (phase, hold, due) = (unsettled.phase, unsettled.hold, unsettled.due);
        let peer = self.get(id).map(|session| session.peer);
        let state = peer.and_then(|peer| peers.get(peer));
        let is_current = state.is_some_and(|state| state.session == Some(id));
        if is_current && (phase, hold) == (Phase::Ready, Hold::Justified) {
            self.queue.remove(&(due, id));
            self.unsettled.remove(&id);
            self.look_at = self.look_at.min(now.after(times::QUIET));
        }
    }
}
