//! Members put out and let in again, and the end of the whole group.
//!
//! Any member may do either: it proved that it knows the group's secret, and nothing more is
//! asked. All members hear of it at once, those who were away when they are back: marks differ
//! from theirs as views may (see [`view::sync`](crate::view)), and a deletion is shown by every
//! node that remembers it. Nothing here waits for an answer.

use std::sync::Arc;

use archipelago_core::wire::{Deletion, GroupBody, Life, List, Mark, RefuseReason};
use archipelago_core::{Context, NodeId, Peer};

use super::handshake::refuse;
use super::{DownReason, Group, GroupEvent, GroupOutput, GroupOutputs};
use crate::join::Phase;

/// So many members invite one again that has forgotten the group.
const INVITERS: usize = 3;

/// Why a member was not put out; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// Neither a member nor remembered as one.
    #[error("the node is not a member of the group")]
    NotMember,
    /// As many are out as the group remembers.
    #[error("as many nodes are kept out as the group remembers: rotate its cookie instead")]
    TooMany,
}

impl Group {
    /// Puts a member out: all are told, it first. It stays out until it is added anew, or for
    /// [`Timing::removal_life`](crate::Timing). Whether it is here to hear of it.
    ///
    /// It still knows the cookie. Who does not trust it rotates the cookie as well.
    ///
    /// # Errors
    /// [`RemoveError`]; nothing changed.
    pub fn handle_remove(
        &mut self,
        node: NodeId,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> Result<bool, RemoveError> {
        let peer = cx.peers.find(&node).filter(|_| node != cx.me);
        let member = peer.and_then(|peer| self.view.find(peer));
        let member = member.filter(|member| member.standing.life() != Life::Left);
        let Some(member) = member else {
            return Err(RemoveError::NotMember);
        };
        let until = cx.now.after(self.config.timing.removal_life);
        let marked = self.marks.put(node, true, cx.me, until);
        marked.map_err(|_| RemoveError::TooMany)?;
        self.tell_mark(node, cx, out);
        self.on_marks_changed(cx);
        self.put_out(member.peer, cx, out);
        self.settle(Vec::new(), cx, out);
        Ok(member.is_present() && member.is_admitted)
    }

    /// Whether the node was put out, and not let in again since.
    pub fn is_out(&self, node: &NodeId) -> bool {
        self.marks.out_by(node).is_some()
    }

    /// A node may come in, even if it was put out before.
    pub fn handle_readmit(&mut self, node: NodeId, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        if self.marks.out_by(&node).is_none() {
            return;
        }
        let until = cx.now.after(self.config.timing.removal_life);
        // It is marked already, so there is room.
        let _ = self.marks.put(node, false, cx.me, until);
        self.tell_mark(node, cx, out);
        self.on_marks_changed(cx);
        self.settle(Vec::new(), cx, out);
    }

    /// Ends the group: all members are told, and will leave. This node stays until it is told to
    /// leave, so that it can hear who did.
    pub fn handle_delete(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) -> Deletion {
        let epoch = self.charter.epoch;
        let life = self.config.timing.removal_life.as_secs();
        let deletion = Deletion {
            epoch,
            by: cx.me,
            proof: self.admission.prove_deletion(epoch, &cx.me, cx.crypto),
            left_s: u32::try_from(life).unwrap_or(u32::MAX),
        };
        self.broadcast(&GroupBody::Deleted(Box::new(deletion)), out);
        deletion
    }

    /// Somebody shows that the group is over; believed if its maker knew the secret.
    pub(super) fn on_deleted(
        &mut self,
        from: Peer,
        deletion: &Deletion,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if matches!(self.phase, Phase::Idle | Phase::Left) || deletion.epoch < self.charter.epoch {
            return;
        }
        let shown_by = cx.peers.id(from);
        let is_proved = self
            .admission
            .check_deletion(deletion, shown_by, cx.now, cx.crypto);
        if is_proved {
            let by = deletion.by;
            out.push(GroupOutput::Event(GroupEvent::Deleted { by }));
            out.push(GroupOutput::Deleted(*deletion));
        }
    }

    /// A member tells of marks.
    pub(super) fn on_marks(
        &mut self,
        marks: &List<Mark, { Mark::COUNT_MAX }>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let life_max = self.config.timing.removal_life;
        let mut has_changed = false;
        for mark in marks.iter() {
            if !self.marks.merge(mark, life_max, cx.now) {
                continue;
            }
            has_changed = true;
            if mark.is_out && mark.node == cx.me {
                return self.on_own_removal(mark.by, out);
            }
            let peer = cx.peers.find(&mark.node).filter(|_| mark.is_out);
            if let Some(peer) = peer {
                // Who put it out may have had no way to tell it.
                if self.is_admitted(peer) {
                    self.tell_marks(peer, cx, out);
                }
                self.put_out(peer, cx, out);
            }
        }
        if has_changed {
            self.on_marks_changed(cx);
        }
    }

    fn on_own_removal(&self, by: NodeId, out: &mut GroupOutputs) {
        out.push(GroupOutput::Event(GroupEvent::Removed { by }));
        out.push(GroupOutput::Removed { by });
    }

    /// A member, or who speaks as one, says that this node was put out. It may not have heard yet
    /// that it was let in again; and if it was put out once more, the mark of that will come.
    pub(super) fn on_told_out(&mut self, peer: Peer, cx: &Context<'_>, out: &mut GroupOutputs) {
        let is_member = self.was_member(peer) && !self.marks.is_let_in(&cx.me);
        if self.phase == Phase::Up && is_member {
            self.on_own_removal(cx.peers.id(peer), out);
        }
    }

    /// Who was a member says that it is not in the group. If it started anew, from a configuration
    /// that does not name the group, three members may invite it again. In the start in which it
    /// was a member it has left, whether its word of that came or not; and members of a parent are
    /// elected, not invited.
    pub(super) fn on_forgotten(
        &mut self,
        peer: Peer,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let member = self
            .view
            .find(peer)
            .filter(|m| m.standing.life() != Life::Left);
        let Some(member) = member.filter(|_| self.phase == Phase::Up) else {
            return;
        };
        let state = cx.peers.get(peer);
        let is_anew = state.is_some_and(|state| state.boot() > member.standing.boot);
        if !is_anew {
            let left = member.standing.with_life(Life::Left);
            return self.merge(peer, left, DownReason::Left, cx, out);
        }
        if self.charter.tier > 0 {
            // It may be elected again, and is not asked back; the tenure of its last start is over.
            let down = member.standing.with_life(Life::Down);
            return self.merge(peer, down, DownReason::Replaced, cx, out);
        }
        let present = self
            .view
            .present()
            .filter(|m| m.peer != peer && m.is_admitted);
        let before = present.filter(|m| cx.peers.id(m.peer) < cx.me).count();
        if before < INVITERS {
            out.push(GroupOutput::Forgotten { peer });
        }
    }

    /// The peer is out. It is shown the mark of that: by its own, older ones it may be in.
    pub(super) fn refuse_as_out(&self, peer: Peer, cx: &Context<'_>, out: &mut GroupOutputs) {
        if let Some(page) = self.mark_of(cx.peers.id(peer), cx) {
            let body = GroupBody::Marks(page);
            out.push(GroupOutput::Send { to: peer, body });
        }
        refuse(peer, RefuseReason::Removed, out);
    }

    /// Who has not proved itself here, but was a member, shows that this node is out: believed as
    /// its word alone is (see [`Group::on_told_out`]), if it is news.
    pub(super) fn on_shown_out(
        &mut self,
        from: Peer,
        marks: &List<Mark, { Mark::COUNT_MAX }>,
        cx: &Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let own = marks.iter().find(|mark| mark.is_out && mark.node == cx.me);
        let Some(mark) = own.filter(|_| self.phase == Phase::Up && self.was_member(from)) else {
            return;
        };
        let life_max = self.config.timing.removal_life;
        if self.marks.merge(mark, life_max, cx.now) {
            self.on_own_removal(mark.by, out);
        }
    }

    /// One that is only out of reach, or was, is a member too.
    fn was_member(&self, peer: Peer) -> bool {
        let member = self.view.find(peer);
        member.is_some_and(|member| member.standing.life() != Life::Left)
    }

    /// All marks, to a member that just proved itself or whose view differs.
    pub(super) fn tell_marks(&self, to: Peer, cx: &Context<'_>, out: &mut GroupOutputs) {
        if let Some(marks) = self.marks.page(cx.now) {
            let body = GroupBody::Marks(Arc::new(marks));
            out.push(GroupOutput::Send { to, body });
        }
    }

    /// One mark, to all: to whom it concerns as long as it is here.
    fn tell_mark(&self, node: NodeId, cx: &Context<'_>, out: &mut GroupOutputs) {
        if let Some(page) = self.mark_of(node, cx) {
            self.broadcast(&GroupBody::Marks(page), out);
        }
    }

    fn mark_of(
        &self,
        node: NodeId,
        cx: &Context<'_>,
    ) -> Option<Arc<List<Mark, { Mark::COUNT_MAX }>>> {
        let mut marks = self.marks.page(cx.now)?.into_vec().into_iter();
        let mark = marks.find(|mark| mark.node == node)?;
        Some(Arc::new(List::truncated([mark])))
    }

    pub(super) fn on_marks_changed(&mut self, cx: &Context<'_>) {
        let hash = self.marks.hash();
        self.view.set_marks_hash(hash, cx.now);
    }

    /// The member is out, whatever it says.
    fn put_out(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let member = self.view.find(peer);
        if let Some(member) = member.filter(|member| member.standing.life() != Life::Left) {
            let left = member.standing.with_life(Life::Left);
            self.merge(peer, left, DownReason::Removed, cx, out);
        }
        self.mesh.forget(peer);
    }
}
