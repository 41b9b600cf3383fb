//! Members that cannot reach each other, and speak through others meanwhile.

use archipelago_core::channel::Path;
use archipelago_core::wire::{Control, GroupBody, Hello, Nonce, WIRE_MAX, WIRE_MIN};
use archipelago_core::{Boot, GroupId, Peer, Time};
use archipelago_sgroup::{By, Origin};

use super::{CloseReason, Node, Output, Outputs, Via};
use crate::forward::Arrival;
use crate::sessions::{DetourOutput, check};

impl Node {
    /// A group's message to a member without a session: by detour, if it is known to be cut off.
    /// Else it is lost, and the group repairs it.
    pub(super) fn send_detoured(&mut self, group: GroupId, to: Peer, body: GroupBody, now: Time) {
        if self.detours.is_ready(to) {
            return self.detour(to, group, Control::Group(group, body), now);
        }
        self.counters.group_lost = self.counters.group_lost.saturating_add(1);
        let is_cut_off = self.detours.is_cut_off(to)
            || self
                .groups
                .get(&group)
                .is_some_and(|group| group.is_path_down(to));
        if is_cut_off {
            self.with_detours(now, |detours, cx, said| detours.want(to, cx, said));
        }
    }

    fn detour(&mut self, to: Peer, group: GroupId, control: Control, now: Time) {
        let target = self.base.peers.id(to);
        let mut result = Ok(());
        self.with_forward(now, |forward, routes, cx, said| {
            result = forward.handle_control(target, group, control, routes, cx, said);
        });
        if result.is_err() {
            self.counters.group_lost = self.counters.group_lost.saturating_add(1);
        }
    }

    pub(super) fn on_detour_output(&mut self, output: DetourOutput, now: Time, out: &mut Outputs) {
        match output {
            DetourOutput::Say(peer, nonce) => self.say_hello_detoured(peer, nonce, now),
            DetourOutput::Ready(peer) if self.session_of(peer).is_some() => {
                self.change_over(peer, out);
            }
            DetourOutput::Ready(peer) => self.on_detour_ready(peer, now),
        }
    }

    /// A detour in place of a session: every common group proves itself on it.
    pub(super) fn on_detour_ready(&mut self, peer: Peer, now: Time) {
        self.with_groups(now, |group, cx, said| {
            if group.holds(peer) {
                group.handle_session_ready(peer, None, cx, said);
            }
        });
    }

    fn say_hello_detoured(&mut self, peer: Peer, nonce: Nonce, now: Time) {
        let Some(group) = self.common_group(peer) else {
            return;
        };
        let hello = Hello {
            wire: (WIRE_MIN, WIRE_MAX),
            realm: self.config.realm.clone(),
            boot: self.boot,
            nonce,
            record: self.record.clone(),
        };
        self.detour(peer, group, Control::Hello(Box::new(hello)), now);
    }

    /// A message by detour: the seal proves its source. Before the Hellos, only they count.
    pub(super) fn on_detoured(
        &mut self,
        arrival: Arrival,
        control: Control,
        now: Time,
        out: &mut Outputs,
    ) {
        let peer = self.base.peers.find(&arrival.source);
        let Some(peer) = peer.filter(|&peer| self.common_group(peer).is_some()) else {
            return;
        };
        self.learn(peer, arrival, now);
        if let Control::Hello(hello) = &control {
            return self.on_hello_detoured(peer, hello, now, out);
        }
        let Some(transcript) = self.detours.transcript(peer, arrival.boot) else {
            return self.on_forgotten(peer, now, out);
        };
        let by = By::Detour;
        let from = Origin {
            peer,
            transcript,
            by,
        };
        self.answering = Some((peer, Via::Detour));
        match control {
            Control::Group(id, body) => self.with_group(id, now, |group, cx, said| {
                group.handle_message(from, body, cx, said);
            }),
            Control::Ping(number) => {
                self.detour(peer, arrival.group, Control::Pong(number), now);
            }
            Control::Pong(number) => self.on_detoured_pong(peer, number, now),
            _ => {}
        }
    }

    fn on_hello_detoured(&mut self, peer: Peer, hello: &Hello, now: Time, out: &mut Outputs) {
        let name = self.base.peers.id(peer);
        let Ok(version) = check(hello, (name, None), &self.config.realm, &*self.base.crypto) else {
            return;
        };
        self.drop_earlier_boot(peer, hello.boot, now);
        // Who has a session and says Hello all the same does not hear by it, or is not heard.
        self.doubt(peer, now, out);
        if self.session_of(peer).is_some() && !self.detours.is_questioned(peer) {
            return;
        }
        let said = (hello.nonce, hello.boot, version);
        self.with_detours(now, |detours, cx, said_by_us| {
            detours.handle_hello(peer, said, cx, said_by_us);
        });
    }

    /// The peer speaks in a virtual session that is over here: it begins anew.
    pub(super) fn on_forgotten(&mut self, peer: Peer, now: Time, out: &mut Outputs) {
        self.doubt(peer, now, out);
        if self.common_group(peer).is_some() {
            self.with_detours(now, |detours, cx, said| detours.want(peer, cx, said));
        }
    }

    /// The peer started anew where it cannot be reached: its old session leads to nobody.
    fn drop_earlier_boot(&mut self, peer: Peer, boot: Boot, now: Time) {
        let state = self
            .base
            .peers
            .get(peer)
            .filter(|state| state.boot() < boot);
        if let Some(session) = state.and_then(|state| state.session) {
            self.with_sessions(now, |sessions, cx, said| {
                sessions.drop_now(session, Some(CloseReason::Silent), cx, said);
            });
        }
    }

    /// A ping by detour, where there is no session.
    pub(super) fn ping_detoured(&mut self, peer: Peer, number: u32, now: Time) {
        if let Some(group) = self.common_group(peer) {
            self.detour(peer, group, Control::Ping(number), now);
        }
    }

    /// A member was admitted, and has no session: its data takes the detour.
    pub(super) fn attach_detour(&mut self, peer: Peer, out: &mut Outputs) {
        if !self.detours.attach(peer) {
            return;
        }
        self.waiting.remove(&peer);
        if let Some(state) = self.base.peers.get(peer) {
            out.push(Output::AttachPath {
                peer: state.id(),
                boot: state.boot(),
                path: Path::Detour,
            });
        }
    }

    /// A session took the detour's place, or nobody wants it any more.
    pub(super) fn end_detour(&mut self, peer: Peer, out: &mut Outputs) {
        if self.detours.forget(peer) {
            out.push(Output::DetachPath {
                peer: self.base.peers.id(peer),
                path: Path::Detour,
            });
        }
    }

    /// A group that both are in.
    pub(super) fn common_group(&self, peer: Peer) -> Option<GroupId> {
        let mut groups = self.groups.iter();
        groups
            .find(|(_, group)| group.holds(peer))
            .map(|(&id, _)| id)
    }
}
