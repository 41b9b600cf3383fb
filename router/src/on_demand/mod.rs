//! Sessions outside any group: looked up, relayed at first, dialled when worth it, closed when idle.
//!
//! ```text
//!  Contact ─► LookUp ─► found ─► relay attached ─► demand beyond threshold ─► Dial ─► Introduce
//!                 └► Unreachable        (relay off: dial at once)        └► refused: stays on relay
//! ```
//! It promises that on-demand sessions stay within the budget, that none is evicted before its
//! least life, and that an idle one closes with both ends agreed. It never touches a session that
//! a group justifies, and never sees a payload.
//!
//! Source: on-demand connections of SD Erlang; budget, eviction and agreement are ours.
//! Cost: about 120 bytes per contact; O(log n) per input, O(n) for a dial.

mod budget;
mod contact;
mod idle;
mod introduction;
mod link;

#[cfg(test)]
mod tests;

pub(crate) use introduction::is_valid;
pub(crate) use link::SessionEnd;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::footprint::{map_bytes, set_bytes};
use archipelago_core::wire::{ByeReason, SignedIntroduction};
use archipelago_core::{Context, GroupId, Peer, Roles, Time};

use crate::node::Unreachable;
use contact::{Contact, Link, Search};

/// Nodes that are talked to at once, on whatever path.
const CONTACTS_MAX: usize = 4_096;
/// Between two dials to a node that could not be reached.
const REDIAL: Duration = Duration::from_secs(10);

/// What on-demand sessions ask of their caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OnDemandOutput {
    /// Find the peer through this group's reflectors.
    LookUp(Peer, GroupId),
    /// Open a session; answered by `handle_session_ready` or `handle_dial_failed`.
    Dial(Peer),
    /// Show this on the session that is ready.
    Introduce(Peer, Arc<SignedIntroduction>),
    /// The peer's session is justified.
    Hold(Peer),
    /// The relay may be used.
    AttachRelay(Peer),
    /// It no longer may.
    DetachRelay(Peer),
    /// Ask the other end whether it is idle too.
    ProposeIdle(Peer),
    /// It is, and this end sends nothing more.
    AgreeIdle(Peer),
    /// End the peer's session, unless a group justifies it.
    End(Peer, ByeReason),
    /// What waits for the peer fails.
    Unreachable(Peer, Unreachable),
}

/// The caller's buffer.
pub(crate) type OnDemandOutputs = Vec<OnDemandOutput>;

/// Limits and times, from the node's configuration.
#[derive(Clone, Debug)]
pub(crate) struct OnDemandConfig {
    /// Unused time after which a session closes.
    pub(crate) idle_timeout: Duration,
    /// Sessions at once.
    pub(crate) sessions_max: usize,
    /// Shortest life before an eviction.
    pub(crate) life_min: Duration,
    /// Messages and bytes on relay beyond which is dialled.
    pub(crate) threshold: (u32, u32),
    /// Whether the relay may be used at all.
    pub(crate) relay: bool,
}

/// The nodes that are talked to outside groups.
#[derive(Debug)]
pub(crate) struct OnDemand {
    config: OnDemandConfig,
    contacts: BTreeMap<Peer, Contact>,
    queue: BTreeSet<(Time, Peer)>,
}

impl OnDemand {
    /// What it holds on the heap, about.
    pub(crate) fn heap_bytes(&self) -> usize {
        map_bytes(&self.contacts) + set_bytes(&self.queue)
    }

    /// Nobody is talked to.
    pub(crate) const fn new(config: OnDemandConfig) -> Self {
        Self {
            config,
            contacts: BTreeMap::new(),
            queue: BTreeSet::new(),
        }
    }

    /// There is something to send and no path.
    pub(crate) fn handle_contact(
        &mut self,
        peer: Peer,
        home: Option<GroupId>,
        cx: &mut Context<'_>,
        out: &mut OnDemandOutputs,
    ) {
        let Some(contact) = self.enter(peer, home, cx) else {
            return out.push(OnDemandOutput::Unreachable(peer, Unreachable::Overloaded));
        };
        contact.home = home.or(contact.home);
        contact.used_at = cx.now;
        if contact.has_session() {
            return out.push(OnDemandOutput::Hold(peer));
        }
        if contact.is_relayed {
            return out.push(OnDemandOutput::AttachRelay(peer));
        }
        if contact.link == Link::Dialling || contact.search == Search::Path {
            return;
        }
        self.search(peer, Search::Path, out);
    }

    /// So much was sent on relay.
    pub(crate) fn handle_demand(
        &mut self,
        peer: Peer,
        traffic: (u32, u32),
        cx: &mut Context<'_>,
        out: &mut OnDemandOutputs,
    ) {
        let threshold = self.config.threshold;
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        contact.used_at = cx.now;
        if contact.demand.add(traffic, threshold, cx.now) {
            self.reach_out(peer, cx, out);
        }
    }

    /// The look-up found the peer: `peers` has its record.
    pub(crate) fn handle_found(
        &mut self,
        peer: Peer,
        key: Arc<SignedIntroduction>,
        cx: &mut Context<'_>,
        out: &mut OnDemandOutputs,
    ) {
        let relay = self.config.relay;
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        contact.key = Some((key, cx.now));
        let search = std::mem::replace(&mut contact.search, Search::Rest);
        if search == Search::Path && relay && !contact.has_session() {
            contact.is_relayed = true;
            return out.push(OnDemandOutput::AttachRelay(peer));
        }
        if search != Search::Rest {
            self.reach_out(peer, cx, out);
        }
    }

    /// The look-up found nothing.
    pub(crate) fn handle_lookup_failed(
        &mut self,
        peer: Peer,
        reason: Unreachable,
        cx: &mut Context<'_>,
        out: &mut OnDemandOutputs,
    ) {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        let search = std::mem::replace(&mut contact.search, Search::Rest);
        let is_gone = matches!(reason, Unreachable::Gone | Unreachable::NotFound);
        if search == Search::Key && !is_gone {
            contact.link = Link::Refused(cx.now.after(REDIAL));
        } else if search != Search::Rest && !contact.has_session() {
            self.fail(peer, reason, out);
        }
    }

    /// Sealed frames came from the peer by relay: answers go the same way. `false` when there is
    /// no room for one more, and the frames are not taken.
    pub(crate) fn handle_relayed(
        &mut self,
        peer: Peer,
        home: Option<GroupId>,
        cx: &mut Context<'_>,
        out: &mut OnDemandOutputs,
    ) -> bool {
        if !self.config.relay {
            return false;
        }
        let Some(contact) = self.enter(peer, home, cx) else {
            return false;
        };
        contact.used_at = cx.now;
        if !contact.is_relayed {
            contact.is_relayed = true;
            out.push(OnDemandOutput::AttachRelay(peer));
        }
        true
    }

    /// Nothing comes back by relay, whatever way it takes: what is sent next looks the peer up.
    pub(crate) fn handle_relay_silent(&mut self, peer: Peer, out: &mut OnDemandOutputs) {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        if contact.is_relayed && !contact.has_session() && contact.search == Search::Rest {
            contact.key = None;
            self.search(peer, Search::Path, out);
        }
    }

    /// Data went either way on the peer's session or relay.
    pub(crate) fn handle_activity(&mut self, peer: Peer, now: Time) {
        if let Some(contact) = self.contacts.get_mut(&peer) {
            contact.used_at = now;
        }
    }

    /// Whether the peer's session is justified by traffic.
    pub(crate) fn has_session(&self, peer: Peer) -> bool {
        let contact = self.contacts.get(&peer);
        contact.is_some_and(Contact::has_session)
    }

    /// Whether anything is known of the peer here.
    pub(crate) fn knows(&self, peer: Peer) -> bool {
        self.contacts.contains_key(&peer)
    }
}

/// From wanting a session to dialling it.
impl OnDemand {
    /// Dials with an introduction that is still good, or gets one first.
    fn reach_out(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut OnDemandOutputs) {
        let Some(contact) = self.contacts.get(&peer) else {
            return;
        };
        let is_waiting = match contact.link {
            Link::None => contact.search != Search::Rest,
            Link::Refused(until) => until > cx.now,
            Link::Dialling | Link::Up(_) | Link::Proposed(_) => true,
        };
        if is_waiting {
            return;
        }
        if !is_dialable(peer, cx) {
            return self.refuse(peer, Unreachable::DialFailed, cx.now, out);
        }
        if contact.fresh_key(cx.now).is_none() {
            return self.search(peer, Search::Key, out);
        }
        if !self.make_room(cx.now, out) {
            return self.refuse(peer, Unreachable::Overloaded, cx.now, out);
        }
        if let Some(contact) = self.contacts.get_mut(&peer) {
            contact.link = Link::Dialling;
            out.push(OnDemandOutput::Dial(peer));
        }
    }

    /// No direct session for a while: the relay goes on, or what waits fails.
    fn refuse(&mut self, peer: Peer, reason: Unreachable, now: Time, out: &mut OnDemandOutputs) {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        contact.link = Link::Refused(now.after(REDIAL));
        if !contact.is_relayed {
            self.fail(peer, reason, out);
        }
    }

    fn search(&mut self, peer: Peer, search: Search, out: &mut OnDemandOutputs) {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        if let Some(home) = contact.home {
            contact.search = search;
            return out.push(OnDemandOutput::LookUp(peer, home));
        }
        if search == Search::Path {
            self.fail(peer, Unreachable::NoHome, out);
        }
    }

    fn fail(&mut self, peer: Peer, reason: Unreachable, out: &mut OnDemandOutputs) {
        self.drop_contact(peer, out);
        out.push(OnDemandOutput::Unreachable(peer, reason));
    }
}

/// The table itself.
impl OnDemand {
    fn enter(
        &mut self,
        peer: Peer,
        home: Option<GroupId>,
        cx: &mut Context<'_>,
    ) -> Option<&mut Contact> {
        if !self.contacts.contains_key(&peer) {
            if self.contacts.len() >= CONTACTS_MAX {
                return None;
            }
            self.contacts.insert(peer, Contact::new(home, cx.now));
            self.set_due(peer, cx.now.after(2 * self.config.idle_timeout));
        }
        let contact = self.contacts.get_mut(&peer)?;
        contact.home = contact.home.or(home);
        Some(contact)
    }

    fn drop_contact(&mut self, peer: Peer, out: &mut OnDemandOutputs) {
        let Some(contact) = self.contacts.remove(&peer) else {
            return;
        };
        self.queue.remove(&(contact.due, peer));
        if contact.is_relayed {
            out.push(OnDemandOutput::DetachRelay(peer));
        }
    }

    fn set_due(&mut self, peer: Peer, due: Time) {
        let Some(contact) = self.contacts.get_mut(&peer) else {
            return;
        };
        let before = std::mem::replace(&mut contact.due, due);
        self.queue.remove(&(before, peer));
        self.queue.insert((due, peer));
    }
}

fn is_dialable(peer: Peer, cx: &Context<'_>) -> bool {
    let record = cx.peers.get(peer).and_then(|state| state.record());
    record.is_none_or(|signed| {
        !signed.record.roles.contains(Roles::UNDIALABLE) && !signed.record.addresses.is_empty()
    })
}
