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
    /// The same at all members: from it the group's phase is drawn.
    pub(crate) common: u64,
}

/// How far apart the members hear of the last one that joined.
const SPREAD: Duration = Duration::from_millis(5);

impl Detector {
    /// Begins with the others: whoever hears of a joiner beats as soon as it has chosen observers
    /// anew, so the members of a formed group beat together. Each group has its own instant within
    /// the period.
    pub(crate) fn form(&mut self, formation: Formation, timing: &Timing, cx: &mut Context<'_>) {
        let period = timing.heartbeat_period;
        let period_us = u64::try_from(period.as_micros()).unwrap_or(u64::MAX);
        let phase = Duration::from_micros(formation.common % period_us.max(1));
        let spread = Duration::from_micros(cx.rng.below(SPREAD.as_micros() as u64));
        let first = cx.now.after(phase + spread);
        self.beats.form(formation.observers, first);
        let patience = period + timing.probe_timeout.1;
        self.watches.form(formation.watched, cx.now.after(patience));
    }
}
