//! What becomes of a peer as its sessions come, change and go.

use archipelago_core::channel::Path;
use archipelago_core::wire::{ByeReason, Control, SessionId};
use archipelago_core::{GroupId, Peer, Time};
use archipelago_sgroup::DialTarget;

use super::{CloseReason, Event, Node, Output, Outputs, SessionKind};
use crate::on_demand::SessionEnd;
use crate::sessions::{Last, Purpose, SessionOutput};

impl Node {
    pub(super) fn on_session_output(
        &mut self,
        output: SessionOutput,
        now: Time,
        out: &mut Outputs,
    ) {
        match output {
            SessionOutput::Send(session, message) => self.put(session, message, now, out),
            SessionOutput::Close(session, reason) => {
                self.counters.count(reason);
                out.push(Output::Close { session, reason });
            }
            SessionOutput::Ready(peer) => self.on_ready(peer, now, out),
            SessionOutput::Moved { peer, from, to } => self.on_moved(peer, from, to, now, out),
            SessionOutput::Ended { peer, last, reason } => {
                self.on_ended(peer, last, reason, now, out);
            }
            SessionOutput::Failed(peer) => {
                self.fail_waiting(peer, now);
                self.sweep_later(now);
            }
            SessionOutput::Quiet(peer) => self.ping(peer, now, out),
            SessionOutput::Renewed(peer) => self.on_renewed(peer, out),
        }
    }

    /// Why a session with the peer exists.
    pub(super) fn kind(&self, peer: Peer) -> SessionKind {
        let mut groups = self.groups.values();
        if groups.any(|group| group.is_admitted(peer) || group.holds(peer)) {
            return SessionKind::Group;
        }
        if self.is_client_session(peer) {
            return SessionKind::Client;
        }
        if self.on_demand.has_session(peer) {
            return SessionKind::OnDemand;
        }
        SessionKind::Pending
    }

    /// The first session of a peer: every group may try it.
    fn on_ready(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        self.end_detour(peer, out);
        let purposes = self.dials.take_purposes(peer);
        self.with_each_group(now, |id, group, cx, said| {
            let target = dialled(&purposes, id);
            group.handle_session_ready(peer, target, cx, said);
        });
        self.with_each_client(now, |id, client, cx, said| {
            let target = dialled(&purposes, id);
            client.handle_session_ready(peer, target, cx, said);
        });
        self.invite_on_session(&purposes, now, out);
        self.with_reflect(now, |reflect, cx, said| {
            reflect.handle_session_ready(peer, cx, said)
        });
        self.with_on_demand(now, |on_demand, cx, said| {
            on_demand.handle_session_ready(peer, cx, said);
        });
    }

    /// Another session of the same peer took over: its groups go on, whoever dialled is answered.
    fn on_moved(&mut self, peer: Peer, from: Last, to: SessionId, now: Time, out: &mut Outputs) {
        // The other one has just shown that it carries both ways.
        let was_bypassed = self.detours.end_bypass(peer);
        if from.was_attached || was_bypassed {
            self.attach(peer, now, out);
        }
        if from.was_attached {
            let path = Path::Direct(from.id);
            let peer = self.base.peers.id(peer);
            out.push(Output::DetachPath { peer, path });
        }
        self.end_detour(peer, out);
        if was_bypassed {
            self.ping(peer, now, out);
        }
        let _ = to;
        let purposes = self.dials.take_purposes(peer);
        self.with_each_group(now, |id, group, cx, said| {
            // Who was not answered on the other one asks again here.
            let target = dialled(&purposes, id);
            if target.is_some() || !group.is_admitted(peer) {
                group.handle_session_ready(peer, target, cx, said);
            }
        });
        self.with_each_client(now, |id, client, cx, said| {
            let target = dialled(&purposes, id);
            client.handle_session_ready(peer, target, cx, said);
        });
        self.invite_on_session(&purposes, now, out);
        self.with_on_demand(now, |on_demand, cx, said| {
            on_demand.handle_session_ready(peer, cx, said);
        });
    }

    /// Invitations that the session was dialled for.
    fn invite_on_session(&mut self, purposes: &[Purpose], now: Time, out: &mut Outputs) {
        for purpose in purposes {
            if let Purpose::Invite(group, ticket, node) = *purpose {
                self.on_invite_ready((group, ticket, node), now, out);
            }
        }
    }

    fn on_ended(
        &mut self,
        peer: Peer,
        last: Last,
        reason: Option<CloseReason>,
        now: Time,
        out: &mut Outputs,
    ) {
        let name = self.base.peers.id(peer);
        if last.was_attached {
            let path = Path::Direct(last.id);
            out.push(Output::DetachPath { peer: name, path });
        }
        if let Some(kind) = last.shown {
            let peer = name;
            self.tell(Event::SessionDown { peer, kind, reason }, out);
        }
        self.pulse.forget(peer);
        self.sweep_later(now);
        let end = session_end(reason);
        self.with_on_demand(now, |on_demand, cx, said| {
            on_demand.handle_session_ended(peer, end, cx.now, said);
        });
        if end != SessionEnd::Agreed {
            self.purge(&name);
        }
        if self.lookups.is_some() {
            self.with_lookups(now, |lookups, routes, cx, said| {
                lookups.handle_session_closed(peer, routes, cx, said);
            });
        }
        self.with_reflect(now, |reflect, cx, said| {
            reflect.handle_session_closed(peer, cx, said)
        });
        self.with_groups(now, |group, cx, said| {
            group.handle_session_closed(peer, cx, said)
        });
        self.with_each_client(now, |_, client, cx, said| {
            client.handle_session_closed(peer, cx, said);
        });
        let was_bypassed = self.detours.end_bypass(peer);
        // Where a session of the peer's later start ended it, that one is used already.
        if was_bypassed && self.session_of(peer).is_none() {
            self.go_on_detoured(peer, now);
        } else {
            self.end_detour(peer, out);
        }
    }

    /// The peer's boot was raised before it was final: its channel speaks to the new one.
    fn on_renewed(&mut self, peer: Peer, out: &mut Outputs) {
        let Some(state) = self.base.peers.get(peer) else {
            return;
        };
        let Some(session) = state.session.and_then(|id| self.sessions.get(id)) else {
            return;
        };
        if session.is_attached {
            out.push(Output::AttachPath {
                peer: state.id(),
                boot: state.boot(),
                path: Path::Direct(session.id),
            });
        }
    }

    pub(super) fn on_admitted(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        self.life.settle_boot();
        self.doubtful.remove(&peer);
        self.with_on_demand(now, |on_demand, _, said| {
            on_demand.handle_admitted(peer, said);
        });
        match self.session_of(peer) {
            Some(_) => self.attach(peer, now, out),
            None => self.attach_detour(peer, out),
        }
    }

    /// The peer's session is justified: its data may flow, and watchers hear of it, once.
    pub(super) fn attach(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        if self.detours.is_bypassed(peer) {
            return self.attach_detour(peer, out);
        }
        let kind = self.kind(peer);
        let Some(state) = self.base.peers.get(peer) else {
            return;
        };
        let (name, boot, Some(id)) = (state.id(), state.boot(), state.session) else {
            return;
        };
        self.waiting.remove(&peer);
        self.sessions.hold(id, true, &self.base.peers, now);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let was_attached = std::mem::replace(&mut session.is_attached, true);
        let was_shown = session
            .shown
            .replace(session.shown.unwrap_or(kind))
            .is_some();
        if !was_attached {
            let path = Path::Direct(id);
            out.push(Output::AttachPath {
                peer: name,
                boot,
                path,
            });
        }
        if !was_shown {
            self.tell(Event::SessionUp { peer: name, kind }, out);
        }
    }

    pub(super) fn on_released(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        if self.common_group(peer).is_none() {
            self.end_detour(peer, out);
            if !self.is_doubtful(peer) {
                self.fail_contact(peer, out);
            }
        }
        if self.kind(peer) == SessionKind::Pending {
            let session = self.base.peers.get(peer).and_then(|state| state.session);
            if let Some(session) = session {
                self.sessions.hold(session, false, &self.base.peers, now);
            }
        }
    }

    /// A group was left: sessions that it alone justified end.
    pub(super) fn release_unused(&mut self, now: Time, out: &mut Outputs) {
        let peers: Vec<Peer> = self.base.peers.iter().map(|(peer, _)| peer).collect();
        for peer in peers {
            self.on_released(peer, now, out);
        }
    }

    /// A connection that cannot be used at all.
    pub(super) fn refuse_session(&self, session: SessionId, out: &mut Outputs) {
        let reason = ByeReason::Overloaded;
        let message = Control::Bye(reason);
        out.push(Output::Send { session, message });
        let reason = CloseReason::Bye(reason);
        out.push(Output::Close { session, reason });
    }
}

/// Which target of a group a session answers.
fn dialled(purposes: &[Purpose], id: GroupId) -> Option<DialTarget> {
    purposes.iter().find_map(|purpose| match purpose {
        Purpose::Group(group, target) if *group == id => Some(*target),
        _ => None,
    })
}

/// What the end of a session says about the peer.
const fn session_end(reason: Option<CloseReason>) -> SessionEnd {
    match reason {
        Some(CloseReason::Bye(reason)) => match reason {
            ByeReason::Idle | ByeReason::Evicted | ByeReason::Duplicate => SessionEnd::Agreed,
            ByeReason::Shutdown => SessionEnd::Lost,
            _ => SessionEnd::Refused,
        },
        Some(CloseReason::HelloTimeout | CloseReason::Silent) | None => SessionEnd::Lost,
    }
}
