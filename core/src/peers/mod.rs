//! The table of peers: 32-byte names interned to dense slots, with what is known of each as a peer.
//!
//! One entry per node that shares a group or a session with us, whatever the number of groups.
//! Machines carry [`Peer`] slots, never keys. A slot is freed by [`Peers::release`] when nothing
//! holds it and may then be given to another node; holders drop their slots first.
//!
//! Cost: 64 bytes per peer, and 4 for one whose slot lies out of the order of names, an eighth of them
//! spare at most; look-up by name O(log n), by slot O(1).
//! Records, which hold the names, are shared by all tables of a process.

mod formed;
mod order;
mod state;

pub use formed::FormedPeer;
pub use state::PeerState;

use crate::NodeId;
use crate::ahead;
use crate::footprint::{push_tight, vec_bytes};

use order::Order;

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
    order: Order,
    peers_max: usize,
}

impl Peers {
    /// An empty table for at most `peers_max` nodes.
    pub const fn new(peers_max: usize) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            order: Order::formed(0),
            peers_max,
        }
    }

    /// The slot of `id`, made if it is not there yet.
    ///
    /// # Errors
    /// [`PeersFull`] at the limit.
    pub fn intern(&mut self, id: NodeId) -> Result<Peer, PeersFull> {
        match self.find(&id) {
            Some(peer) => Ok(peer),
            None => self.insert(id),
        }
    }

    /// The slot of `id`, if it has one.
    pub fn find(&self, id: &NodeId) -> Option<Peer> {
        let name = |peer| self.get(peer).map(PeerState::id);
        self.order.find(|peer| name(peer).cmp(&Some(*id)))
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
        if self.get(peer).is_none() {
            return;
        }
        let slots = &self.slots;
        self.order
            .remove(peer, |one, other| is_below(slots, one, other));
        if let Some(slot) = self.slots.get_mut(peer.0 as usize) {
            *slot = None;
            self.free.push(peer);
        }
    }

    /// All peers, ordered by name: the same order on every node and platform.
    pub fn iter(&self) -> impl Iterator<Item = (Peer, &PeerState)> {
        let by_name = self
            .order
            .iter(|one, other| is_below(&self.slots, one, other));
        by_name.filter_map(|peer| Some((peer, self.get(peer)?)))
    }

    /// How many nodes are in the table.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// What the table holds on the heap, records not counted.
    pub fn heap_bytes(&self) -> usize {
        vec_bytes(&self.slots) + vec_bytes(&self.free) + self.order.heap_bytes()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.order.len() == 0
    }

    fn insert(&mut self, id: NodeId) -> Result<Peer, PeersFull> {
        if self.len() >= self.peers_max {
            return Err(PeersFull);
        }
        let peer = match self.free.pop() {
            Some(peer) => peer,
            None => Peer(u32::try_from(self.slots.len()).map_err(|_| PeersFull)?),
        };
        let slots = &self.slots;
        let compare = |other| name(slots, other).cmp(&Some(id));
        self.order.insert(peer, compare);
        let state = Some(PeerState::new(id));
        match self.slots.get_mut(peer.0 as usize) {
            Some(slot) => *slot = state,
            None => push_tight(&mut self.slots, state),
        }
        Ok(peer)
    }
}

fn name(slots: &[Option<PeerState>], peer: Peer) -> Option<NodeId> {
    slots.get(peer.0 as usize)?.as_ref().map(PeerState::id)
}

fn is_below(slots: &[Option<PeerState>], one: Peer, other: Peer) -> bool {
    name(slots, one) < name(slots, other)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn names_that_came_in_their_order_are_not_listed() {
        let mut peers = Peers::new(100);
        for number in 0..100 {
            peers.intern(NodeId([number; 32])).unwrap();
        }
        assert_eq!(peers.order.heap_bytes(), 0);
    }

    proptest! {
        /// Against a map, through takings and releases in any order.
        #[test]
        fn names_are_found_and_lie_in_order(steps in prop::collection::vec((0u8..24, any::<bool>()), 0..80)) {
            let mut peers = Peers::new(16);
            let mut model = BTreeMap::new();
            for (number, is_taken) in steps {
                let id = NodeId([number; 32]);
                if !is_taken {
                    if let Some(peer) = model.remove(&id) {
                        peers.release(peer);
                    }
                } else if let Ok(peer) = peers.intern(id) {
                    prop_assert_eq!(*model.entry(id).or_insert(peer), peer);
                } else {
                    prop_assert_eq!(model.len(), 16);
                }
                prop_assert_eq!(peers.find(&id), model.get(&id).copied());
                let all: Vec<_> = peers.iter().map(|(peer, state)| (state.id(), peer)).collect();
                prop_assert_eq!(all, model.iter().map(|(&id, &peer)| (id, peer)).collect::<Vec<_>>());
                prop_assert_eq!(peers.len(), model.len());
            }
        }
    }
}
