//! What machines said, done one after the other until nothing is left.
//!
//! A machine's output may lead to an input of a sibling, which has outputs again; the queue keeps
//! them in order and the stack flat. Every chain ends: machines wait (back-off, timers) before
//! they ask again for what failed.

use std::collections::VecDeque;

use archipelago_core::wire::{Control, SessionId};
use archipelago_core::{GroupId, Peer, Time};
use archipelago_sgroup::GroupOutput;

use super::{Event, Node, Output, Outputs};
use crate::change::ChangeOutput;
use crate::forward::ForwardOutput;
use crate::lookup::LookupOutput;
use crate::on_demand::OnDemandOutput;
use crate::reflect::ReflectOutput;
use crate::regroup::RegroupOutput;
use crate::sessions::{DetourOutput, SessionOutput};
use crate::up::UpOutput;
use crate::watch::WatchOutput;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Work {
    /// The table of sessions said so.
    Session(SessionOutput),
    /// A group said so.
    Group(GroupId, GroupOutput),
    /// On-demand sessions said so.
    OnDemand(OnDemandOutput),
    /// Reflection said so.
    Reflect(ReflectOutput),
    /// Look-ups said so.
    Lookup(LookupOutput),
    /// Forwarding said so.
    Forward(ForwardOutput),
    /// Detours said so.
    Detour(DetourOutput),
    /// The hierarchy said so.
    Up(UpOutput),
    /// A change of a group said so.
    Change(ChangeOutput),
    /// Monitors said so.
    Watch(WatchOutput),
    /// Groups that keep themselves in size said so.
    Regroup(RegroupOutput),
}

/// Where the message that is being answered came from. An answer that proves something about a
/// session is worth nothing on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// A session, be it the one in use or not.
    Session(SessionId),
    /// A detour.
    Detour,
}

impl Node {
    pub(super) fn do_work(&mut self, now: Time, out: &mut Outputs) {
        if self.work.is_empty() && self.is_at_rest() {
            self.answering = None;
            return;
        }
        while let Some(work) = self.work.pop_front() {
            self.stir_by_work(&work);
            match work {
                Work::Session(output) => self.on_session_output(output, now, out),
                Work::Group(group, output) => self.on_group_output(group, output, now, out),
                Work::OnDemand(output) => self.on_on_demand_output(output, now, out),
                Work::Reflect(output) => self.on_reflect_output(output, now, out),
                Work::Lookup(output) => self.on_lookup_output(output, now, out),
                Work::Forward(output) => self.on_forward_output(output, now, out),
                Work::Detour(output) => self.on_detour_output(output, now, out),
                Work::Up(output) => self.on_up_output(output, now, out),
                Work::Change(output) => self.on_change_output(output, now, out),
                Work::Watch(output) => self.on_watch_output(output, out),
                Work::Regroup(output) => self.on_regroup_output(output, now, out),
            }
        }
        self.answering = None;
        // Most nodes are idle, and room for a few outputs would be a kilobyte of each.
        self.work = VecDeque::new();
        self.life_after_work(now, out);
        self.settle_rest();
    }

    /// Puts a message on a session, unless its last word was said.
    pub(super) fn send(
        &mut self,
        session: SessionId,
        message: Control,
        now: Time,
        out: &mut Outputs,
    ) {
        if self.sessions.is_open(session) {
            self.put(session, message, now, out);
        }
    }

    /// Anything sent counts as sent life.
    pub(super) fn put(
        &mut self,
        session: SessionId,
        message: Control,
        now: Time,
        out: &mut Outputs,
    ) {
        let peer = self.sessions.get(session).map(|session| session.peer);
        if let Some(state) = peer.and_then(|peer| self.base.peers.get_mut(peer)) {
            state.note_sent(now);
        }
        out.push(Output::Send { session, message });
    }

    /// Sends to a peer by its session; `false` if it has none.
    pub(super) fn send_to(
        &mut self,
        peer: Peer,
        message: Control,
        now: Time,
        out: &mut Outputs,
    ) -> bool {
        let session = self.base.peers.get(peer).and_then(|state| state.session);
        if let Some(session) = session {
            self.send(session, message, now, out);
        }
        session.is_some()
    }

    pub(super) fn tell(&self, event: Event, out: &mut Outputs) {
        out.push(Output::Event(event));
    }
}
