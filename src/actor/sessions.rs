//! Connections and sessions of a node, as its task numbers them.
//!
//! A connection becomes a session when its control stream is there; the session ends with that
//! stream, so that everything read from it was handed over before.

use std::collections::HashMap;
use std::sync::Arc;

use archipelago_core::NodeId;
use archipelago_core::wire::SessionId;
use archipelago_router::DialId;
use libp2p::swarm::ConnectionId;
use libp2p::{PeerId, Stream};

use crate::session::Outbox;

/// Data streams that wait for their session's admission; a peer needs one.
const EARLY_STREAMS_MAX: usize = 4;

/// All connections and sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    connections: HashMap<ConnectionId, Connection>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    len: usize,
    /// Sessions with something new to write.
    dirty: Vec<u32>,
}

/// An authenticated connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer_id: PeerId,
    pub(super) node: NodeId,
    pub(super) dial: Option<DialId>,
    pub(super) session: Option<SessionId>,
    /// Data streams that the machine has not let in yet.
    early: Vec<Stream>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    session: Option<Session>,
}

/// A connection with a control stream.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: ConnectionId,
    pub(super) peer_id: PeerId,
    pub(super) node: NodeId,
    pub(super) outbox: Arc<Outbox>,
    /// The machine has let data in.
    pub(super) is_attached: bool,
    is_dirty: bool,
}

impl Sessions {
    /// Whether no session is left.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn connect(&mut self, id: ConnectionId, connection: Connection) {
        self.connections.insert(id, connection);
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    /// Forgets a connection; its session, if any, ends with its control stream.
    pub(super) fn disconnect(&mut self, id: ConnectionId) -> Option<Connection> {
        self.connections.remove(&id)
    }

    /// Whether a session with the node carries data. Cost: O(sessions).
    pub(super) fn is_attached(&self, node: NodeId) -> bool {
        let mut sessions = self.slots.iter().filter_map(|slot| slot.session.as_ref());
        sessions.any(|session| session.is_attached && session.node == node)
    }

    /// Makes a session of a connection.
    pub(super) fn insert(
        &mut self,
        connection: ConnectionId,
        outbox: Arc<Outbox>,
    ) -> Option<SessionId> {
        let known = self.connections.get_mut(&connection)?;
        if known.session.is_some() {
            return None;
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot::default());
                u32::try_from(self.slots.len() - 1).ok()?
            }
        };
        let place = self.slots.get_mut(slot as usize)?;
        place.session = Some(Session {
            connection,
            peer_id: known.peer_id,
            node: known.node,
            outbox,
            is_attached: false,
            is_dirty: false,
        });
        let generation = place.generation;
        let session = SessionId { slot, generation };
        known.session = Some(session);
        self.len += 1;
        Some(session)
    }

    pub(super) fn find(&self, session: SessionId) -> Option<&Session> {
        let slot = self.slots.get(session.slot as usize)?;
        let is_current = slot.generation == session.generation;
        slot.session.as_ref().filter(|_| is_current)
    }

    pub(super) fn find_mut(&mut self, session: SessionId) -> Option<&mut Session> {
        let slot = self.slots.get_mut(session.slot as usize)?;
        let is_current = slot.generation == session.generation;
        slot.session.as_mut().filter(|_| is_current)
    }

    pub(super) fn remove(&mut self, session: SessionId) -> Option<Session> {
        let slot = self.slots.get_mut(session.slot as usize)?;
        if slot.generation != session.generation {
            return None;
        }
        let gone = slot.session.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(session.slot);
        self.len -= 1;
        Some(gone)
    }

    /// Keeps a data stream until its session is let in; `false` if the peer opened too many.
    pub(super) fn keep_early(&mut self, connection: ConnectionId, stream: Stream) -> bool {
        let Some(known) = self.connections.get_mut(&connection) else {
            return true;
        };
        if known.early.len() >= EARLY_STREAMS_MAX {
            return false;
        }
        known.early.push(stream);
        true
    }

    pub(super) fn take_early(&mut self, connection: ConnectionId) -> Vec<Stream> {
        let known = self.connections.get_mut(&connection);
        known.map_or_else(Vec::new, |known| std::mem::take(&mut known.early))
    }

    /// The session has something to write, when the batch of inputs is over.
    pub(super) fn mark_dirty(&mut self, session: SessionId) {
        if let Some(known) = self.find_mut(session)
            && !std::mem::replace(&mut known.is_dirty, true)
        {
            self.dirty.push(session.slot);
        }
    }

    pub(super) fn wake_dirty(&mut self) {
        for slot in self.dirty.drain(..) {
            let slot = self.slots.get_mut(slot as usize);
            if let Some(session) = slot.and_then(|slot| slot.session.as_mut()) {
                session.is_dirty = false;
                session.outbox.wake();
            }
        }
    }
}

impl Connection {
    pub(super) const fn new(peer_id: PeerId, node: NodeId, dial: Option<DialId>) -> Self {
        Self {
            peer_id,
            node,
            dial,
            session: None,
            early: Vec::new(),
        }
    }
}
