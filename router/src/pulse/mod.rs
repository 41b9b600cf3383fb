//! One pinger per pair of nodes, for all the groups that they share.
//!
//! Groups ask for a ping when a peer has been silent; two groups that ask within
//! [`COALESCE`] share one. The answer feeds the smoothed round-trip time of the table of peers.
//! It never decides that anybody is dead.
//!
//! Source: RFC 6298 section 2 (srtt, rttvar). Cost: 24 bytes per ping under way, at most one per
//! peer; O(log n) per call.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::footprint::map_bytes;
use archipelago_core::{Peer, PeerState, Time};

/// A ping younger than this serves whoever asks again.
const COALESCE: Duration = Duration::from_millis(100);

/// The pings under way.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    next: u32,
    waiting: BTreeMap<Peer, Ping>,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    number: u32,
    sent_at: Time,
}

impl Pulse {
    /// The number to send as `Ping`; `None` while a fresh one is under way.
    pub(crate) fn ping(&mut self, peer: Peer, now: Time) -> Option<u32> {
        let is_fresh = |ping: &Ping| now.since(ping.sent_at) < COALESCE;
        if self.waiting.get(&peer).is_some_and(is_fresh) {
            return None;
        }
        let number = self.number();
        let ping = Ping {
            number,
            sent_at: now,
        };
        self.waiting.insert(peer, ping);
        Some(number)
    }

    /// The number of a ping that measures nothing: nobody knows how long it waits on its way.
    pub(crate) fn number(&mut self) -> u32 {
        self.next = self.next.wrapping_add(1);
        self.next
    }

    /// A `Pong` came: measures, if it answers the newest ping. Others are life and nothing else.
    pub(crate) fn handle_pong(
        &mut self,
        peer: Peer,
        number: u32,
        state: &mut PeerState,
        now: Time,
    ) {
        let Some(ping) = self.waiting.get(&peer).copied() else {
            return;
        };
        if ping.number == number {
            self.waiting.remove(&peer);
            measure(state, now.since(ping.sent_at));
        }
    }

    /// What it holds on the heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        map_bytes(&self.waiting)
    }

    /// The peer's last session ended: its pings will not be answered.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.waiting.remove(&peer);
    }
}

/// RFC 6298 (2.2) and (2.3), in whole microseconds; a measured time is at least 1.
fn measure(state: &mut PeerState, round_trip: Duration) {
    let sample = u32::try_from(round_trip.as_micros())
        .unwrap_or(u32::MAX)
        .max(1);
    if state.srtt_us == 0 {
        state.srtt_us = sample;
        state.rttvar_us = sample / 2;
        return;
    }
    let deviation = u64::from(state.srtt_us.abs_diff(sample));
    let rttvar = (3 * u64::from(state.rttvar_us) + deviation) / 4;
    let srtt = (7 * u64::from(state.srtt_us) + u64::from(sample)) / 8;
    state.rttvar_us = u32::try_from(rttvar).unwrap_or(u32::MAX);
    state.srtt_us = u32::try_from(srtt).unwrap_or(u32::MAX).max(1);
}

#[cfg(test)]
mod tests {
    use archipelago_core::{NodeId, Peers};

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn two_groups_that_ask_at_once_share_one_ping() {
        let mut pulse = Pulse::default();
        let now = Time::START;
        assert_eq!(pulse.ping(Peer(1), now), Some(1));
        assert_eq!(pulse.ping(Peer(1), now.after(50 * MS)), None);
        assert_eq!(pulse.ping(Peer(2), now), Some(2));
        assert_eq!(pulse.ping(Peer(1), now.after(100 * MS)), Some(3));
    }

    #[test]
    fn the_first_sample_and_the_next_follow_rfc_6298() {
        let mut peers = Peers::new(1);
        let peer = peers.intern(NodeId([1; 32])).unwrap();
        let state = peers.get_mut(peer).unwrap();
        let mut pulse = Pulse::default();
        let number = pulse.ping(peer, Time::START).unwrap();
        let later = Time::START.after(8 * MS);
        pulse.handle_pong(peer, number, state, later);
        assert_eq!((state.srtt_us, state.rttvar_us), (8_000, 4_000));
        let number = pulse.ping(peer, later).unwrap();
        pulse.handle_pong(peer, number, state, later.after(16 * MS));
        assert_eq!((state.srtt_us, state.rttvar_us), (9_000, 5_000));
    }

    #[test]
    fn a_pong_that_nobody_asked_for_measures_nothing() {
        let mut peers = Peers::new(1);
        let peer = peers.intern(NodeId([1; 32])).unwrap();
        let state = peers.get_mut(peer).unwrap();
        let mut pulse = Pulse::default();
        pulse.handle_pong(peer, 7, state, Time::START);
        pulse.ping(peer, Time::START);
        pulse.handle_pong(peer, 7, state, Time::START.after(MS));
        assert_eq!(state.srtt_us, 0);
    }
}
