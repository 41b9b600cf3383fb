//! The session ends of one node: slots with generations, so that a late packet finds nobody.
//!
//! Cost: 32 bytes for each end, an eighth of them spare at most; what a busy or a broken session
//! needs beyond that lies in a table of its own.

use std::collections::{BTreeMap, VecDeque};

use archipelago_core::ahead::fetch_at;
use archipelago_core::channel::Frame;
use archipelago_core::footprint::{map_bytes, push_tight, vec_bytes};
use archipelago_core::wire::SessionId;
use archipelago_core::{Boot, Time};

use crate::event::Body;
use crate::link::Line;
use crate::link::backoff::Backoff;

/// One end of a session, or a slot for one.
#[derive(Debug)]
pub(crate) struct End {
    /// The node at the other end.
    pub(crate) peer: u32,
    generation: u32,
    /// The other end's number for it; [`UNKNOWN`] while dialling.
    remote: SessionId,
    /// When the last packet sent arrives: none may arrive before it.
    pub(crate) last_arrival: Time,
    state: State,
}

/// How far a session's handshake got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// We dialled; the dial's own table says what for.
    Dialling,
    /// We were dialled and answered.
    Accepting,
    /// The machine was told that it is open.
    Open,
}

/// The stage, and for an open session that the machine attached, the peer's start: boots end below
/// [`Boot::MAX`], so both fit one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State(u64);

impl State {
    const FREE: Self = Self(u64::MAX);
    const DIALLING: Self = Self(u64::MAX - 1);
    const ACCEPTING: Self = Self(u64::MAX - 2);
    const OPEN: Self = Self(u64::MAX - 3);
}

/// No session has this number.
const UNKNOWN: SessionId = SessionId {
    slot: u32::MAX,
    generation: u32::MAX,
};

/// What a busy or broken session end needs.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Sent into a cut, in order, with the bytes that each takes of the link.
    pub(crate) held: VecDeque<(Body, u64)>,
    /// The transport's timer, while it has no acknowledgement of what it sent.
    pub(crate) unacked: Option<Backoff>,
    /// Data that arrived before the machine attached the session.
    pub(crate) unread: VecDeque<Vec<Frame>>,
    /// The link's own bandwidth, as far as what was sent occupies it.
    pub(crate) line: Line,
    /// When the last data sent on a line arrive: none may arrive before them.
    pub(crate) data_arrival: Time,
    /// When the machine was last told of traffic.
    pub(crate) reported: Option<Time>,
}

/// The table of one node; laid out as written, what every packet reads first.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Sessions {
    slots: Vec<End>,
    /// What only some sessions have, by slot.
    extras: BTreeMap<u32, Extra>,
    free: Vec<u32>,
}

impl End {
    /// The other end's number, once it is known.
    pub(crate) fn remote(&self) -> Option<SessionId> {
        (self.remote != UNKNOWN).then_some(self.remote)
    }

    /// The other end said its number.
    pub(crate) const fn set_remote(&mut self, remote: SessionId) {
        self.remote = remote;
    }

    /// How far the handshake got.
    pub(crate) const fn stage(&self) -> Stage {
        match self.state {
            State::DIALLING => Stage::Dialling,
            State::ACCEPTING => Stage::Accepting,
            _ => Stage::Open,
        }
    }

    /// The machine is told that it is open.
    pub(crate) const fn open(&mut self) {
        self.state = State::OPEN;
    }

    /// The peer's start, once the machine attached it: data are read.
    pub(crate) fn attached(&self) -> Option<Boot> {
        (self.state.0 < State::OPEN.0).then_some(Boot(self.state.0))
    }

    /// The machine attaches the session, or detaches it. One that is not open stays as it is.
    pub(crate) fn attach(&mut self, boot: Option<Boot>) {
        if self.stage() == Stage::Open {
            let boot = boot.filter(|&boot| boot <= Boot::MAX);
            self.state = boot.map_or(State::OPEN, |boot| State(boot.0));
        }
    }

    const fn is_free(&self) -> bool {
        self.state.0 == State::FREE.0
    }

    const fn free(generation: u32) -> Self {
        Self {
            peer: u32::MAX,
            generation,
            remote: UNKNOWN,
            last_arrival: Time::START,
            state: State::FREE,
        }
    }
}

impl Sessions {
    /// A new end towards `peer`: dialled by us, or by the end `remote`.
    pub(crate) fn open(&mut self, peer: u32, remote: Option<SessionId>) -> SessionId {
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        let end = &mut self.slots[slot as usize];
        end.peer = peer;
        end.remote = remote.unwrap_or(UNKNOWN);
        end.state = match remote {
            None => State::DIALLING,
            Some(_) => State::ACCEPTING,
        };
        SessionId {
            slot,
            generation: end.generation,
        }
    }

    /// The end of this number, if it is still there.
    pub(crate) fn get(&self, session: SessionId) -> Option<&End> {
        let end = self.slots.get(session.slot as usize)?;
        (end.generation == session.generation && !end.is_free()).then_some(end)
    }

    /// Has an end fetched from memory.
    pub(crate) fn foresee(&self, session: SessionId) {
        fetch_at(&self.slots, session.slot as usize);
    }

    /// As [`Sessions::get`], to change it.
    pub(crate) fn get_mut(&mut self, session: SessionId) -> Option<&mut End> {
        let end = self.slots.get_mut(session.slot as usize)?;
        (end.generation == session.generation && !end.is_free()).then_some(end)
    }

    /// What an end has beside the ordinary.
    pub(crate) fn extra(&self, session: SessionId) -> Option<&Extra> {
        let has_any = !self.extras.is_empty() && self.get(session).is_some();
        self.extras.get(&session.slot).filter(|_| has_any)
    }

    /// The same, made if need be; `None` for an end that is not there.
    pub(crate) fn extra_mut(&mut self, session: SessionId) -> Option<&mut Extra> {
        self.get(session)?;
        Some(self.extras.entry(session.slot).or_default())
    }

    /// Takes an end away; its number is never valid again.
    pub(crate) fn close(&mut self, session: SessionId) -> Option<End> {
        let end = self.get_mut(session)?;
        let free = End::free(end.generation.wrapping_add(1));
        let end = std::mem::replace(end, free);
        self.free.push(session.slot);
        self.extras.remove(&session.slot);
        Some(end)
    }

    /// The numbers of the ends that have something beside the ordinary, by slot.
    pub(crate) fn extra_ids(&self) -> Vec<SessionId> {
        let slots = self.extras.keys();
        let ends = slots.filter_map(|&slot| Some((slot, self.slots.get(slot as usize)?)));
        ends.map(|(slot, end)| SessionId {
            slot,
            generation: end.generation,
        })
        .collect()
    }

    /// All ends, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &End)> {
        let slots = (0u32..).zip(&self.slots);
        slots.filter(|(_, end)| !end.is_free()).map(|(slot, end)| {
            let generation = end.generation;
            (SessionId { slot, generation }, end)
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
            .find_map(|(session, end)| Some((session, end.attached()?)))
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.slots.reserve_exact(count);
    }

    /// Keeps no room to spare.
    pub(crate) fn shrink(&mut self) {
        self.slots.shrink_to_fit();
    }

    /// What the table holds on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        vec_bytes(&self.slots) + vec_bytes(&self.free) + map_bytes(&self.extras)
    }

    fn grow(&mut self) -> u32 {
        push_tight(&mut self.slots, End::free(0));
        u32::try_from(self.slots.len() - 1).expect("a node has fewer than 2^32 sessions")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_number_finds_nobody_when_its_slot_is_used_again() {
        let mut sessions = Sessions::default();
        let first = sessions.open(1, None);
        assert_eq!(sessions.close(first).unwrap().peer, 1);
        let second = sessions.open(2, None);
        assert_eq!(second.slot, first.slot);
        assert!(sessions.get(first).is_none() && sessions.close(first).is_none());
        assert_eq!(sessions.get(second).unwrap().peer, 2);
        assert_eq!(sessions.ids(), [second]);
    }

    #[test]
    fn an_idle_end_is_small() {
        assert_eq!(size_of::<End>(), 32);
    }
}
