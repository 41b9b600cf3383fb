//! Reflection and look-ups: what they are told, and what they say, done.

use archipelago_core::wire::{ByeReason, Control, RouteBody};
use archipelago_core::{Boot, GroupId, NodeId, Peer, Roles, Time};
use archipelago_sgroup::{GroupEvent, MemberInfo};

use super::{Event, Node, Outputs, Unreachable};
use crate::lookup::{Located, LookupError, LookupOutput};
use crate::reflect::{GroupChange, MemberChange, ReflectOutput};
use crate::regroup::trail::Sought;
use crate::routes::{Membership, Routes};
use crate::sessions::remember_record;

impl Node {
    pub(super) fn on_route(&mut self, from: Peer, body: RouteBody, now: Time) {
        match body {
            RouteBody::Row {
                row,
                clusters,
                age_s,
            } => self.with_reflect(now, |reflect, cx, said| {
                reflect.handle_row(from, row, clusters, age_s, cx, said);
            }),
            RouteBody::RowDigest(digest) => self.with_reflect(now, |reflect, cx, said| {
                reflect.handle_digest(from, &digest, cx, said);
            }),
            RouteBody::Lookup(lookup) => self.on_lookup(from, *lookup, now),
            RouteBody::LookupReply(reply) => self.with_lookups(now, |lookups, routes, cx, said| {
                lookups.handle_reply(from, *reply, routes, cx, said);
            }),
        }
    }

    pub(super) fn on_reflect_output(
        &mut self,
        output: ReflectOutput,
        now: Time,
        out: &mut Outputs,
    ) {
        match output {
            ReflectOutput::Send { to, body } => {
                self.send_to(to, Control::Route(body), now, out);
            }
            ReflectOutput::RouteUp(group) => self.tell(Event::RouteUp { group }, out),
            ReflectOutput::RouteDown(group) => self.tell(Event::RouteDown { group }, out),
            ReflectOutput::Broken(peer) => self.break_off(peer, ByeReason::Protocol, now),
        }
    }

    /// The peer broke a rule that no member breaks by accident.
    pub(super) fn break_off(&mut self, peer: Peer, reason: ByeReason, now: Time) {
        if let Some(session) = self.session_of(peer) {
            self.with_sessions(now, |sessions, cx, said| {
                sessions.abort(session, reason, cx, said);
            });
        }
    }

    /// Keeps the map of groups in step with what groups say.
    pub(super) fn map_group_event(&mut self, group: GroupId, event: &GroupEvent, now: Time) {
        match event {
            GroupEvent::Joined { .. } => {
                let mut configs = self.config.groups.iter();
                let config = configs.find(|config| config.id() == group);
                let is_closed = config.is_some_and(|config| config.is_closed);
                self.with_reflect(now, |reflect, cx, said| {
                    reflect.handle_group(group, GroupChange::Up { is_closed }, cx, said);
                });
            }
            GroupEvent::MemberUp(info) | GroupEvent::MemberAlive(info) => {
                let change = MemberChange::Up(self.roles_of(info));
                self.map_member(group, info, change, now);
            }
            GroupEvent::MemberDown(info, _) => {
                self.map_member(group, info, MemberChange::Gone, now);
            }
            _ => {}
        }
    }

    fn map_member(&mut self, group: GroupId, info: &MemberInfo, change: MemberChange, now: Time) {
        let Some(peer) = self.base.peers.find(&info.node) else {
            return;
        };
        self.with_reflect(now, |reflect, cx, said| {
            reflect.handle_member(group, peer, change, cx, said);
        });
    }

    fn roles_of(&self, info: &MemberInfo) -> Roles {
        let known = || {
            let peer = self.base.peers.find(&info.node)?;
            self.base.peers.get(peer)?.record().cloned()
        };
        let record = info.record.clone().or_else(known);
        record.map_or(Roles::default(), |signed| signed.record.roles)
    }

    pub(super) fn look_up(&mut self, peer: Peer, home: GroupId, now: Time, out: &mut Outputs) {
        let Some(state) = self.base.peers.get(peer) else {
            return;
        };
        // A start that the peer itself proved leaves no use for answers about earlier ones.
        let (target, version_min) = (state.id(), (state.boot(), 0));
        let heirs = self.heirs(home);
        let is_here = self.groups.contains_key(&home);
        let hosts = self.reflect.hosts(home, &target, &self.base.peers);
        if !heirs.is_empty() && hosts.is_empty() && (is_here || target != self.base.me) {
            let trail = self.trail(Sought::Node(target, version_min), home, &heirs);
            return self.follow(target, trail, now, out);
        }
        self.with_lookups(now, |lookups, routes, cx, said| {
            lookups.handle_locate(target, home, version_min, routes, cx, said);
        });
    }

    pub(super) fn on_lookup_output(&mut self, output: LookupOutput, now: Time, out: &mut Outputs) {
        match output {
            LookupOutput::Send { to, body } => {
                self.send_to(to, Control::Route(body), now, out);
            }
            LookupOutput::Moved {
                target,
                group,
                name,
                version_min,
                heirs,
            } => self.on_moved_on((target, group), (name, version_min), &heirs, now, out),
            LookupOutput::Found(located) => {
                self.end_trail(&located.key());
                self.on_found(&located, now);
                self.on_name_found(&located, out);
            }
            LookupOutput::Failed { target, error } => {
                if !self.goes_on(&target, now, out) {
                    self.on_sought_nowhere(target, error, out, now);
                }
            }
        }
    }

    /// A look-up came to nothing: whoever waits for it is told.
    pub(super) fn on_sought_nowhere(
        &mut self,
        target: NodeId,
        error: LookupError,
        out: &mut Outputs,
        now: Time,
    ) {
        if self.on_name_not_found(&target, error, out) {
            return;
        }
        let Some(peer) = self.base.peers.find(&target) else {
            return;
        };
        let reason = self.unreachable(target, error);
        self.with_on_demand(now, |on_demand, cx, said| {
            on_demand.handle_lookup_failed(peer, reason, cx, said);
        });
    }

    /// What was found of a node is asked anew when it is next sought.
    pub(super) fn purge(&mut self, target: &NodeId) {
        if let Some(lookups) = &mut self.lookups {
            lookups.handle_purge(target);
        }
    }

    fn on_found(&mut self, located: &Located, now: Time) {
        let node = located.record.record.node;
        let Some(peer) = self.base.peers.find(&node) else {
            return;
        };
        let mut cx = self.base.context(now);
        remember_record(peer, &located.record, &mut cx);
        self.note_boot(peer, located.record.record.boot);
        self.with_forward(now, |forward, _, _, _| {
            forward.handle_located(&located.record, located.group);
        });
        let key = located.introduction.clone();
        self.with_on_demand(now, |on_demand, cx, said| {
            on_demand.handle_found(peer, key, cx, said);
        });
    }

    /// Without a session, the record is all that tells of a peer's start.
    pub(super) fn note_boot(&mut self, peer: Peer, boot: Boot) {
        let state = self.base.peers.get_mut(peer);
        if let Some(state) = state.filter(|state| state.session.is_none()) {
            state.set_boot(state.boot().max(boot));
        }
    }

    /// What a failed look-up means for who waits. A node of a group of ours is known without one.
    fn unreachable(&self, target: NodeId, error: LookupError) -> Unreachable {
        match error {
            LookupError::Near => self.standing_of(target),
            LookupError::NotFound => Unreachable::NotFound,
            LookupError::Gone => Unreachable::Gone,
            LookupError::Closed => Unreachable::Closed,
            LookupError::Overloaded => Unreachable::Overloaded,
            _ => Unreachable::NoRoute,
        }
    }

    fn standing_of(&self, target: NodeId) -> Unreachable {
        let groups = self.groups.keys();
        let standings = groups.map(|&group| {
            let membership = self.reflect.membership(group, &target, &self.base.peers);
            match membership {
                Membership::Up(_) => Unreachable::DialFailed,
                Membership::Gone => Unreachable::Gone,
                Membership::Unknown => Unreachable::NotFound,
            }
        });
        let is_known = |reason: &Unreachable| *reason != Unreachable::NotFound;
        let mut known = standings.filter(is_known);
        known.next().unwrap_or(Unreachable::NotFound)
    }
}
