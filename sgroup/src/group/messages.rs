//! Messages of members: accepted from those who proved themselves on the present session.

use archipelago_core::wire::{Entry, GroupBody, JoinRole, Life};
use archipelago_core::{Context, Incarnation, NodeId, Peer};

use super::{DownReason, Group, GroupOutput, GroupOutputs, around};
use crate::detector::{Fact, Surroundings};
use crate::view::{
    HEARSAY_STEP_MAX, Hearsay, Standing, digest, entry_of, entry_of_standing, judge_hearsay,
    lacking_there, pages,
};

/// What entries of a peer brought.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Members that were unknown or gone before.
    pub(super) news: Vec<Peer>,
    /// Something is newer there, and cannot be believed without its record.
    pub(super) is_lacking: bool,
}

impl Group {
    pub(super) fn on_member_message(
        &mut self,
        from: Peer,
        body: GroupBody,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let Some(member) = self.view.find(from).filter(|m| m.is_admitted) else {
            return match body {
                GroupBody::Heartbeat { .. } => self.on_heartbeat_of_gone(from, cx, out),
                GroupBody::Marks(marks) => self.on_shown_out(from, &marks, cx, out),
                _ => {}
            };
        };
        if !member.is_present() && !matches!(body, GroupBody::Alive { .. }) {
            // It may not know that it was declared dead.
            if member.standing.life() == Life::Down && matches!(body, GroupBody::Heartbeat { .. }) {
                self.tell_end(from, cx, out);
            }
            return;
        }
        self.detector.on_life(from, &around!(self), cx, out, facts);
        self.dispatch(from, member.standing, body, cx, out, facts);
    }

    /// Who is out, or has left, goes on as a member: it was away when that was told, and its session
    /// outlived the time. It is told again: who is out leaves, who is not begins another era.
    fn on_heartbeat_of_gone(&self, from: Peer, cx: &Context<'_>, out: &mut GroupOutputs) {
        if self.marks.out_by(&cx.peers.id(from)).is_some() {
            return self.refuse_as_out(from, cx, out);
        }
        let member = self.view.find(from).map(|member| member.standing);
        let has_left = member.is_some_and(|said| said.life() == Life::Left);
        if has_left && self.marks.is_let_in(&cx.peers.id(from)) {
            self.tell_end(from, cx, out);
        }
    }

    fn dispatch(
        &mut self,
        from: Peer,
        standing: Standing,
        body: GroupBody,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        match body {
            GroupBody::Heartbeat {
                incarnation,
                view_hash,
                log_hash,
            } => self.on_heartbeat(from, incarnation, (view_hash, log_hash), cx, out),
            GroupBody::Alive {
                boot,
                era,
                incarnation,
            } => {
                let said = Standing::new(boot, era, incarnation, Life::Alive);
                if said.outranks(&standing.with_life(Life::Alive)) {
                    self.detector.on_refuted(from, &around!(self), cx, facts);
                }
                self.merge(from, said, DownReason::Replaced, cx, out);
            }
            GroupBody::Leave => {
                let left = standing.with_life(Life::Left);
                self.merge(from, left, DownReason::Left, cx, out);
            }
            GroupBody::Suspect(said) => {
                let about = Standing::new(said.boot, said.era, said.incarnation, Life::Alive);
                self.on_suspect(from, said.node, about, cx, out, facts);
            }
            GroupBody::Probe(probe) => self.on_probe(from, probe.id, probe.target, cx, out),
            GroupBody::ProbeReport(report) => {
                if let Some(target) = cx.peers.find(&report.target) {
                    let about = (target, report.id);
                    self.detector
                        .on_report(about, report.outcome, &around!(self), cx, out, facts);
                }
            }
            GroupBody::ViewDigest(entries) => self.on_digest(from, &entries, cx, out, facts),
            GroupBody::View(entries) => {
                let learned = self.on_entries(from, &entries, cx, out, facts);
                if learned.is_lacking {
                    self.ask_view(from, cx, out);
                }
            }
            GroupBody::Log(_) | GroupBody::LogAck(_) | GroupBody::LogPull(_) => {
                self.on_log_message(from, body, cx, out);
            }
            GroupBody::LogDigest(marks) => self.with_logs(cx, out, |logs, cx, said| {
                logs.handle_digest(from, &marks, cx, said);
            }),
            GroupBody::Strict(message) => self.on_strict(from, &message, cx, out),
            GroupBody::Council(said) => self.on_council(from, &said, cx, out),
            GroupBody::Marks(marks) => self.on_marks(&marks, cx, out),
            GroupBody::Secret(sealed) => self.on_secret(from, &sealed, cx, out),
            GroupBody::Join(_)
            | GroupBody::Welcome(_)
            | GroupBody::Refused(_)
            | GroupBody::Deleted(_)
            | GroupBody::Invite(_)
            | GroupBody::InviteReply(_) => {}
        }
    }

    fn on_log_message(
        &mut self,
        from: Peer,
        body: GroupBody,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let taken = self.with_logs(cx, out, |logs, cx, said| {
            match body {
                GroupBody::Log(update) => return logs.handle_update(from, &update, cx, said),
                GroupBody::LogAck(ack) => {
                    logs.handle_ack(from, (&ack.mark, ack.head), cx, said);
                }
                GroupBody::LogPull(pull) => logs.handle_pull(from, &pull, cx, said),
                _ => {}
            }
            Ok(())
        });
        // Counted there; a log beyond its limit is as much of a breach as a contradiction.
        if taken.is_err() {
            out.push(GroupOutput::Misbehaved { peer: from });
        }
    }

    /// The idle path: allocates nothing, sends nothing.
    fn on_heartbeat(
        &mut self,
        from: Peer,
        incarnation: Incarnation,
        (view_hash, log_hash): (u32, u32),
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let known = self.view.find(from).map(|member| member.standing);
        if let Some(known) = known
            && known.incarnation < incarnation
        {
            let said = Standing::new(known.boot, known.era, incarnation, known.life());
            self.disturb();
            self.merge(from, said, DownReason::Replaced, cx, out);
        }
        self.detector.on_heartbeat(from, &around!(self), cx);
        let timing = &self.config.timing;
        let is_due = self
            .sync
            .on_hash(from, view_hash, &mut self.view, timing, cx.now);
        if is_due {
            let body = GroupBody::ViewDigest(digest(&self.view, cx.peers));
            out.push(GroupOutput::Send { to: from, body });
            self.tell_marks(from, cx, out);
        }
        self.with_logs(cx, out, |logs, cx, said| {
            logs.handle_hash(from, log_hash, cx, said);
        });
    }

    fn on_suspect(
        &mut self,
        from: Peer,
        node: NodeId,
        about: Standing,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        if node == cx.me {
            let own = self.view.own();
            if own.tenure() == about.tenure() {
                self.detector.on_suspected();
                self.set_own(own.refuted(about.incarnation), cx, out);
            }
            return;
        }
        let Some(peer) = cx.peers.find(&node) else {
            return;
        };
        let Some(member) = self.view.find(peer) else {
            return;
        };
        let known = member.standing;
        if known.is_ended() {
            return;
        }
        let incarnation_max = known.incarnation.0.saturating_add(HEARSAY_STEP_MAX);
        let is_bound = known.tenure() == about.tenure()
            && (known.incarnation.0..=incarnation_max).contains(&about.incarnation.0);
        if is_bound {
            self.detector
                .on_vote((from, peer), &around!(self), cx, out, facts);
        }
    }

    fn on_probe(
        &mut self,
        from: Peer,
        id: u32,
        target: NodeId,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        // Of who is unknown here nothing can be said.
        let peer = cx.peers.find(&target);
        let Some(member) = peer.and_then(|peer| self.view.find(peer)) else {
            return;
        };
        let question = (from, id, member.peer);
        self.detector.on_probe(question, &around!(self), cx, out);
        if !member.is_present() {
            // The asker may have missed how the target went.
            for page in pages(vec![entry_of(&member, cx.peers, false)]) {
                let body = GroupBody::View(page);
                out.push(GroupOutput::Send { to: from, body });
            }
        }
    }

    fn on_digest(
        &mut self,
        from: Peer,
        entries: &[Entry],
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        self.tell_marks(from, cx, out);
        let learned = self.on_entries(from, entries, cx, out, facts);
        let there = lacking_there(entries, &self.view, &self.record, cx.peers);
        for page in pages(there) {
            let body = GroupBody::View(page);
            out.push(GroupOutput::Send { to: from, body });
        }
        if learned.is_lacking {
            self.ask_view(from, cx, out);
        }
    }

    /// Entries of a peer's view, judged one by one.
    pub(super) fn on_entries(
        &mut self,
        from: Peer,
        entries: &[Entry],
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) -> Learned {
        let mut learned = Learned::default();
        let members_max = self.charter.members_max as usize;
        for entry in entries {
            match judge_hearsay(entry, &self.view, members_max, cx) {
                Hearsay::AboutMe(said) => {
                    let is_new = self.on_about_me(&said, entry.record.as_ref(), cx, out);
                    if is_new && said.life() == Life::Left {
                        // Nothing that this node says counts there before it proved itself anew.
                        self.say_join(from, JoinRole::Member, cx, out);
                    }
                }
                // What a node says of itself comes by Join, Welcome and Alive, but for its end.
                Hearsay::Merge(peer, _) | Hearsay::Vote(peer, _) if peer == from => {}
                Hearsay::Merge(peer, said) => {
                    let was_present = self.holds(peer);
                    self.merge(peer, said, DownReason::Replaced, cx, out);
                    if !was_present && self.holds(peer) {
                        learned.news.push(peer);
                    }
                }
                Hearsay::Vote(peer, said) => self.on_end_heard(from, peer, said, cx, out, facts),
                Hearsay::Lacking => learned.is_lacking = true,
                Hearsay::Ignored => {}
            }
        }
        learned
    }

    /// It was put out elsewhere and let in again before it, or we, heard of that: whoever put it
    /// out has its era for over, and hears nothing more of it. It hears so, and begins another.
    fn tell_as_heard(&self, peer: Peer, said: Standing, cx: &Context<'_>, out: &mut GroupOutputs) {
        let entry = entry_of_standing(peer, said, cx.peers);
        for page in pages(vec![entry]) {
            let body = GroupBody::View(page);
            out.push(GroupOutput::Send { to: peer, body });
        }
    }

    /// A member says that another one has ended: its vote; and believed at once if the other left
    /// and did not prove itself here either, on a session that still is: one that only serves
    /// another group says nothing of this one.
    fn on_end_heard(
        &mut self,
        from: Peer,
        peer: Peer,
        said: Standing,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        facts: &mut Vec<Fact>,
    ) {
        let has_session = cx
            .peers
            .get(peer)
            .is_some_and(|state| state.session.is_some());
        let Some(member) = self.view.find(peer) else {
            return;
        };
        let is_bound = member.standing.tenure() == said.tenure();
        let is_met = has_session && member.is_admitted;
        let has_left = is_bound && said.life() == Life::Left;
        if has_left && !is_met {
            self.merge(peer, said, DownReason::Left, cx, out);
        } else if is_bound {
            if has_left && self.marks.is_let_in(&cx.peers.id(peer)) {
                self.tell_as_heard(peer, said, cx, out);
            }
            self.detector
                .on_end_heard((from, peer), &around!(self), cx, out, facts);
        }
    }
}
