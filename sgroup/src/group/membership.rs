//! What changes in the view do to everything else, and what watchers hear of it.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::{GroupBody, Life};
use archipelago_core::{Context, Peer, Peers, SignedRecord};

use super::{DownReason, Group, GroupEvent, GroupOutput, GroupOutputs, MemberInfo};
use crate::join::Phase;
use crate::log::{LogChange, LogOutput, LogOutputs, Logs, keys};
use crate::view::{Change, Member, Standing, entry_of, own_entry, pages};

/// A joiner gives a member with a lower id so long, at least, to dial it.
const JOINERS_PATIENCE: Duration = Duration::from_millis(50);

/// A member as others see it.
pub(super) fn info(member: &Member, peers: &Peers) -> MemberInfo {
    MemberInfo {
        node: peers.id(member.peer),
        boot: member.standing.boot,
        era: member.standing.era,
        life: member.life(),
        record: peers
            .get(member.peer)
            .and_then(|state| state.record().cloned()),
    }
}

impl Group {
    /// Merges a standing that is believed; `reason` is told if it ends the member's tenure. Who was
    /// put out does not come back in as somebody new.
    pub(super) fn merge(
        &mut self,
        peer: Peer,
        said: Standing,
        reason: DownReason,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if !said.is_ended() && self.marks.out_by(&cx.peers.id(peer)).is_some() {
            return;
        }
        let before = self.view.find(peer);
        let prefix = cx.peers.id(peer).prefix();
        let Some(change) = self.view.merge(peer, prefix, said, cx.now) else {
            return;
        };
        let is_other_tenure = change
            .before
            .is_some_and(|before| before.tenure() != change.after.tenure());
        if let (Some(before), true) = (before, is_other_tenure) {
            self.on_tenure_over(&before, DownReason::Replaced, cx, out);
        }
        if change.after.is_ended() {
            self.on_ended(peer, &change, reason, cx, out);
        } else {
            self.on_present(peer, &change, cx, out);
        }
        self.detector.on_view_changed(cx.now);
    }

    /// Up and down events are told once per tenure, the down of one before the up of the next.
    fn on_tenure_over(
        &mut self,
        before: &Member,
        reason: DownReason,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if before.is_path_down {
            self.forget_path_down(before.peer, cx);
        }
        if before.is_told {
            let mut info = info(before, cx.peers);
            if reason != DownReason::Replaced {
                info.life = ended_life(reason);
            }
            out.push(GroupOutput::Event(GroupEvent::MemberDown(info, reason)));
        }
        self.detector.forget(before.peer, cx.now);
        if let Some(names) = &mut self.names {
            names.forget(before.peer);
        }
        self.view.change(before.peer, |member| {
            member.is_told = false;
            member.is_suspect = false;
            member.is_path_down = false;
            member.is_unreachable = false;
        });
    }

    fn on_ended(
        &mut self,
        peer: Peer,
        change: &Change,
        reason: DownReason,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if let Some(member) = self.view.find(peer) {
            self.on_tenure_over(&member, reason, cx, out);
        }
        self.with_logs(cx, out, |logs, cx, said| {
            logs.handle_member_removed(peer, cx, said);
        });
        self.sync.forget(peer);
        self.seeds.on_absent(peer, &self.config.timing, cx);
        if change.after.life() == Life::Left {
            // It forgot what was proved to it, and is to prove itself anew if it comes back.
            self.view.change(peer, |member| member.is_admitted = false);
            self.mesh.forget(peer);
        } else {
            self.mesh
                .pursue(peer, cx.now.after(self.config.timing.redial.0));
        }
        if change.before.is_some_and(|before| !before.is_ended()) {
            out.push(GroupOutput::Released { peer });
        }
    }

    fn on_present(
        &mut self,
        peer: Peer,
        change: &Change,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.with_logs(cx, out, |logs, cx, said| {
            logs.handle_member(peer, change.after.tenure(), cx, said);
        });
        let changed = self.view.change(peer, |member| {
            let is_up = change.after.life() == Life::Alive && !member.is_told;
            member.is_told |= is_up;
            (*member, is_up)
        });
        let Some((member, is_up)) = changed else {
            return;
        };
        if is_up {
            let info = info(&member, cx.peers);
            out.push(GroupOutput::Event(GroupEvent::MemberUp(info)));
        }
        let was_present = change.before.is_some_and(|before| !before.is_ended());
        if !member.is_admitted {
            self.seek(peer, cx);
        } else if !was_present {
            let is_direct = cx
                .peers
                .get(peer)
                .is_some_and(|state| state.session.is_some());
            self.admit(peer, is_direct, cx, out);
        }
    }

    /// Of two members the lower id dials at once. Both have just heard of each other, by the same
    /// member's `Welcome` and `View`; in case the other has not, or cannot dial, this node does:
    /// soon if it is joining itself, since it may be waited for.
    fn seek(&mut self, peer: Peer, cx: &Context<'_>) {
        if cx.me < cx.peers.id(peer) {
            return self.mesh.pursue(peer, cx.now);
        }
        let patience = match self.phase {
            Phase::Up => self.config.timing.heartbeat_period,
            _ => JOINERS_PATIENCE,
        };
        self.mesh.expect(peer, patience, cx.now);
    }

    /// This node stands otherwise than before: members hear it from itself.
    pub(super) fn set_own(&mut self, own: Standing, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        if own.tenure() != self.view.own().tenure() {
            self.logs.set_epoch(own.boot, own.era, cx);
        }
        self.view.set_own(own, cx.now);
        self.broadcast(&self.own_alive(), out);
    }

    /// Somebody says how this node stands. Whether that made it say something new of itself.
    pub(super) fn on_about_me(
        &mut self,
        said: &Standing,
        record: Option<&Arc<SignedRecord>>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) -> bool {
        let own = self.view.own();
        if said.boot > own.boot {
            self.on_later_boot(said, record, cx, out);
            return false;
        }
        if said.boot < own.boot || !said.outranks(&own.with_life(Life::Alive)) {
            return false;
        }
        if !said.is_ended() && said.era == own.era {
            self.set_own(own.refuted(said.incarnation), cx, out);
            return true;
        }
        let returned = own.returned(said.era);
        if returned == own {
            return false;
        }
        self.set_own(returned, cx, out);
        if self.phase == Phase::Up {
            let event = GroupEvent::Returned(returned.era);
            out.push(GroupOutput::Event(event));
        }
        true
    }

    /// A start later than this one is believed only by this node's own signature.
    fn on_later_boot(
        &self,
        said: &Standing,
        record: Option<&Arc<SignedRecord>>,
        cx: &Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let is_signed = record.is_some_and(|signed| {
            let of_me = signed.record.node == cx.me && signed.record.boot == said.boot;
            of_me && signed.verify(cx.crypto)
        });
        if is_signed && self.phase != Phase::Up {
            let boot = archipelago_core::Boot(said.boot.0.saturating_add(1));
            out.push(GroupOutput::RaiseBoot { boot });
        }
    }

    pub(super) fn own_alive(&self) -> GroupBody {
        let own = self.view.own();
        GroupBody::Alive {
            boot: own.boot,
            era: own.era,
            incarnation: own.incarnation,
        }
    }

    pub(super) fn tell_own_life(&self, to: Peer, out: &mut GroupOutputs) {
        let body = self.own_alive();
        out.push(GroupOutput::Send { to, body });
    }

    /// Tells a member how it is remembered here.
    pub(super) fn tell_end(&self, peer: Peer, cx: &Context<'_>, out: &mut GroupOutputs) {
        let Some(member) = self.view.find(peer) else {
            return;
        };
        for page in pages(vec![entry_of(&member, cx.peers, false)]) {
            let body = GroupBody::View(page);
            out.push(GroupOutput::Send { to: peer, body });
        }
    }

    /// This node's new record, to every member.
    pub(super) fn tell_record(&self, out: &mut GroupOutputs) {
        let entry = own_entry(&self.view, Some(self.record.clone()));
        for page in pages(vec![entry]) {
            self.broadcast(&GroupBody::View(page), out);
        }
    }

    /// Members `of` with their records, to every member but them and `except`: one hop.
    pub(super) fn flood(
        &self,
        of: &[Peer],
        except: Peer,
        cx: &Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let members = of.iter().filter_map(|&peer| self.view.find(peer));
        let entries = members
            .map(|member| entry_of(&member, cx.peers, true))
            .collect();
        for page in pages(entries) {
            let body = GroupBody::View(page);
            for member in self.view.present() {
                if member.is_admitted && member.peer != except && !of.contains(&member.peer) {
                    let (to, body) = (member.peer, body.clone());
                    out.push(GroupOutput::Send { to, body });
                }
            }
        }
    }

    /// To every member that proved itself.
    pub(super) fn broadcast(&self, body: &GroupBody, out: &mut GroupOutputs) {
        let admitted = self.view.present().filter(|member| member.is_admitted);
        out.extend(admitted.map(|member| GroupOutput::Send {
            to: member.peer,
            body: body.clone(),
        }));
    }

    pub(super) fn leave(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        self.release_strict(None, cx, out);
        // Also to those who have not proved themselves here: they may take this node for a member.
        let present = self.view.present();
        out.extend(present.map(|member| GroupOutput::Send {
            to: member.peer,
            body: GroupBody::Leave,
        }));
        self.stop_duties(out);
        let held = self.view.present().filter(|member| member.is_admitted);
        out.extend(held.map(|member| GroupOutput::Released { peer: member.peer }));
        self.drop_clients(out);
        self.with_names(cx, out, |names, around| names.handle_leave(around.out));
        let record = self.record.clone();
        *self = Self::new(self.config.clone(), record, cx);
        self.phase = Phase::Left;
    }

    /// Forgets tombstones that have run out.
    pub(super) fn expire(&mut self, cx: &mut Context<'_>) {
        if self.marks.next_expiry() <= cx.now && self.marks.expire(cx.now) {
            self.on_marks_changed(cx);
        }
        if !self.view.has_expired(cx.now) {
            return;
        }
        let mut expired = Vec::new();
        self.view.expire(cx.now, &mut expired);
        for peer in expired {
            self.mesh.forget(peer);
            self.seeds.on_absent(peer, &self.config.timing, cx);
        }
    }

    /// The direct path to a member works.
    pub(super) fn on_direct(&mut self, peer: Peer, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let was_path_down = self
            .view
            .find(peer)
            .is_some_and(|member| member.is_path_down);
        if was_path_down {
            self.view.change(peer, |member| member.is_path_down = false);
            out.push(GroupOutput::Event(GroupEvent::PathUp(cx.peers.id(peer))));
            self.forget_path_down(peer, cx);
        }
    }

    fn forget_path_down(&mut self, peer: Peer, cx: &Context<'_>) {
        let key = crate::log::keys::path_down(&cx.peers.id(peer));
        self.logs.delete(&key, cx);
    }

    pub(super) fn with_logs<T>(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
        act: impl FnOnce(&mut Logs, &Context<'_>, &mut LogOutputs) -> T,
    ) -> T {
        let mut said = LogOutputs::new();
        let result = act(&mut self.logs, cx, &mut said);
        for output in said {
            match output {
                LogOutput::Send { to, body } => out.push(GroupOutput::Send { to, body }),
                LogOutput::Changed { owner, changes } => {
                    self.on_log_changed(owner, &changes, cx, out);
                }
                LogOutput::Acked { by, seq, head } => {
                    if let Some(names) = &mut self.names {
                        names.handle_ack(by, seq, head);
                    }
                }
            }
        }
        result
    }

    /// What a member publishes of broken paths is said whole, since detours are chosen by it.
    fn on_log_changed(
        &mut self,
        owner: Peer,
        changes: &[LogChange],
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        self.on_place_told(owner, changes, cx, out);
        self.on_names_changed(owner, changes, cx, out);
        self.on_registry_told(owner, changes, cx, out);
        self.on_duties_told(changes);
        let is_path = |change: &LogChange| keys::path_down_node(&change.key).is_some();
        if !changes.iter().any(is_path) {
            return;
        }
        let log = self.logs.peer(owner).into_iter();
        let paths = log.flat_map(|log| log.range(&[keys::PATH_DOWN]));
        let broken = paths.filter_map(|(key, _)| keys::path_down_node(key));
        out.push(GroupOutput::PathsBroken {
            member: cx.peers.id(owner),
            broken: broken.collect(),
        });
    }

    /// What members say of groups above and below is for those who look further than this group.
    fn on_place_told(
        &mut self,
        owner: Peer,
        changes: &[LogChange],
        cx: &Context<'_>,
        out: &mut GroupOutputs,
    ) {
        for change in changes {
            match change.key.first() {
                Some(&keys::CHARTER) => self.on_charter_told(change.value.as_ref(), out),
                Some(&(keys::UPLINK | keys::BELOW | keys::CLIENT | keys::REGROUP)) => {
                    out.push(GroupOutput::Told {
                        owner: cx.peers.id(owner),
                        key: change.key.clone(),
                        value: change.value.clone(),
                    });
                }
                _ => {}
            }
        }
    }

    pub(super) fn on_logs_due(&mut self, cx: &mut Context<'_>, out: &mut GroupOutputs) {
        let due = self.logs.poll_timeout();
        if due.is_some_and(|(due, _)| due <= cx.now) {
            self.with_logs(cx, out, |logs, cx, said| logs.handle_timeout(cx, said));
        }
    }
}

const fn ended_life(reason: DownReason) -> Life {
    match reason {
        DownReason::Left | DownReason::Removed | DownReason::NotAdmitted => Life::Left,
        DownReason::Dead | DownReason::Replaced => Life::Down,
    }
}
