//! What the unit tests of this crate's machines share: keys that prove nothing to a real enemy,
//! and a node with its peers.

use std::cell::Cell;

use archipelago_core::{
    Context, Crypto, NodeId, OpenError, Peer, Peers, Rng, SealingKey, Signature, Time,
};

/// A deterministic tag for every cryptographic call; counts the tags made.
#[derive(Debug, Default)]
pub(crate) struct Tags;

thread_local! {
    /// How many keyed tags this test made.
    pub(crate) static MACS: Cell<u32> = const { Cell::new(0) };
}

impl Crypto for Tags {
    fn sign(&self, _domain: &str, _bytes: &[u8]) -> Signature {
        unreachable!("these machines sign nothing")
    }

    fn verify(&self, _: &NodeId, _: &str, _: &[u8], _: &Signature) -> bool {
        unreachable!("these machines verify nothing")
    }

    fn sealing_key(&self) -> SealingKey {
        unreachable!("these machines seal nothing")
    }

    fn seal(&self, _: &SealingKey, _: [u8; 24], _: &[u8], _: &[u8]) -> Vec<u8> {
        unreachable!("these machines seal nothing")
    }

    fn open(&self, _: &SealingKey, _: [u8; 24], _: &[u8], _: &[u8]) -> Result<Vec<u8>, OpenError> {
        unreachable!("these machines open nothing")
    }

    fn mac(&self, key: &[u8], bytes: &[u8]) -> [u8; 32] {
        MACS.with(|macs| macs.set(macs.get() + 1));
        let mut tag = [0; 32];
        let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ key.len() as u64;
        for &byte in key.iter().chain(bytes) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            state ^= state >> 29;
        }
        for chunk in tag.chunks_mut(8) {
            state = (state ^ 0x9e37).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            state ^= state >> 31;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        tag
    }
}

/// The node of this number.
pub(crate) const fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

/// One node with what its context is made of.
#[derive(Debug)]
pub(crate) struct TestNode {
    pub(crate) now: Time,
    pub(crate) me: NodeId,
    rng: Rng,
    crypto: Tags,
    pub(crate) peers: Peers,
}

impl TestNode {
    /// The node of this number, at time 1 s.
    pub(crate) fn new(number: u8) -> Self {
        Self {
            now: Time::from_micros(1_000_000),
            me: node(number),
            rng: Rng::from_u64(u64::from(number)),
            crypto: Tags,
            peers: Peers::new(256),
        }
    }

    /// The slot of the node of this number.
    pub(crate) fn peer(&mut self, number: u8) -> Peer {
        self.peers.intern(node(number)).unwrap()
    }

    /// What a machine is lent.
    pub(crate) fn cx(&mut self) -> Context<'_> {
        Context {
            now: self.now,
            me: self.me,
            rng: &mut self.rng,
            crypto: &self.crypto,
            peers: &mut self.peers,
        }
    }
}
