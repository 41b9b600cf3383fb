//! Checkers that look at a world while it runs.
//!
//! What they find is kept as values, each thing once, and the run goes on: a violation has a time,
//! the invariant's name and a line of text. When checkers look never depends on threads.

use std::time::Duration;

use archipelago_core::Time;

use super::World;
use crate::check::Violation;
use crate::observe::Observed;

/// An invariant that is held against a running world.
pub trait Checker: Send {
    /// A node reported something, in the order of time. Default: nothing is wrong.
    fn on_observed(&mut self, _observed: &Observed) -> Vec<Violation> {
        Vec::new()
    }

    /// What is wrong now.
    fn check(&mut self, _world: &World) -> Vec<Violation> {
        Vec::new()
    }
}

/// A function of the world is a checker.
impl<F: FnMut(&World) -> Vec<Violation> + Send> Checker for F {
    fn check(&mut self, world: &World) -> Vec<Violation> {
        self(world)
    }
}

/// Something that was wrong at some time of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violated {
    /// When it was seen first.
    pub time: Time,
    /// What.
    pub violation: Violation,
}

impl std::fmt::Display for Violated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "at {} ms {}",
            self.time.as_micros() / 1_000,
            self.violation
        )
    }
}

/// The checkers of a world.
#[derive(Default)]
pub(super) struct Checks {
    attached: Vec<Attached>,
    pub(super) found: Vec<Violated>,
}

struct Attached {
    checker: Box<dyn Checker>,
    period: Duration,
    next: Time,
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks")
            .field("attached", &self.attached.len())
            .field("found", &self.found)
            .finish()
    }
}

impl Checks {
    /// When somebody wants to look next.
    pub(super) fn next(&self) -> Time {
        let times = self.attached.iter().map(|attached| attached.next);
        times.min().unwrap_or(Time::NEVER)
    }

    /// Whether anybody looks.
    pub(super) const fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    /// Shows what a node reported to everybody.
    pub(super) fn show(&mut self, observed: &Observed) {
        let checkers = self.attached.iter_mut();
        let found = checkers.flat_map(|attached| attached.checker.on_observed(observed));
        let found: Vec<Violation> = found.collect();
        self.add(observed.time, found);
    }

    /// Lets those look whose time has come.
    pub(super) fn look(&mut self, world: &World) {
        let (now, mut found) = (world.now(), Vec::new());
        for attached in &mut self.attached {
            if attached.next <= now {
                attached.next = now.after(attached.period);
                found.append(&mut attached.checker.check(world));
            }
        }
        self.add(now, found);
    }

    fn add(&mut self, time: Time, found: Vec<Violation>) {
        for violation in found {
            let is_known = |known: &Violated| known.violation == violation;
            if !self.found.iter().any(is_known) {
                self.found.push(Violated { time, violation });
            }
        }
    }
}

impl World {
    /// Has a checker look at everything that nodes report from now on, and at the world every
    /// `period` of virtual time.
    ///
    /// # Panics
    /// For a period of zero.
    pub fn attach(&mut self, period: Duration, checker: impl Checker + 'static) {
        assert!(
            period > Duration::ZERO,
            "a look takes no time, so it needs a period"
        );
        self.checks.attached.push(Attached {
            checker: Box::new(checker),
            period,
            next: self.now().after(period),
        });
    }

    /// What checkers found so far, each thing once, in the order of time.
    pub fn violations(&self) -> &[Violated] {
        &self.checks.found
    }

    /// Lets checkers look, where it is time.
    pub(super) fn look(&mut self) {
        if self.checks.next() <= self.now() {
            let mut checks = std::mem::take(&mut self.checks);
            checks.look(self);
            self.checks = checks;
        }
    }
}
