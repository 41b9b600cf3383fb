//! A session that carries nothing although its peer lives: the detour is taken beside it, until
//! the session answers again or is given up.
//!
//! Two things say so: a group finds the path broken (others hear the member, this node does not),
//! or the peer itself speaks by detour, since it may be the only one that can tell: where one
//! direction is cut, the other end hears everything. That the session has to contradict first.

use archipelago_core::channel::Path;
use archipelago_core::wire::{Control, SessionId};
use archipelago_core::{GroupId, NodeId, Peer, Time};

use super::{CloseReason, Node, Output, Outputs};
use crate::sessions::{Due, Question};

impl Node {
    /// The session with an admitted member carries nothing: a detour is taken at once.
    pub(super) fn bypass(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        let Some(question) = self.question(peer) else {
            return;
        };
        if !self.detours.begin_bypass(peer, question, now) {
            return;
        }
        self.counters.bypassed = self.counters.bypassed.saturating_add(1);
        self.put_question(question, now, out);
        if self.detours.is_ready(peer) {
            self.change_over(peer, out);
        }
        self.with_detours(now, |detours, cx, said| detours.want(peer, cx, said));
    }

    /// The member speaks by detour: the session has to show that it works.
    pub(super) fn doubt(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        let Some(question) = self.question(peer) else {
            return;
        };
        if self.detours.begin_asking(peer, question, now) {
            self.put_question(question, now, out);
        }
    }

    fn question(&mut self, peer: Peer) -> Option<Question> {
        let is_member = self.groups.values().any(|group| group.is_admitted(peer));
        let session = self.session_of(peer).filter(|_| is_member)?;
        let number = self.pulse.number();
        Some(Question { session, number })
    }

    fn put_question(&mut self, question: Question, now: Time, out: &mut Outputs) {
        let Question { session, number } = question;
        self.send(session, Control::Ping(number), now, out);
    }

    /// There is a detour beside a session that is not used: data change over to it. It is attached before the
    /// session is detached, since a channel without any path would ask for one.
    pub(super) fn change_over(&mut self, peer: Peer, out: &mut Outputs) {
        // The session may have answered in the meantime.
        let is_bypassed = self.detours.is_bypassed(peer);
        let session = self
            .session_of(peer)
            .and_then(|id| self.sessions.get_mut(id));
        let Some(session) = session.filter(|session| session.is_attached && is_bypassed) else {
            return;
        };
        session.is_attached = false;
        let path = Path::Direct(session.id);
        self.attach_detour(peer, out);
        let peer = self.base.peers.id(peer);
        out.push(Output::DetachPath { peer, path });
    }

    /// A pong on a session. While that is bypassed, only the answer to its one question shows that
    /// both directions work; everything else is life and no more.
    pub(super) fn on_direct_pong(
        &mut self,
        session: SessionId,
        peer: Peer,
        number: u32,
        now: Time,
        out: &mut Outputs,
    ) {
        let answer = Question { session, number };
        if self.detours.handle_answer(peer, answer, now) {
            self.attach(peer, now, out);
        }
        if self.detours.is_questioned(peer) {
            return self.on_detoured_pong(peer, number, now);
        }
        self.on_pong(peer, number, now);
        self.with_groups(now, |group, cx, said| group.handle_pong(peer, cx, said));
    }

    /// A pong that says nothing of the direct path.
    pub(super) fn on_detoured_pong(&mut self, peer: Peer, number: u32, now: Time) {
        self.on_pong(peer, number, now);
        self.with_groups(now, |group, cx, said| group.handle_life(peer, cx, said));
    }

    /// What has come due of sessions that are bypassed.
    pub(super) fn on_bypass_due(&mut self, now: Time, out: &mut Outputs) {
        while let Some(due) = self.detours.poll_due(now) {
            match due {
                Due::ChangeOver(peer) => {
                    self.counters.bypassed = self.counters.bypassed.saturating_add(1);
                    self.change_over(peer, out);
                    self.with_groups(now, |group, cx, said| {
                        group.handle_path_down(peer, cx, said);
                    });
                }
                Due::Want(peer) => {
                    self.with_detours(now, |detours, cx, said| detours.want(peer, cx, said));
                }
                Due::GiveUp(session) => self.with_sessions(now, |sessions, cx, said| {
                    sessions.drop_now(session, Some(CloseReason::Silent), cx, said);
                }),
                Due::Close(peer) => self.end_detour(peer, out),
            }
        }
    }

    /// A bypassed session is gone, and the groups know: they go on by the detour.
    pub(super) fn go_on_detoured(&mut self, peer: Peer, now: Time) {
        let mut has_detour = false;
        self.with_detours(now, |detours, cx, _| {
            has_detour = detours.stand_in(peer, cx)
        });
        if has_detour {
            self.on_detour_ready(peer, now);
        }
    }

    /// What a group knows of broken paths, for the choice of this node's own detours.
    pub(super) fn note_broken_paths(&mut self, group: GroupId, gone: Option<NodeId>, now: Time) {
        let Some(broken) = self.groups.get(&group).map(|group| group.broken_paths()) else {
            return;
        };
        let me = self.base.me;
        let broken: Vec<NodeId> = broken.map(|peer| self.base.peers.id(peer)).collect();
        self.note_paths(group, me, &broken, now);
        if let Some(gone) = gone {
            self.note_paths(group, gone, &[], now);
        }
    }
}
