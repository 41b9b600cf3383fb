//! Verbs for attacks: nodes that tamper with what they forward, and nodes that a test speaks for.

use archipelago_core::wire::{Control, SessionId};
use archipelago_core::{Crypto, NodeId};

use super::{NodeIx, World};
use crate::host::{Mutant, Tamper};

impl World {
    /// From now on `node` does this to the envelopes of others; `None`: it is honest again.
    pub fn tamper(&mut self, node: NodeIx, tamper: Option<Tamper>) {
        self.host_mut(node).tamper = tamper;
    }

    /// From now on `node` has this fault; `None`: it is whole again. For tests of checkers.
    pub fn mutate(&mut self, node: NodeIx, mutant: Option<Mutant>) {
        self.host_mut(node).mutant = mutant;
    }

    /// How often a node tampered.
    pub fn tampered(&self, node: NodeIx) -> u64 {
        self.host(node).tampered_count
    }

    /// Lets the test speak for a node that was not started.
    pub fn make_puppet(&mut self, node: NodeIx) {
        self.host_mut(node).make_puppet();
    }

    /// A puppet dials. The session is open after a round trip.
    pub fn puppet_dial(&mut self, puppet: NodeIx, target: NodeIx) -> SessionId {
        self.with(puppet, |host, net| host.dial_as_puppet(target.0, net))
    }

    /// A puppet says something on a session.
    pub fn puppet_say(&mut self, puppet: NodeIx, session: SessionId, message: Control) {
        self.with(puppet, |host, net| host.say(session, message, net));
    }

    /// Everything that a puppet was told: on which session, by whom, what.
    pub fn puppet_heard(&self, puppet: NodeIx) -> &[(SessionId, NodeId, Control)] {
        let heard = self.host(puppet).puppet.as_ref();
        heard.map_or(&[], |puppet| puppet.heard.as_slice())
    }

    /// Whether a puppet's session is still there.
    pub fn is_session_open(&self, node: NodeIx, session: SessionId) -> bool {
        self.host(node).sessions.get(session).is_some()
    }

    /// A node's keys.
    pub fn crypto(&self, node: NodeIx) -> &dyn Crypto {
        self.host(node).crypto()
    }
}
