//! When anything but a group is next due, kept from one input to the next.
//!
//! A node at rest hears and says heartbeats, which move the deadlines of groups only. Those of all
//! other machines are computed anew after every other input, so that at rest neither a message
//! nor a timer reads them: of a million nodes that memory is cold. Debug builds compare what is
//! kept with what is so at each look, so no test passes with a deadline that was missed.
//! Cost: one pass over the machines per input that is no heartbeat, 32 bytes.

use archipelago_core::Time;
use archipelago_core::wire::{Control, GroupBody};
use archipelago_sgroup::GroupOutput;

use super::Node;
use super::shutdown::Life;
use super::work::Work;

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    due: Option<(Time, &'static str)>,
    /// Something may have moved a deadline since.
    is_stale: bool,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            due: None,
            is_stale: true,
        }
    }
}

impl Node {
    /// Something is going on that may move the deadline of a machine other than a group.
    pub(super) fn stir(&mut self) {
        self.rest.is_stale = true;
    }

    /// As [`Node::stir`], unless it is a heartbeat that arrived.
    pub(super) fn stir_by_message(&mut self, message: &Control) {
        let is_rest = matches!(message, Control::Group(_, GroupBody::Heartbeat { .. }));
        self.rest.is_stale |= !is_rest;
    }

    /// As [`Node::stir`], unless it is a message that a group sends.
    pub(super) fn stir_by_work(&mut self, work: &Work) {
        let is_rest = matches!(work, Work::Group(_, GroupOutput::Send { .. }));
        self.rest.is_stale |= !is_rest;
    }

    /// Whether nothing but heartbeats went on since all was done, in a life that goes on.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.rest.is_stale && self.life == Life::Running
    }

    /// All is done: looks at the machines again if something went on.
    pub(super) fn settle_rest(&mut self) {
        if self.rest.is_stale {
            self.rest = Rest {
                due: self.next_of_rest(),
                is_stale: false,
            };
        }
    }

    /// Whether a machine other than a group is due, or may be.
    pub(super) fn is_rest_due(&self, now: Time) -> bool {
        self.rest.is_stale || self.rest.due.is_some_and(|(due, _)| due <= now)
    }

    /// When a machine other than a group is next due.
    pub(super) fn poll_rest(&self) -> Option<(Time, &'static str)> {
        debug_assert!(
            self.rest.is_stale || at(self.rest.due) <= at(self.next_of_rest()),
            "a deadline moved without a stir: {:?}, kept {:?}",
            self.next_of_rest(),
            self.rest.due
        );
        if self.rest.is_stale {
            return self.next_of_rest();
        }
        self.rest.due
    }

    /// The same, asked of each of them.
    fn next_of_rest(&self) -> Option<(Time, &'static str)> {
        let lookups = self.lookups.as_ref();
        let changes = self.changes.as_ref();
        let watch = self.watch.as_ref();
        let regroup = self.regroup.as_ref();
        let sessions = self.sessions.poll_timeout().into_iter();
        sessions
            .chain(self.on_demand.poll_timeout())
            .chain(self.reflect.poll_timeout())
            .chain(self.up.poll_timeout())
            .chain(lookups.and_then(|lookups| lookups.poll_timeout()))
            .chain(self.detours.poll_timeout())
            .chain(self.poll_doubtful())
            .chain(changes.and_then(|changes| changes.poll_timeout()))
            .chain(watch.and_then(|watch| watch.poll_timeout()))
            .chain(regroup.and_then(|regroup| regroup.poll_timeout()))
            .chain(self.life.poll_timeout())
            .chain(self.sweep_at.map(|at| (at, "sweep")))
            .min()
    }
}

fn at(due: Option<(Time, &'static str)>) -> Time {
    due.map_or(Time::NEVER, |(at, _)| at)
}
