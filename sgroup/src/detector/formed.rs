//! A detector of a formed group: its observers chosen, those whom it observes watched.

use std::time::Duration;

use archipelago_core::{Context, Peer};

use super::Detector;
use crate::Timing;

/// Who watches whom.
#[derive(Debug)]
pub(crate) struct Formation {
    /// Who observes this node, best first.
    pub(crate) observers: Vec<Peer>,
    /// Whom it observes, by slot; heard just now.
    pub(crate) watched: Vec<Peer>,
}

impl Detector {
    /// Begins at an instant of chance within the period, as members that joined one by one do.
    pub(crate) fn form(&mut self, formation: Formation, timing: &Timing, cx: &mut Context<'_>) {
        let period = timing.heartbeat_period;
        let period_us = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        let first = cx.now.after(Duration::from_micros(cx.rng.below(period_us)));
        self.beats.form(formation.observers, first);
        let patience = period + timing.probe_timeout.1;
        self.watches.form(formation.watched, cx.now.after(patience));
    }
}
