//! Which machine each control message is for.

use archipelago_core::wire::{ByeReason, Control, GroupBody, SessionId};
use archipelago_core::{GroupId, Peer, Time};
use archipelago_sgroup::{By, Origin};

use super::{Node, Outputs, Via, Work};
use crate::sessions::SessionOutputs;

impl Node {
    /// Anything that arrives is a sign of life.
    pub(super) fn touch(&mut self, session: SessionId, now: Time) {
        let peer = self.sessions.get(session).map(|session| session.peer);
        if let Some(state) = peer.and_then(|peer| self.base.peers.get_mut(peer)) {
            state.last_heard = now;
        }
    }

    pub(super) fn admit(&mut self, session: SessionId, message: &Control, now: Time) -> bool {
        // Not by `with_sessions`: to let a message pass moves no deadline.
        let mut said = SessionOutputs::new();
        let mut cx = self.base.context(now);
        let is_admitted = self.sessions.admit(session, message, &mut cx, &mut said);
        if !said.is_empty() {
            self.work.extend(said.into_iter().map(Work::Session));
        }
        is_admitted
    }

    pub(super) fn on_message(
        &mut self,
        session: SessionId,
        message: Control,
        now: Time,
        out: &mut Outputs,
    ) {
        let Some(from) = self.origin(session) else {
            return;
        };
        self.answering = Some((from.peer, Via::Session(session)));
        match message {
            Control::Hello(hello) => self.with_sessions(now, |sessions, cx, said| {
                sessions.handle_hello(session, &hello, cx, said);
            }),
            Control::Bye(reason) => self.with_sessions(now, |sessions, cx, said| {
                sessions.handle_bye(session, reason, cx, said);
            }),
            Control::Ping(number) => self.send(session, Control::Pong(number), now, out),
            Control::Pong(number) => {
                self.on_direct_pong(session, from.peer, number, now, out);
            }
            Control::Group(group, body) => {
                self.on_group_message(session, group, from, body, now, out)
            }
            Control::Route(body) => self.on_route(from.peer, body, now),
            Control::Envelope(envelope) => self.on_envelope(from.peer, envelope, now),
            Control::Introduce(signed) => self.on_introduce(session, from.peer, &signed, now),
            Control::IdlePropose => self.with_on_demand(now, |on_demand, cx, said| {
                on_demand.handle_idle_propose(from.peer, cx, said);
            }),
            Control::IdleAgree => self.end_session(from.peer, ByeReason::Idle, now),
        }
    }

    /// Who speaks on a session, and under which transcript.
    fn origin(&self, session: SessionId) -> Option<Origin> {
        let transcript = self.sessions.transcript(session, &self.base.peers)?;
        self.sessions.get(session).map(|session| Origin {
            peer: session.peer,
            transcript,
            by: By::Session,
        })
    }

    /// Measures the round trip; groups hear of the pong from who knows how it came.
    pub(super) fn on_pong(&mut self, peer: Peer, number: u32, now: Time) {
        if let Some(state) = self.base.peers.get_mut(peer) {
            self.pulse.handle_pong(peer, number, state, now);
        }
    }

    fn on_group_message(
        &mut self,
        session: SessionId,
        id: GroupId,
        from: Origin,
        body: GroupBody,
        now: Time,
        out: &mut Outputs,
    ) {
        match body {
            GroupBody::Invite(invite) => {
                return self.on_invite(from.peer, id, &invite, now, out);
            }
            GroupBody::InviteReply(reply) => {
                return self.on_invite_reply(from.peer, *reply, now, out);
            }
            _ => {}
        }
        let id = self.open_group(id, &body).unwrap_or(id);
        if self.groups.contains_key(&id) {
            return self.with_group(id, now, |group, cx, said| {
                group.handle_message(from, body, cx, said);
            });
        }
        let body = match self.on_client_message(id, from, body, now) {
            Ok(()) => return,
            Err(body) => body,
        };
        self.counters.unknown_group = self.counters.unknown_group.saturating_add(1);
        let answer = match body {
            GroupBody::Join(_) => Some(self.answer_join(id, now)),
            // Taken for a member: this node left before it knew of the other, or the other did not
            // hear of it. Their session serves other groups, and would not betray it.
            GroupBody::Heartbeat { .. } => Some(GroupBody::Leave),
            _ => None,
        };
        if let Some(answer) = answer {
            self.send(session, Control::Group(id, answer), now, out);
        }
        self.with_sessions(now, |sessions, cx, said| sessions.strike(session, cx, said));
    }
}
