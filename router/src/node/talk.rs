//! Traffic outside groups: from a user's wish to a path, and what on-demand sessions say, done.

use archipelago_core::channel::Path;
use archipelago_core::wire::{ByeReason, Control, SessionId, SignedIntroduction};
use archipelago_core::{GroupId, NodeId, Peer, Time};

use super::{CloseReason, Node, Output, Outputs, SessionKind, Unreachable};
use crate::on_demand::{OnDemandOutput, is_valid};
use crate::sessions::{Purpose, Whom};
use crate::up::Atlas;

impl Node {
    /// There is something to send to a node and no path: by its session if it has one, else the
    /// long way. This node itself needs none (E17).
    pub(super) fn contact(
        &mut self,
        node: NodeId,
        home: Option<GroupId>,
        now: Time,
        out: &mut Outputs,
    ) {
        let interned = if node == self.base.me {
            Err(Unreachable::NotFound)
        } else {
            self.base
                .peers
                .intern(node)
                .map_err(|_| Unreachable::Overloaded)
        };
        let peer = match interned {
            Ok(peer) => peer,
            Err(reason) => return out.push(Output::Unreachable { peer: node, reason }),
        };
        if self.session_of(peer).is_some() && self.kind(peer) != SessionKind::Pending {
            return self.attach_again(peer, now, out);
        }
        if self.common_group(peer).is_some() || self.is_doubtful(peer) {
            return self.contact_member(peer, out);
        }
        self.sweep_later(now);
        self.with_on_demand(now, |on_demand, cx, said| {
            on_demand.handle_contact(peer, home, cx, said);
        });
    }

    /// A member without a session: its group dials it, or finds a detour, or declares it dead.
    fn contact_member(&mut self, peer: Peer, out: &mut Outputs) {
        self.waiting.insert(peer);
        let groups = self.groups.values();
        if groups.into_iter().any(|group| group.is_admitted(peer)) {
            self.attach_detour(peer, out);
        }
    }

    /// The member is gone: what waits for it fails.
    pub(super) fn fail_contact(&mut self, peer: Peer, out: &mut Outputs) {
        if self.waiting.remove(&peer) {
            out.push(Output::Unreachable {
                peer: self.base.peers.id(peer),
                reason: Unreachable::Gone,
            });
        }
    }

    /// The data plane asks although it was told: it is told again.
    fn attach_again(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        let session = self.session_of(peer);
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) {
            session.is_attached = false;
        }
        self.attach(peer, now, out);
    }

    pub(super) fn demand(&mut self, node: NodeId, traffic: (u32, u32), now: Time) {
        if let Some(peer) = self.base.peers.find(&node) {
            self.with_on_demand(now, |on_demand, cx, said| {
                on_demand.handle_demand(peer, traffic, cx, said);
            });
        }
    }

    pub(super) fn activity(&mut self, session: SessionId, now: Time) {
        let peer = self.sessions.get(session).map(|session| session.peer);
        if let Some(peer) = peer {
            self.on_demand.handle_activity(peer, now);
            self.with_groups(now, |group, cx, said| group.handle_activity(peer, cx, said));
        }
    }

    pub(super) fn on_on_demand_output(
        &mut self,
        output: OnDemandOutput,
        now: Time,
        out: &mut Outputs,
    ) {
        match output {
            OnDemandOutput::LookUp(peer, home) => self.look_up(peer, home, now, out),
            OnDemandOutput::Dial(peer) => self.dial_on_demand(peer, now, out),
            OnDemandOutput::Introduce(peer, signed) => {
                let signed = Box::new((*signed).clone());
                self.send_to(peer, Control::Introduce(signed), now, out);
            }
            OnDemandOutput::Hold(peer) => self.attach(peer, now, out),
            OnDemandOutput::AttachRelay(peer) => self.attach_relay(peer, out),
            OnDemandOutput::DetachRelay(peer) => out.push(Output::DetachPath {
                peer: self.base.peers.id(peer),
                path: Path::Relay,
            }),
            OnDemandOutput::ProposeIdle(peer) => {
                self.send_to(peer, Control::IdlePropose, now, out);
            }
            OnDemandOutput::AgreeIdle(peer) => self.agree_idle(peer, now, out),
            OnDemandOutput::End(peer, reason) => self.end_session(peer, reason, now),
            OnDemandOutput::Unreachable(peer, reason) => out.push(Output::Unreachable {
                peer: self.base.peers.id(peer),
                reason,
            }),
        }
    }

    /// A session may have come by itself in the meantime, and waits for an introduction.
    fn dial_on_demand(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        let Some(state) = self.base.peers.get(peer) else {
            return;
        };
        if state.session.is_some() {
            return self.with_on_demand(now, |on_demand, cx, said| {
                on_demand.handle_session_ready(peer, cx, said);
            });
        }
        let record = state.record();
        let addresses = record.map_or_else(Vec::new, |signed| signed.record.addresses.to_vec());
        self.dial(
            Whom::Peer(peer),
            addresses,
            Purpose::OnDemand(peer),
            now,
            out,
        );
    }

    fn attach_relay(&self, peer: Peer, out: &mut Outputs) {
        if let Some(state) = self.base.peers.get(peer) {
            out.push(Output::AttachPath {
                peer: state.id(),
                boot: state.boot(),
                path: Path::Relay,
            });
        }
    }

    fn agree_idle(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        if !self.kind(peer).is_of_group() {
            self.send_to(peer, Control::IdleAgree, now, out);
            self.end_session(peer, ByeReason::Idle, now);
        }
    }

    /// Ends a session that no group justifies.
    pub(super) fn end_session(&mut self, peer: Peer, reason: ByeReason, now: Time) {
        let session = self.session_of(peer);
        let session = session.filter(|_| !self.kind(peer).is_of_group());
        if let Some(session) = session {
            self.with_sessions(now, |sessions, cx, said| {
                sessions.end(session, CloseReason::Bye(reason), cx, said);
            });
        }
    }

    /// A node outside our groups shows why it may have a session.
    pub(super) fn on_introduce(
        &mut self,
        session: SessionId,
        peer: Peer,
        signed: &SignedIntroduction,
        now: Time,
    ) {
        let kind = self.kind(peer);
        if kind.is_of_group() {
            return;
        }
        let (name, boot) = (self.base.peers.id(peer), self.boot);
        let (reflect, up, clients) = (&self.reflect, &self.up, self.clients.as_deref());
        let cx = self.base.context(now);
        let atlas = Atlas {
            reflect,
            up,
            clients,
        };
        if is_valid(signed, name, boot, &atlas, &cx) {
            let home = self.home_of(peer);
            return self.with_on_demand(now, |on_demand, cx, said| {
                on_demand.handle_introduced(peer, home, cx, said);
            });
        }
        self.with_sessions(now, |sessions, cx, said| match kind {
            SessionKind::Pending => sessions.abort(session, ByeReason::NotAdmitted, cx, said),
            _ => sessions.strike(session, cx, said),
        });
    }

    pub(super) fn session_of(&self, peer: Peer) -> Option<SessionId> {
        self.base.peers.get(peer)?.session
    }

    /// The home group that a node's record names.
    pub(super) fn home_of(&self, peer: Peer) -> Option<GroupId> {
        let record = self.base.peers.get(peer)?.record()?;
        record.record.groups.first().copied()
    }
}
