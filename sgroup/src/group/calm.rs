//! When anything but the failure detector is next due, kept from one input to the next.
//!
//! At rest a member hears heartbeats and says its own, which move the detector's deadlines only. What
//! every other input is followed by ([`Group::settle`]) reads all tables of the group, and of a million
//! groups that memory is cold: so after an input that only the detector acted on, it is left out,
//! unless one of the others is due. Debug builds compare what is kept with what is so each time, so no
//! test passes with a deadline that was missed.
//! Cost: 8 bytes; O(members watched) where [`Group::settle`] takes all of the group.

use archipelago_core::{Context, Time};

use super::{Fact, Group, GroupOutputs};
use crate::join::Phase;

/// The deadline of everything but the detector; what is due at once is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Calm(Time);

impl Default for Calm {
    fn default() -> Self {
        Self(Time::START)
    }
}

impl Group {
    /// Something beside the detector changed: it is looked at as a whole with the next input.
    pub(super) fn disturb(&mut self) {
        self.calm = Calm::default();
    }

    /// Whether nothing but the detector can have anything to do at `now`.
    pub(super) fn is_calm(&self, now: Time) -> bool {
        self.calm.0 > now
    }

    /// All conclusions are drawn: remembers when the next one may be, but for the detector's.
    pub(super) fn settle_due(&mut self) {
        let rest = self.next_of_rest();
        // Names and duties look at what changed with every input, and tombstones may be too many.
        let is_plain = self.names.is_none() && self.duties.is_none();
        let is_roomy = !self.view.has_expired(Time::START);
        self.calm = if self.phase == Phase::Up && is_plain && is_roomy {
            Calm(rest.0)
        } else {
            Calm::default()
        };
        self.due = self.soonest(rest);
    }

    /// After an input that only the detector acted on, beyond what it says now.
    pub(super) fn settle_detector(
        &mut self,
        facts: Vec<Fact>,
        cx: &mut Context<'_>,
        out: &mut GroupOutputs,
    ) {
        if !self.is_calm(cx.now) || !facts.is_empty() {
            return self.settle(facts, cx, out);
        }
        debug_assert_eq!(self.calm.0, self.next_of_rest().0, "a deadline moved");
        self.due = self.soonest((self.calm.0, "what is rarely due"));
    }

    /// The sooner of the detector's deadline and this one.
    fn soonest(&self, rest: (Time, &'static str)) -> (Time, &'static str) {
        let detector = self.next_of_detector();
        if rest.0 < detector.0 { rest } else { detector }
    }
}
