//! One node's surroundings: its keys, its table of peers, its time.

use std::collections::BTreeMap;
use std::sync::Arc;

use archipelago_core::wire::{List, SessionId};
use archipelago_core::{
    Address, Boot, Context, Crypto, GroupId, NodeId, NodeRecord, Peer, Peers, Rng, Roles,
    SignedRecord, Time, ToyCrypto,
};
use archipelago_router::{Membership, Routes, Standing};

/// A number as an id of a group.
pub(super) fn group(number: u64) -> GroupId {
    GroupId::new("realm", &format!("g{number}"))
}

/// A number as a node.
pub(super) fn node(number: u64) -> NodeId {
    ToyCrypto::new(number).id()
}

/// What node `number` says of itself.
pub(super) fn record(
    number: u64,
    version: (u64, u64),
    roles: Roles,
    groups: &[u64],
) -> Arc<SignedRecord> {
    let crypto = ToyCrypto::new(number);
    let record = NodeRecord {
        node: crypto.id(),
        boot: Boot(version.0),
        seq: version.1,
        name: format!("n{number}").as_str().into(),
        groups: List::truncated(groups.iter().map(|&number| group(number))),
        addresses: List::truncated([Address::from("/memory/1")]),
        roles,
        sealing_key: crypto.sealing_key(),
        wire: (1, 1),
        life_s: 3_600,
    };
    Arc::new(SignedRecord::new(record, &crypto).unwrap())
}

/// What `Node` lends to its machines.
pub(super) struct Bench {
    pub(super) crypto: ToyCrypto,
    pub(super) rng: Rng,
    pub(super) peers: Peers,
    pub(super) now: Time,
}

impl Bench {
    /// Node `number` with nobody around.
    pub(super) fn new(number: u64) -> Self {
        Self {
            crypto: ToyCrypto::new(number),
            rng: Rng::from_u64(number),
            peers: Peers::new(1_024),
            now: Time::from_micros(1),
        }
    }

    pub(super) fn cx(&mut self) -> Context<'_> {
        Context {
            now: self.now,
            me: self.crypto.id(),
            rng: &mut self.rng,
            crypto: &self.crypto,
            peers: &mut self.peers,
        }
    }

    /// Node `number` as a peer without a session.
    pub(super) fn meet(&mut self, number: u64) -> Peer {
        self.peers.intern(node(number)).unwrap()
    }

    /// Node `number` as a peer with a session.
    pub(super) fn connect(&mut self, number: u64) -> Peer {
        let peer = self.meet(number);
        let session = SessionId {
            slot: peer.0,
            generation: 0,
        };
        self.peers.get_mut(peer).unwrap().session = Some(session);
        peer
    }

    pub(super) fn disconnect(&mut self, peer: Peer) {
        self.peers.get_mut(peer).unwrap().session = None;
    }

    /// Node `number` as a connected peer whose record is known.
    pub(super) fn know(&mut self, number: u64, roles: Roles, groups: &[u64]) -> Peer {
        let peer = self.connect(number);
        self.peers
            .get_mut(peer)
            .unwrap()
            .set_record(record(number, (1, 1), roles, groups));
        peer
    }

    pub(super) fn pass(&mut self, millis: u64) {
        self.now = self.now.after(std::time::Duration::from_millis(millis));
    }
}

/// A map of groups made by hand.
#[derive(Debug, Default)]
pub(super) struct Map {
    pub(super) standings: BTreeMap<GroupId, Standing>,
    pub(super) members: BTreeMap<GroupId, Vec<Peer>>,
    pub(super) gone: Vec<(GroupId, NodeId)>,
    pub(super) reflectors: Vec<Peer>,
    pub(super) next_hops: BTreeMap<GroupId, Vec<Peer>>,
    pub(super) reflects: bool,
}

impl Map {
    /// A group that this node is in, with these other members.
    pub(super) fn enter(&mut self, group: GroupId, is_closed: bool, members: &[Peer]) {
        let reflects = self.reflects;
        let standing = Standing {
            reflects,
            is_closed,
        };
        self.standings.insert(group, standing);
        self.members.insert(group, members.to_vec());
    }
}

impl Routes for Map {
    fn standing(&self, group: GroupId) -> Option<Standing> {
        self.standings.get(&group).copied()
    }

    fn membership(&self, group: GroupId, node: &NodeId, peers: &Peers) -> Membership {
        let members = self.members(group);
        match peers.find(node) {
            Some(peer) if members.contains(&peer) => Membership::Up(peer),
            _ if self.gone.contains(&(group, *node)) => Membership::Gone,
            _ => Membership::Unknown,
        }
    }

    fn common_groups(&self, peer: Peer) -> Vec<GroupId> {
        let common = self.members.iter().filter(|(_, m)| m.contains(&peer));
        common.map(|(&group, _)| group).collect()
    }

    fn members(&self, group: GroupId) -> Vec<Peer> {
        self.members.get(&group).cloned().unwrap_or_default()
    }

    fn reflectors(&self, group: GroupId, peers: &Peers) -> Vec<Peer> {
        let mut reflectors = self.members(group);
        reflectors.retain(|peer| self.reflectors.contains(peer) && is_connected(*peer, peers));
        reflectors
    }

    fn next_hops(&self, group: GroupId, peers: &Peers) -> Vec<Peer> {
        let mut next_hops = self.next_hops.get(&group).cloned().unwrap_or_default();
        next_hops.retain(|peer| is_connected(*peer, peers));
        next_hops
    }

    fn reflects(&self) -> bool {
        self.reflects
    }

    fn is_reflector(&self, peer: Peer) -> bool {
        self.reflectors.contains(&peer)
    }
}

fn is_connected(peer: Peer, peers: &Peers) -> bool {
    peers.get(peer).unwrap().session.is_some()
}
