//! From the dial to the end of a direct session.

use std::sync::Arc;

use archipelago_core::wire::{ByeReason, SignedIntroduction};
use archipelago_core::{Boot, Context, GroupId, Peer, Time};

use super::contact::{Contact, Link, Search};
use super::{OnDemand, OnDemandOutput, OnDemandOutputs, Unreachable};

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// Idle or evicted: the peer is there, and will be tomorrow.
    Agreed,
    /// The peer does not want it: not tried again for a while.
    Refused,
    /// The peer may be gone, or another start of it: what is sent next looks it up anew.
    Lost,
}

impl OnDemand {
    /// The dial came to nothing.
    pub(crate) fn handle_dial_failed(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut OnDemandOutputs,
    ) {
        let contact = self.contacts.get(&peer);
        if contact.is_some_and(|contact| contact.link == Link::Dialling) {
            self.refuse(peer, Unreachable::DialFailed, cx.now, out);
        }
    }

    /// The session that was dialled is ready, or the peer dialled one in the same moment.
    pub(crate) fn handle_session_ready(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut OnDemandOutputs,
    ) {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        if contact.link != Link::Dialling {
            return;
        }
        let boot = cx.peers.get(peer).map(archipelago_core::PeerState::boot);
        let fits = |key: &&Arc<SignedIntroduction>| Some(key.introduction.target_boot) == boot;
        match contact.fresh_key(cx.now).filter(fits).cloned() {
            Some(key) => {
                out.push(OnDemandOutput::Introduce(peer, key));
                self.take_up(peer, cx, out);
            }
            None => self.renew_key(peer, boot, cx.now, out),
        }
    }

    /// Another start of the peer than was looked up. A later one is looked up anew, while the
    /// session waits; an earlier one is about to end.
    fn renew_key(&mut self, peer: Peer, boot: Option<Boot>, now: Time, out: &mut OnDemandOutputs) {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        let key = contact.key.take();
        let is_behind = key.is_none_or(|(key, _)| Some(key.introduction.target_boot) < boot);
        if is_behind {
            contact.link = Link::None;
            return self.search(peer, Search::Key, out);
        }
        self.refuse(peer, Unreachable::DialFailed, now, out);
    }

    /// The peer's introduction was verified.
    pub(crate) fn handle_introduced(
        &mut self,
        peer: Peer,
        home: Option<GroupId>,
        cx: &mut Context<'_>,
        out: &mut OnDemandOutputs,
    ) {
        let is_counted = self.contacts.get(&peer).is_some_and(Contact::is_counted);
        let has_room = is_counted || self.make_room(cx.now, out);
        if !has_room || self.enter(peer, home, cx).is_none() {
            return out.push(OnDemandOutput::End(peer, ByeReason::Overloaded));
        }
        self.take_up(peer, cx, out);
    }

    /// The peer has no session any more.
    pub(crate) fn handle_session_ended(
        &mut self,
        peer: Peer,
        end: SessionEnd,
        now: Time,
        out: &mut OnDemandOutputs,
    ) {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        if !contact.has_session() {
            return;
        }
        contact.link = Link::None;
        match end {
            SessionEnd::Agreed if contact.is_relayed => {}
            SessionEnd::Refused => {
                contact.key = None;
                self.refuse(peer, Unreachable::Overloaded, now, out);
            }
            SessionEnd::Agreed | SessionEnd::Lost => self.drop_contact(peer, out),
        }
    }

    /// A group justifies the peer's session now, and with it whatever traffic there is.
    pub(crate) fn handle_admitted(&mut self, peer: Peer, out: &mut OnDemandOutputs) {
        self.drop_contact(peer, out);
    }

    fn take_up(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut OnDemandOutputs) {
        let idle_at = cx.now.after(cx.rng.jitter(self.config.idle_timeout));
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        if !contact.has_session() {
            contact.link = Link::Up(cx.now);
        }
        contact.used_at = cx.now;
        self.set_due(peer, idle_at);
        out.push(OnDemandOutput::Hold(peer));
    }
}
