//! The table of peers: 32-byte names interned to dense slots, with what is known of each as a peer.
//!
//! One entry per node that shares a group or a session with us, whatever the number of groups.
//! Machines carry [`Peer`] slots, never keys. A slot is freed by [`Peers::release`] when nothing
//! holds it and may then be given to another node; holders drop their slots first.
//!
//! Cost: 68 bytes per peer, an eighth of them spare at most; look-up by name O(log n), by slot O(1).
//! Records, which hold the names, are shared by all tables of a process.

mod formed;
mod state;

pub use formed::FormedPeer;
pub use state::PeerState;

use crate::NodeId;
use crate::ahead;
use crate::footprint::{push_tight, reserve_tight, vec_bytes};

/// A slot of [`Peers`]: valid until released, meaningless outside one node's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub u32);

/// The table is at its limit; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table of peers is full: raise `peers_max`, or leave a group")]
pub struct PeersFull;

/// The table of one node.
#[derive(Debug)]
pub struct Peers {
    slots: Vec<Option<PeerState>>,
    free: Vec<Peer>,
    /// Slots ordered by the name of who sits there.
    by_id: Vec<Peer>,
    peers_max: usize,
}

impl Peers {
    /// An empty table for at most `peers_max` nodes.
    pub const fn new(peers_max: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_id: Vec::new(),
            peers_max,
        }
    }

    /// The slot of `id`, made if it is not there yet.
    ///
    /// # Errors
    /// [`PeersFull`] at the limit.
    pub fn intern(&mut self, id: NodeId) -> Result<Peer, PeersFull> {
        match self.search(&id) {
            Ok(position) => Ok(self.by_id[position]),
            Err(position) => self.insert(position, id),
        }
    }

    /// The slot of `id`, if it has one.
    pub fn find(&self, id: &NodeId) -> Option<Peer> {
        self.search(id).ok().map(|position| self.by_id[position])
    }

    /// What is known of `peer`; `None` after its release.
    pub fn get(&self, peer: Peer) -> Option<&PeerState> {
        self.slots.get(peer.0 as usize)?.as_ref()
    }

    /// Has what is known of `peer` fetched from memory.
    pub fn foresee(&self, peer: Peer) {
        ahead::fetch_at(&self.slots, peer.0 as usize);
    }

    /// As [`Peers::get`], to change it.
    pub fn get_mut(&mut self, peer: Peer) -> Option<&mut PeerState> {
        self.slots.get_mut(peer.0 as usize)?.as_mut()
    }

    /// The name of `peer`.
    ///
    /// # Panics
    /// When the slot was released: its holder should have dropped it first.
    pub fn id(&self, peer: Peer) -> NodeId {
        self.get(peer).expect("the slot is held by its user").id()
    }

    /// Frees a slot that nothing holds any more; unknown slots are ignored.
    pub fn release(&mut self, peer: Peer) {
        let Some(state) = self.get(peer) else { return };
        if let Ok(position) = self.search(&state.id()) {
            self.by_id.remove(position);
        }
        if let Some(slot) = self.slots.get_mut(peer.0 as usize) {
            *slot = None;
            self.free.push(peer);
        }
    }

    /// All peers, ordered by name: the same order on every node and platform.
    pub fn iter(&self) -> impl Iterator<Item = (Peer, &PeerState)> {
        self.by_id
            .iter()
            .filter_map(|&peer| Some((peer, self.get(peer)?)))
    }

    /// How many nodes are in the table.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// What the table holds on the heap, records not counted.
    pub fn heap_bytes(&self) -> usize {
        vec_bytes(&self.slots) + vec_bytes(&self.free) + vec_bytes(&self.by_id)
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn search(&self, id: &NodeId) -> Result<usize, usize> {
        self.by_id
            .binary_search_by(|&peer| self.get(peer).map(PeerState::id).cmp(&Some(*id)))
    }

    fn insert(&mut self, position: usize, id: NodeId) -> Result<Peer, PeersFull> {
        if self.by_id.len() >= self.peers_max {
            return Err(PeersFull);
        }
        let state = PeerState::new(id);
        let peer = if let Some(peer) = self.free.pop() {
            self.slots[peer.0 as usize] = Some(state);
            peer
        } else {
            let slot = u32::try_from(self.slots.len()).map_err(|_| PeersFull)?;
            push_tight(&mut self.slots, Some(state));
            Peer(slot)
        };
        reserve_tight(&mut self.by_id);
        self.by_id.insert(position, peer);
        Ok(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interns_once_and_iterates_in_order_of_names() {
        let mut peers = Peers::new(8);
        let high = peers.intern(NodeId([9; 32])).unwrap();
        let low = peers.intern(NodeId([1; 32])).unwrap();
        assert_eq!(peers.intern(NodeId([9; 32])), Ok(high));
        assert_eq!(
            peers.iter().map(|(peer, _)| peer).collect::<Vec<_>>(),
            [low, high]
        );
    }

    #[test]
    fn a_released_slot_is_used_again_and_the_limit_holds() {
        let mut peers = Peers::new(1);
        let first = peers.intern(NodeId([1; 32])).unwrap();
        assert_eq!(peers.intern(NodeId([2; 32])), Err(PeersFull));
        peers.release(first);
        assert!(peers.get(first).is_none());
        assert_eq!(peers.intern(NodeId([2; 32])), Ok(first));
    }
}
