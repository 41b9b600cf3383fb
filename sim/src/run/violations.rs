//! What did not hold: invariants checked along the way and at the end, and bounds.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Experiment, Violated};
use crate::check::{self, Violation, messages, rows, sessions, updown, views};
use crate::scenario::Invariant;

/// Texts that a result keeps.
const KEPT_MAX: usize = 100;

/// Each violation once.
#[derive(Debug, Default)]
pub(super) struct Violations {
    pub(super) kept: Vec<Violated>,
    pub(super) count: u64,
    seen: BTreeSet<(String, String)>,
}

impl Violations {
    pub(super) fn add(&mut self, invariant: &str, text: String) {
        if self.seen.insert((invariant.to_owned(), text.clone())) {
            self.count += 1;
            if self.kept.len() < KEPT_MAX {
                let invariant = invariant.to_owned();
                self.kept.push(Violated { invariant, text });
            }
        }
    }

    fn extend(&mut self, found: Vec<Violation>) {
        for violation in found {
            self.add(violation.invariant, violation.text);
        }
    }
}

impl Experiment<'_> {
    fn holds(&self, invariants: &[Invariant]) -> bool {
        let asked = &self.scenario.hold.invariants;
        asked.iter().any(|invariant| invariants.contains(invariant))
    }

    /// What must hold at all times.
    pub(super) fn check_safety(&mut self) {
        let of = [Invariant::Safety, Invariant::Quiet];
        if self.holds(&of) || self.holds(&[Invariant::UpDown]) {
            self.violations.extend(updown::check(&self.world));
        }
        if self.holds(&of) || self.holds(&[Invariant::Order]) {
            self.violations.extend(messages::order(&self.world));
        }
        if self.holds(&of) || self.holds(&[Invariant::Rows]) {
            self.violations.extend(rows::check(&self.world));
        }
    }

    /// What must hold at the end.
    pub(super) fn check_end(&mut self) {
        self.check_safety();
        let world = &self.world;
        let mut found = Vec::new();
        if self.holds(&[Invariant::Quiet]) {
            found.extend(check::quiet(world));
        }
        if self.holds(&[Invariant::Views]) {
            found.extend(views::check(world));
        }
        if self.holds(&[Invariant::Mesh]) {
            found.extend(sessions::mesh(world));
        }
        if self.holds(&[Invariant::NoneBeyond]) {
            found.extend(sessions::none_beyond_groups(world));
        }
        if self.holds(&[Invariant::Complete]) {
            found.extend(messages::complete(world));
        }
        self.violations.extend(found);
        self.check_counts();
    }

    fn check_counts(&mut self) {
        self.check_keyed();
        if self.holds(&[Invariant::NoFalseDeath]) && self.meter.false_deaths > 0 {
            for text in std::mem::take(&mut self.meter.false_death_texts) {
                self.violations.add("no false death", text);
            }
        }
        if self.holds(&[Invariant::NoFailedLookup]) {
            for (reason, count) in &self.meter.failed {
                let text = format!("{count} look-ups failed: {reason}");
                self.violations.add("no failed look-up", text);
            }
        }
    }

    /// The bounds on what was measured.
    pub(super) fn check_bounds(&mut self, result: &super::RunResult) {
        let hold = &self.scenario.hold;
        let mut broken = Vec::new();
        let mut within = |name: &'static str, bound: Option<Duration>, ms: f64| {
            if let Some(bound) = bound
                && ms > bound.as_secs_f64() * 1e3
            {
                broken.push((name, format!("{ms:.1} ms, where {bound:?} is allowed")));
            }
        };
        within("detection", hold.detection, result.detection.max_ms);
        within("join", hold.join, result.join.max_ms);
        let formed = result
            .formed_s
            .map_or(f64::INFINITY, |seconds| seconds * 1e3);
        within("formed", hold.formed, formed);
        let has_mended = self.mended.is_some();
        let healed = result
            .healed_s
            .map_or(f64::INFINITY, |seconds| seconds * 1e3);
        within("healed", hold.healed.filter(|_| has_mended), healed);
        if result.formed_s.is_none() && hold.formed.is_none() {
            let text = format!(
                "not every group had formed after {:?}",
                self.scenario.form_within
            );
            broken.push(("formed", text));
        }
        if hold.detection.is_some() && result.detection_missed > 0 {
            let (watcher, node) = self.meter.missed.first().copied().unwrap_or_default();
            let text = format!(
                "{} members never heard of an end, the first of them n{watcher} of n{node}",
                result.detection_missed
            );
            broken.push(("detection", text));
        }
        if let Some(max) = hold.sessions_max
            && result.sessions_max > u64::from(max)
        {
            let text = format!("{} sessions, where {max} are allowed", result.sessions_max);
            broken.push(("sessions", text));
        }
        if let (Some(max), Some(control)) = (hold.control_per_s, &result.control)
            && control.per_node_per_s > max
        {
            let rate = control.per_node_per_s;
            broken.push((
                "control",
                format!("{rate:.2} a node and second, where {max} are allowed"),
            ));
        }
        if let Some(share) = hold.delivered {
            let (sent, delivered) = (result.delivery.sent, result.delivery.delivered);
            #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            if (delivered as f64) < share * sent as f64 {
                broken.push(("delivered", format!("{delivered} of {sent} messages")));
            }
        }
        for (name, text) in broken {
            self.violations.add(name, text);
        }
    }
}
