//! The budget of on-demand sessions: at the limit, the one that was unused for longest makes room.

use archipelago_core::wire::ByeReason;
use archipelago_core::{Peer, Time};

use super::contact::{Contact, Link};
use super::{OnDemand, OnDemandOutput, OnDemandOutputs};

impl OnDemand {
    /// Whether one more session fits, if need be in place of another.
    pub(super) fn make_room(&mut self, now: Time, out: &mut OnDemandOutputs) -> bool {
        let contacts = self.contacts.values();
        let counted = contacts.filter(|contact| contact.is_counted()).count();
        if counted < self.config.sessions_max {
            return true;
        }
        let Some(peer) = self.least_recently_used(now) else {
            return false;
        };
        if let Some(contact) = self.contacts.get_mut(&peer) {
            contact.link = Link::None;
        }
        out.push(OnDemandOutput::End(peer, ByeReason::Evicted));
        true
    }

    /// Among those that had their least life.
    fn least_recently_used(&self, now: Time) -> Option<Peer> {
        let is_old = |contact: &Contact| {
            let since = contact.up_since();
            since.is_some_and(|since| now.since(since) >= self.config.life_min)
        };
        let old = self.contacts.iter().filter(|(_, contact)| is_old(contact));
        old.min_by_key(|&(&peer, contact)| (contact.used_at, peer))
            .map(|(&peer, _)| peer)
    }
}
