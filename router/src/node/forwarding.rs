//! Sealed envelopes: frames of channels on relay and detour, and what arrived by them.

use archipelago_core::channel::Path;
use archipelago_core::wire::{ByeReason, Control, Envelope};
use archipelago_core::{NodeId, Peer, Time};
use bytes::Bytes;

use super::{Node, Output, Outputs};
use crate::forward::{Arrival, ForwardOutput, Way};
use crate::sessions::remember_record;

impl Node {
    pub(super) fn on_envelope(&mut self, from: Peer, envelope: Box<Envelope>, now: Time) {
        self.with_forward(now, |forward, routes, cx, said| {
            forward.handle_envelope(from, envelope, routes, cx, said);
        });
    }

    /// Frames of a channel, for want of a session. What cannot be sent now is lost here: the
    /// channel sends it again.
    pub(super) fn forward_frames(&mut self, target: NodeId, path: Path, frames: Bytes, now: Time) {
        let way = match path {
            Path::Relay => Way::Relay,
            Path::Detour => Way::Detour,
            Path::Direct(_) => return,
        };
        if let Some(peer) = self.base.peers.find(&target) {
            self.on_demand.handle_activity(peer, now);
        }
        let mut result = Ok(());
        self.with_forward(now, |forward, routes, cx, said| {
            result = forward.handle_frames(target, way, frames, routes, cx, said);
        });
        if result.is_err() {
            self.counters.frames_lost = self.counters.frames_lost.saturating_add(1);
        }
    }

    pub(super) fn on_forward_output(
        &mut self,
        output: ForwardOutput,
        now: Time,
        out: &mut Outputs,
    ) {
        match output {
            ForwardOutput::Send { to, envelope } => {
                self.send_to(to, Control::Envelope(envelope), now, out);
            }
            ForwardOutput::FramesArrived { arrival, frames } => {
                self.on_frames(arrival, frames, now, out);
            }
            ForwardOutput::ControlArrived { arrival, control } => {
                self.on_detoured(arrival, *control, now, out);
            }
            ForwardOutput::Silent { target } => self.on_forward_silent(target, now),
            ForwardOutput::Broken(peer) => self.break_off(peer, ByeReason::Protocol, now),
        }
    }

    /// Frames were opened: their source is known by its seal. Answers need a path back.
    fn on_frames(&mut self, arrival: Arrival, frames: Bytes, now: Time, out: &mut Outputs) {
        let Ok(peer) = self.base.peers.intern(arrival.source) else {
            self.counters.frames_lost = self.counters.frames_lost.saturating_add(1);
            return;
        };
        self.sweep_later(now);
        self.learn(peer, arrival, now);
        let has_path = match arrival.way {
            Way::Relay => self.relay_from(peer, now),
            Way::Detour => self.detours.is_ready(peer),
        };
        if !has_path && arrival.way == Way::Detour {
            self.on_forgotten(peer, now, out);
        }
        self.do_work(now, out);
        if !has_path {
            self.counters.frames_lost = self.counters.frames_lost.saturating_add(1);
            return;
        }
        out.push(Output::FramesArrived {
            peer: arrival.source,
            boot: arrival.boot,
            path: arrival.way.path(),
            frames,
        });
    }

    fn relay_from(&mut self, peer: Peer, now: Time) -> bool {
        let home = self.home_of(peer);
        let mut is_taken = false;
        self.with_on_demand(now, |on_demand, cx, said| {
            is_taken = on_demand.handle_relayed(peer, home, cx, said);
        });
        is_taken
    }

    /// What an opened envelope tells of its source: that it lives, its record and its start.
    pub(super) fn learn(&mut self, peer: Peer, arrival: Arrival, now: Time) {
        let forward = self.forward.as_ref();
        let record = forward.and_then(|forward| forward.record(&arrival.source).cloned());
        let mut cx = self.base.context(now);
        if let Some(record) = record {
            remember_record(peer, &record, &mut cx);
        }
        self.note_boot(peer, arrival.boot);
        if let Some(state) = self.base.peers.get_mut(peer) {
            state.last_heard = now;
        }
    }

    /// Every way to the target is silent: what was known of it is asked anew.
    fn on_forward_silent(&mut self, target: NodeId, now: Time) {
        self.purge(&target);
        if let Some(peer) = self.base.peers.find(&target) {
            self.with_on_demand(now, |on_demand, _, said| {
                on_demand.handle_relay_silent(peer, said);
            });
        }
    }
}
