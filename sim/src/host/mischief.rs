//! Nodes that do not keep to the protocol: forwarders that tamper, and puppets that say anything.
//!
//! A puppet has a key and a transport like everybody, but no machine: the test is its machine.

use archipelago_core::wire::{CharterId, Control, CouncilBody, GroupBody, SessionId};
use archipelago_core::{Crypto, NodeId};
use bytes::Bytes;

use super::{Host, ProcessState};
use crate::event::Body;
use crate::names;
use crate::net::Net;

/// What a forwarding node does to envelopes of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tamper {
    /// Changes a byte of the sealed part.
    Alter,
    /// Sends each of them three times.
    Replay,
    /// Forwards nothing.
    Withhold,
    /// Says that somebody else sealed it.
    Forge,
}

/// What a broken node does wrong, as a machine would in which one check is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Its application is given every message twice: a channel that looks at no sequence.
    DeliverTwice,
    /// Its application is never given every third message: a channel that acknowledges too much.
    DeliverLess,
    /// It sends every row eight times: a reflector that forgets whom it told what.
    RowStorm,
    /// It tells twice that a member came up: a view that forgets what it told.
    UpTwice,
    /// It says that its council grants as soon as it knows of it: one that opens without the seals
    /// of those before.
    OpenUnsealed,
    /// It says that it promised nothing when it is sealed: rounds begin anew with each council.
    SealWithoutRound,
}

/// What a puppet knows: who is at the other end of its sessions, and what it was told there.
#[derive(Debug, Default)]
pub(crate) struct Puppet {
    pub(crate) heard: Vec<(SessionId, NodeId, Control)>,
}

impl Host {
    /// Makes this node a puppet.
    pub(crate) fn make_puppet(&mut self) {
        self.state = ProcessState::Running;
        self.node = None;
        self.puppet = Some(Puppet::default());
    }

    /// A puppet was told something.
    pub(super) fn on_puppet(&mut self, session: SessionId, batch: &mut Vec<Control>, net: &Net) {
        let (Some(puppet), Some(end)) = (&mut self.puppet, self.sessions.get(session)) else {
            return;
        };
        let peer = names::node_id(net.shared.seed, end.peer);
        puppet
            .heard
            .extend(batch.drain(..).map(|message| (session, peer, message)));
    }

    /// A puppet says something; no codec is in its way.
    pub(crate) fn say(&mut self, session: SessionId, message: Control, net: &mut Net) {
        let parcel = net.local.messages.wrap(message);
        self.transmit(session, Body::Control(parcel), 0, net);
    }

    /// This node's keys.
    pub(crate) fn crypto(&self) -> &dyn Crypto {
        &*self.crypto
    }

    /// What this node says of a council, where it is broken in that.
    pub(super) fn misjudge_council(&self, message: &mut Control) {
        let Control::Group(_, GroupBody::Council(council)) = message else {
            return;
        };
        let CouncilBody::Sealed { round, open } = &mut council.body else {
            return;
        };
        match self.mutant {
            Some(Mutant::OpenUnsealed) => {
                *open = Some(CharterId {
                    epoch: u64::MAX,
                    hash: u64::MAX,
                });
            }
            Some(Mutant::SealWithoutRound) => *round = 0,
            _ => {}
        }
    }

    /// What leaves instead of `message`, where this node tampers.
    pub(super) fn tampered(&mut self, message: Control) -> Vec<Control> {
        let (Some(tamper), Control::Envelope(envelope)) = (self.tamper, &message) else {
            return vec![message];
        };
        if envelope.source == self.id {
            return vec![message];
        }
        self.tampered_count += 1;
        let mut changed = envelope.clone();
        match tamper {
            Tamper::Withhold => Vec::new(),
            Tamper::Replay => vec![message.clone(), message.clone(), message],
            Tamper::Alter => {
                let mut bytes = changed.sealed.bytes.to_vec();
                let index = self.random.index(bytes.len());
                if let Some(byte) = bytes.get_mut(index) {
                    *byte ^= 0x40;
                }
                changed.sealed.bytes = Bytes::from(bytes);
                vec![Control::Envelope(changed)]
            }
            Tamper::Forge => {
                changed.source = self.id;
                vec![Control::Envelope(changed)]
            }
        }
    }
}
