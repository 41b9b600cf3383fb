//! Dials: an address is tried after the other until one answers with the right key.
//!
//! An open session takes the dialler one round trip and the dialled one and a half. A crashed
//! process refuses after a round trip, a stopped one leaves the dial hanging, a cut swallows it, and
//! so does the address translator of a node that cannot be dialled. Where handshakes take time of
//! the processor, each end does its own one after the other.

use std::sync::Arc;

use archipelago_core::wire::SessionId;
use archipelago_core::{Address, NodeId};
use archipelago_router::{DialId, SessionEvent};

use super::Host;
use crate::event::{Body, Event};
use crate::link::LinkState;
use crate::names;
use crate::net::Net;
use crate::observe::Observation;

/// A dial under way.
#[derive(Debug)]
pub(super) struct Pending {
    dial: DialId,
    expected: Option<NodeId>,
    addresses: Arc<[Address]>,
    /// Which address is tried next.
    next: usize,
}

impl Host {
    /// The machine asks for a session.
    pub(super) fn dial(
        &mut self,
        dial: DialId,
        expected: Option<NodeId>,
        addresses: Arc<[Address]>,
        net: &mut Net,
    ) {
        let pending = Pending {
            dial,
            expected,
            addresses,
            next: 0,
        };
        self.dial_next(pending, "no address", net);
    }

    /// Somebody dials this node: answer, and expect the confirmation.
    pub(super) fn on_syn(&mut self, source: u32, theirs: SessionId, net: &mut Net) {
        let session = self.sessions.open(source, Some(theirs));
        let wait = self.handshake(net);
        self.transmit_after(wait, session, (Body::Accepted, 0), net);
    }

    /// Nobody listens here.
    pub(super) fn refuse(&mut self, source: u32, theirs: SessionId, net: &mut Net) {
        if net.shared.links.state(self.ix, source) == LinkState::Up {
            let delay = net
                .shared
                .links
                .delay(self.ix, source, net.now, &mut self.random);
            let event = Event::Refused { session: theirs };
            self.push(net.now.after(delay), source, event, net);
        }
    }

    /// The dialled end answered: its key is proved.
    pub(super) fn on_accepted(&mut self, session: SessionId, net: &mut Net) {
        let Some(pending) = self.dials.remove(&session) else {
            return self.reset(session, net);
        };
        let Some(end) = self.sessions.get_mut(session) else {
            return;
        };
        let peer = names::node_id(net.shared.seed, end.peer);
        if pending.expected.is_some_and(|expected| expected != peer) {
            self.reset(session, net);
            return self.dial_next(pending, "another key than expected", net);
        }
        end.open();
        self.transmit(session, Body::Established, 0, net);
        let dial = Some(pending.dial);
        self.session_event(
            SessionEvent::Opened {
                session,
                peer,
                dial,
            },
            net,
        );
    }

    /// The dialling end confirmed.
    pub(super) fn on_established(&mut self, session: SessionId, net: &mut Net) {
        let Some(end) = self.sessions.get_mut(session) else {
            return;
        };
        end.open();
        let peer = names::node_id(net.shared.seed, end.peer);
        let dial = None;
        self.session_event(
            SessionEvent::Opened {
                session,
                peer,
                dial,
            },
            net,
        );
    }

    /// A dial was refused or took too long; late news of a finished dial are ignored.
    pub(super) fn on_dial_failed(
        &mut self,
        session: SessionId,
        reason: &'static str,
        net: &mut Net,
    ) {
        if let Some(pending) = self.dials.remove(&session) {
            self.sessions.close(session);
            self.dial_next(pending, reason, net);
        }
    }

    /// The dialled end broke off; its session is closed already.
    pub(super) fn on_dial_broken(&mut self, session: SessionId, net: &mut Net) {
        if let Some(pending) = self.dials.remove(&session) {
            self.dial_next(pending, "connection reset", net);
        }
    }

    /// Tries the next address, or reports `reason` when there is none.
    fn dial_next(&mut self, mut pending: Pending, reason: &'static str, net: &mut Net) {
        let Some(address) = pending.addresses.get(pending.next) else {
            let dial = pending.dial;
            return self.push(net.now, self.ix, Event::DialEnded { dial, reason }, net);
        };
        pending.next += 1;
        let target = names::listener(address).filter(|&target| target < net.shared.nodes);
        net.local.tally.dials += 1;
        self.observe(Observation::Dialled { target }, net);
        match target {
            None => self.dial_next(pending, "no such address", net),
            Some(target) if target == self.ix => self.dial_next(pending, "own address", net),
            Some(target) => {
                self.send_syn(pending, target, net);
            }
        }
    }

    /// A puppet dials; the session may be spoken on once the other end answered.
    pub(crate) fn dial_as_puppet(&mut self, target: u32, net: &mut Net) -> SessionId {
        let pending = Pending {
            dial: DialId(0),
            expected: None,
            addresses: Arc::from([names::address(target)]),
            next: 1,
        };
        self.send_syn(pending, target, net)
    }

    fn send_syn(&mut self, pending: Pending, target: u32, net: &mut Net) -> SessionId {
        let session = self.sessions.open(target, None);
        self.dials.insert(session, pending);
        let timeout = net.now.after(net.shared.dial_timeout);
        self.push(timeout, self.ix, Event::DialTimeout { session }, net);
        let is_heard = net.shared.links.is_dialable(target);
        if is_heard && net.shared.links.state(self.ix, target) == LinkState::Up {
            let delay = net
                .shared
                .links
                .delay(self.ix, target, net.now, &mut self.random);
            let wait = self.handshake(net);
            let arrival = net.now.after(wait).after(delay);
            self.push(arrival, target, Event::Syn { session }, net);
        }
        session
    }
}
