//! What groups say, done; and when they come and go.

use std::sync::Arc;

use archipelago_core::wire::{ByeReason, Control, GroupBody, RefuseReason};
use archipelago_core::{Boot, Context, GroupId, Peer, Time};
use archipelago_sgroup::log::keys;
use archipelago_sgroup::names::NameOutput;
use archipelago_sgroup::{Group, GroupConfig, GroupEvent, GroupOutput, GroupOutputs};

use super::regroup::OWN_REQUEST;
use super::work::Work;
use super::{Event, Node, Output, Outputs, SessionKind, Via, record};
use crate::reflect::GroupChange;

impl Node {
    pub(super) fn on_group_output(
        &mut self,
        group: GroupId,
        output: GroupOutput,
        now: Time,
        out: &mut Outputs,
    ) {
        match output {
            GroupOutput::Send { to, body } => self.send_group(group, to, body, now, out),
            GroupOutput::Ping { peer } => self.ping(peer, now, out),
            GroupOutput::Dial { target } => self.on_group_dial(group, target, now, out),
            GroupOutput::Admitted { peer } => self.on_admitted(peer, now, out),
            GroupOutput::Released { peer } => self.on_released(peer, now, out),
            GroupOutput::PathsBroken { member, broken } => {
                self.note_paths(group, member, &broken, now);
            }
            GroupOutput::Charter(_) => self.place_group(group, now),
            GroupOutput::Serves { peer, is_served } => {
                let client = self.base.peers.id(peer);
                self.on_served(group, client, self.base.me, is_served);
            }
            GroupOutput::Told { owner, key, value } => {
                if key.first() == Some(&keys::REGROUP) {
                    return self.on_regroup_told(group, now);
                }
                if let Some(client) = keys::client_node(&key) {
                    return self.on_served(group, client, owner, value.is_some());
                }
                let mut cx = self.base.context(now);
                let value = value.as_ref();
                self.up.handle_told(group, owner, &key, value, &mut cx);
                if let Some(regroup) = &mut self.regroup {
                    regroup.handle_below(now);
                }
            }
            GroupOutput::Name(output) if is_own_request(&output) => {}
            GroupOutput::Name(output) => out.push(Output::Name { group, output }),
            GroupOutput::Duty(output) => out.push(Output::Duty { group, output }),
            GroupOutput::Registry(change) => out.push(Output::Registry { group, change }),
            GroupOutput::Misbehaved { peer } => self.break_off(peer, ByeReason::Protocol, now),
            GroupOutput::Cookies(cookies) => self.keep_cookies(group, cookies),
            GroupOutput::Removed { .. } => self.on_put_out(group, now, out),
            GroupOutput::Deleted(deletion) => self.on_group_deleted(group, deletion, now, out),
            GroupOutput::Forgotten { peer } => self.on_recalled(group, peer, now, out),
            GroupOutput::RaiseBoot { boot } => self.raise_boot(boot, now),
            GroupOutput::Strict(event) => out.push(Output::Strict { group, event }),
            GroupOutput::Event(event) => self.on_group_event(group, event, now, out),
            _ => {}
        }
    }

    /// By the session; without one the message is lost, and repaired by the group.
    fn send_group(
        &mut self,
        group: GroupId,
        to: Peer,
        body: GroupBody,
        now: Time,
        out: &mut Outputs,
    ) {
        let is_answer = matches!(body, GroupBody::Welcome(_) | GroupBody::Refused(_));
        let is_refused = matches!(
            body,
            GroupBody::Refused(RefuseReason::NotAdmitted | RefuseReason::BackOff)
        );
        let answered = self.answering.filter(|&(peer, _)| is_answer && peer == to);
        let session = match answered {
            Some((_, Via::Session(session))) => Some(session),
            Some((_, Via::Detour)) => None,
            None if self.detours.is_bypassed(to) => None,
            None => self.session_of(to),
        };
        match session {
            Some(session) => self.send(session, Control::Group(group, body), now, out),
            None => self.send_detoured(group, to, body, now),
        }
        if is_refused && self.kind(to) == SessionKind::Pending {
            self.hurry_admission(to, now);
        }
    }

    /// A proof did not hold: what else the peer has to show it shows soon.
    fn hurry_admission(&mut self, peer: Peer, now: Time) {
        if let Some(session) = self.session_of(peer) {
            self.sessions.hurry(session, &self.base.peers, now);
        }
    }

    pub(super) fn ping(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        let is_bypassed = self.detours.is_bypassed(peer);
        let session = self.session_of(peer).filter(|_| !is_bypassed);
        if session.is_none() && !self.detours.is_ready(peer) {
            return;
        }
        if let Some(number) = self.pulse.ping(peer, now) {
            match session {
                Some(session) => self.send(session, Control::Ping(number), now, out),
                None => self.ping_detoured(peer, number, now),
            }
        }
    }

    fn on_group_event(&mut self, group: GroupId, event: GroupEvent, now: Time, out: &mut Outputs) {
        if matches!(event, GroupEvent::Joined { .. }) {
            self.life.settle_boot();
        }
        self.map_group_event(group, &event, now);
        if matches!(event, GroupEvent::Joined { .. }) {
            self.up.handle_joined(group, now);
        }
        self.note_doubtful(&event, now);
        self.note_change(group, &event);
        self.note_regroup(group, &event, now);
        self.on_paths_changed(group, &event, now, out);
        if let GroupEvent::MemberDown(info, reason) = &event {
            self.watch_member_down(group, info, *reason, now);
        }
        self.tell(Event::Group { group, event }, out);
    }

    fn on_paths_changed(
        &mut self,
        group: GroupId,
        event: &GroupEvent,
        now: Time,
        out: &mut Outputs,
    ) {
        match event {
            GroupEvent::PathDown(node) => {
                self.note_broken_paths(group, None, now);
                if let Some(peer) = self.base.peers.find(node) {
                    self.bypass(peer, now, out);
                }
            }
            GroupEvent::PathUp(_) => self.note_broken_paths(group, None, now),
            // What it said of its paths is over with it.
            GroupEvent::MemberDown(info, _) => self.note_broken_paths(group, Some(info.node), now),
            _ => {}
        }
    }

    pub(super) fn enter_group(&mut self, config: Arc<GroupConfig>, now: Time) {
        let id = config.id();
        let record = self.record.clone();
        let mut cx = self.base.context(now);
        let group = Group::new(config, record, &mut cx);
        self.groups.insert(id, Box::new(group));
        self.place_group(id, now);
        self.keep_in_size(id, now);
        self.with_group(id, now, |group, cx, said| group.handle_start(cx, said));
    }

    /// Says Leave to every member, and forgets the group.
    pub(super) fn leave_group(&mut self, id: GroupId, now: Time, out: &mut Outputs) {
        self.with_group(id, now, |group, cx, said| group.handle_leave(cx, said));
        self.do_work(now, out);
        self.groups.remove(&id);
        self.dials.forget_group(id);
        let is_of_group = |work: &Work| matches!(work, Work::Group(group, _) if *group == id);
        self.work.retain(|work| !is_of_group(work));
        self.with_reflect(now, |reflect, cx, said| {
            reflect.handle_group(id, GroupChange::Left, cx, said);
        });
        if let Some(forward) = &mut self.forward {
            forward.handle_group_left(id);
        }
        self.up.handle_left(id, now);
        self.end_changes(id);
        if let Some(regroup) = &mut self.regroup {
            regroup.handle_left(id);
            regroup.handle_below(now);
        }
        self.forget_clients(id);
        self.with_watch_if_any(now, |watch, lent, said| watch.handle_group_left(lent, said));
        self.release_unused(now, out);
    }

    pub(super) fn on_groups_due(&mut self, now: Time) {
        let is_due = |group: &Group| group.poll_timeout().is_some_and(|(due, _)| due <= now);
        let groups = self.groups.iter();
        let due: Vec<GroupId> = groups
            .filter(|(_, group)| is_due(group))
            .map(|(&id, _)| id)
            .collect();
        for id in due {
            self.with_group(id, now, |group, cx, said| group.handle_timeout(cx, said));
        }
    }

    fn raise_boot(&mut self, boot: Boot, now: Time) {
        if boot > self.boot && boot <= Boot::MAX && self.life.is_boot_provisional() {
            self.boot = boot;
            self.renew_record(now);
            self.with_reflect(now, |reflect, cx, said| reflect.handle_boot(boot, cx, said));
        }
    }

    /// Signs a new record and says it to everybody who should know.
    pub(super) fn renew_record(&mut self, now: Time) {
        self.record_seq = self.record_seq.saturating_add(1);
        let groups = self.config.groups.iter().map(|group| group.id());
        self.record = record::own(
            &self.config,
            self.boot,
            self.record_seq,
            groups,
            &*self.base.crypto,
        );
        let (boot, record) = (self.boot, self.record.clone());
        if let Some(lookups) = &mut self.lookups {
            lookups.handle_record(record.clone());
        }
        if let Some(forward) = &mut self.forward {
            forward.handle_record(record.clone());
        }
        self.up.handle_record(record.clone());
        self.with_sessions(now, |sessions, _, said| {
            sessions.announce((boot, &record), said)
        });
        self.with_groups(
            now,
            |group: &mut Group, cx: &mut Context<'_>, said: &mut GroupOutputs| {
                group.handle_record(record.clone(), cx, said);
            },
        );
    }

    /// This node's start and record, for a Hello.
    pub(super) fn own(&self) -> (Boot, Arc<archipelago_core::SignedRecord>) {
        (self.boot, self.record.clone())
    }
}

/// Whether it answers a claim that was made to take a name along.
const fn is_own_request(output: &NameOutput) -> bool {
    matches!(output, NameOutput::Done { request, .. } if *request == OWN_REQUEST)
}
