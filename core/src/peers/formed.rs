//! A table of peers as a formed group leaves it: every peer with a session.

use std::sync::Arc;
use std::time::Duration;

use super::order::Order;
use super::{PeerState, Peers};
use crate::wire::SessionId;
use crate::{SignedRecord, Time};

/// A peer with a session that is in use.
#[derive(Clone, Debug)]
pub struct FormedPeer {
    /// Its record, of the start that it goes by.
    pub record: Arc<SignedRecord>,
    /// The session.
    pub session: SessionId,
    /// Whether this node dialled it.
    pub is_ours: bool,
    /// What both Hellos on it said, hashed: the same at both ends.
    pub transcript: [u8; 16],
    /// The first round trip that was measured on it.
    pub round_trip: Duration,
    /// When anything was last heard and sent on it.
    pub used_at: Time,
}

impl Peers {
    /// The table of a node that knows these peers, for at most `peers_max`: slots in the order of
    /// their names, no room to spare. A name that comes twice is taken once.
    pub fn formed(peers_max: usize, peers: &mut Vec<FormedPeer>) -> Self {
        peers.sort_unstable_by_key(|peer| peer.record.record.node);
        peers.dedup_by_key(|peer| peer.record.record.node);
        peers.truncate(peers_max);
        let count = u32::try_from(peers.len()).unwrap_or(u32::MAX);
        Self {
            slots: peers.iter().map(|peer| Some(state(peer))).collect(),
            free: Vec::new(),
            order: Order::formed(count),
            peers_max,
        }
    }
}

fn state(peer: &FormedPeer) -> PeerState {
    let mut state = PeerState::new(peer.record.record.node);
    state.set_boot(peer.record.record.boot);
    state.set_record(Arc::clone(&peer.record));
    state.session = Some(peer.session);
    state.transcript = peer.transcript;
    state.last_heard = peer.used_at;
    state.note_sent(peer.used_at);
    let round_trip = u32::try_from(peer.round_trip.as_micros()).unwrap_or(u32::MAX);
    state.srtt_us = round_trip.max(1);
    state.rttvar_us = state.srtt_us / 2;
    state
}
