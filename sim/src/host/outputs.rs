//! Does what the control machine says, one output after the other, as the live driver does.

use archipelago_core::channel::Path;
use archipelago_core::wire::{Control, RouteBody, SessionId, codec};
use archipelago_router::Output;

use super::{Host, Mutant};
use crate::event::Body;
use crate::names;
use crate::net::Net;
use crate::observe::Observation;
use crate::trace;

impl Host {
    /// Does one thing that the control machine asked for. Never enters the machine.
    pub(super) fn apply(&mut self, output: Output, net: &mut Net) {
        match output {
            Output::Send { session, message } => self.send_control(session, message, net),
            Output::Dial {
                dial,
                peer,
                addresses,
            } => self.dial(dial, peer, addresses, net),
            Output::Close { session, reason } => {
                if let Some(end) = self.sessions.get(session) {
                    let peer = names::node_id(net.shared.seed, end.peer);
                    self.observe(Observation::SessionClosed { peer, reason }, net);
                }
                self.close(session, net);
            }
            Output::AttachPath { peer, boot, path } => {
                self.observe(Observation::PathAttached { peer, path }, net);
                self.attach(names::node_of(&peer), boot, path, net);
            }
            Output::DetachPath { peer, path } => self.detach(names::node_of(&peer), path, net),
            Output::FramesArrived {
                peer,
                boot,
                path,
                frames,
            } => self.on_forwarded(names::node_of(&peer), boot, path, &frames, net),
            Output::Unreachable { peer, reason } => {
                self.observe(Observation::Unreachable { peer, reason }, net);
                self.on_unreachable(names::node_of(&peer), reason, net);
            }
            Output::Letter {
                to,
                home,
                after,
                letter,
            } => self.post(to, home, after, &letter, net),
            Output::Duty { group, output } => self.on_duty(group, output),
            Output::Registry { group, change } => self.on_registry(group, &change),
            Output::Observe(local) => self.observe_process(local),
            Output::NameFound { request, result } => self.on_name_found(request, result, net),
            Output::Name { group, output } => self.on_name(group, output, net),
            Output::Strict { group, event } => {
                self.observe(Observation::Strict { group, event }, net);
            }
            Output::Event(event) => {
                self.follow_group(&event);
                self.observe(Observation::Event(event), net);
            }
            Output::Changed {
                ticket,
                kind,
                results,
                ..
            } => {
                let changed = Observation::Changed {
                    ticket,
                    kind,
                    results,
                };
                self.observe(changed, net);
            }
            Output::Stopped => self.stopped = true,
            _ => {}
        }
    }

    fn send_control(&mut self, session: SessionId, mut message: Control, net: &mut Net) {
        if self.mutant.is_some() {
            self.misjudge_council(&mut message);
        }
        let is_row = matches!(message, Control::Route(RouteBody::Row { .. }));
        if is_row && self.mutant == Some(Mutant::RowStorm) {
            for _ in 0..7 {
                self.send_honestly(session, message.clone(), net);
            }
        }
        if self.tamper.is_none() {
            return self.send_honestly(session, message, net);
        }
        for message in self.tampered(message) {
            self.send_honestly(session, message, net);
        }
    }

    fn send_honestly(&mut self, session: SessionId, message: Control, net: &mut Net) {
        if !net.shared.codec {
            let bytes = if net.shared.links.is_shaped() {
                trace::digest(&message).1 as u64
            } else {
                0
            };
            let parcel = net.local.messages.wrap(message);
            return self.transmit(session, Body::Control(parcel), bytes, net);
        }
        let mut encoded = Vec::new();
        codec::encode(&message, &mut encoded).expect("machines say only what can be encoded");
        let decoded = codec::decode(&encoded).expect("what one end encodes the other decodes");
        let parcel = net.local.messages.wrap(decoded);
        self.transmit(session, Body::Control(parcel), encoded.len() as u64, net);
    }
}

/// Whether a path is a session of its own.
pub(super) const fn direct(path: Path) -> Option<SessionId> {
    match path {
        Path::Direct(session) => Some(session),
        Path::Relay | Path::Detour => None,
    }
}
