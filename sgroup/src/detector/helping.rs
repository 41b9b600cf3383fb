//! Probes made for others: does a member that they cannot hear answer me?
//!
//! The answer always rests on something heard after the question. At most [`HELPS_MAX`] at once;
//! beyond, questions are dropped and their askers turn to others.

use archipelago_core::footprint::vec_bytes;
use archipelago_core::wire::{GroupBody, ProbeOutcome, ProbeReport};
use archipelago_core::{Context, Peer, Time};

use super::Surroundings;
use super::health::Health;
use crate::{GroupOutput, GroupOutputs};

const HELPS_MAX: usize = 256;

/// Questions under way.
#[derive(Debug, Default)]
pub(super) struct Helping(Vec<Help>);

#[derive(Clone, Copy, Debug)]
struct Help {
    asker: Peer,
    id: u32,
    target: Peer,
    opened: Time,
    due: Time,
}

impl Helping {
    pub(super) const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.0)
    }

    pub(super) fn next(&self) -> Time {
        self.0
            .iter()
            .map(|help| help.due)
            .min()
            .unwrap_or(Time::NEVER)
    }

    /// A member asks whether `target` lives.
    pub(super) fn on_probe(
        &mut self,
        (asker, id, target): (Peer, u32, Peer),
        health: &Health,
        around: &Surroundings<'_>,
        cx: &Context<'_>,
        out: &mut GroupOutputs,
    ) {
        let state = cx.peers.get(target);
        let mut help = Help {
            asker,
            id,
            target,
            opened: cx.now,
            due: cx.now,
        };
        if state.is_none_or(|state| state.session.is_none()) {
            help.report(ProbeOutcome::Closed, cx, out);
        } else if self.0.len() < HELPS_MAX {
            // Time for a retransmission: a hasty `Silent` would cost a life where packets get lost.
            let patience = health.patience(state, around.timing, cx.now);
            help.due = cx.now.after(patience.max(around.timing.probe_timeout.1));
            self.0.push(help);
            out.push(GroupOutput::Ping { peer: target });
        }
    }

    /// Something of `target` was heard.
    pub(super) fn on_life(&mut self, target: Peer, cx: &Context<'_>, out: &mut GroupOutputs) {
        self.0.retain(|help| {
            let is_answer = help.target == target && cx.now > help.opened;
            if is_answer {
                help.report(ProbeOutcome::Heard { ago_ms: 0 }, cx, out);
            }
            !is_answer
        });
    }

    /// The session with `target` closed.
    pub(super) fn on_closed(&mut self, target: Peer, cx: &Context<'_>, out: &mut GroupOutputs) {
        self.0.retain(|help| {
            if help.target == target {
                help.report(ProbeOutcome::Closed, cx, out);
            }
            help.target != target
        });
    }

    pub(super) fn handle_timeout(&mut self, cx: &Context<'_>, out: &mut GroupOutputs) {
        self.0.retain(|help| {
            if help.due <= cx.now {
                help.report(ProbeOutcome::Silent, cx, out);
            }
            help.due > cx.now
        });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Help {
    fn report(&self, outcome: ProbeOutcome, cx: &Context<'_>, out: &mut GroupOutputs) {
        out.push(GroupOutput::Send {
            to: self.asker,
            body: GroupBody::ProbeReport(Box::new(ProbeReport {
                id: self.id,
                target: cx.peers.id(self.target),
                outcome,
            })),
        });
    }
}
