//! Gives slots of the table of peers back when nothing refers to them any more.
//!
//! Lazily, [`PERIOD`] after something may have become unused: a machine that still needs a slot
//! says so, and a slot in doubt stays. Cost: O(peers · groups) a sweep, no timer at rest.

use std::time::Duration;

use archipelago_core::{Peer, Time};

use super::Node;

/// From a change to the sweep, and between two sweeps while there is something left to sweep.
const PERIOD: Duration = Duration::from_secs(60);

impl Node {
    /// Something may have become unused.
    pub(super) fn sweep_later(&mut self, now: Time) {
        if self.sweep_at.is_none() {
            self.sweep_at = Some(now.after(PERIOD));
        }
    }

    pub(super) fn on_sweep_due(&mut self, now: Time) {
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        self.sweep_at = None;
        let peers = self.base.peers.iter();
        let absent = peers.filter(|(_, state)| state.session.is_none());
        let absent: Vec<Peer> = absent.map(|(peer, _)| peer).collect();
        for peer in absent {
            if self.is_referred_to(peer) {
                self.sweep_later(now);
            } else {
                self.pulse.forget(peer);
                self.base.peers.release(peer);
            }
        }
    }

    fn is_referred_to(&self, peer: Peer) -> bool {
        self.sessions.has(peer)
            || self.dials.wants(peer)
            || self.on_demand.knows(peer)
            || self.detours.knows(peer)
            || self.waiting.contains(&peer)
            || self.doubtful.contains_key(&peer)
            || self.groups.values().any(|group| group.knows(peer))
            || self.is_known_to_client(peer)
    }
}
