//! When a changed load is worth telling everybody.
//!
//! A load that trembles costs nothing, one that moves is told at most once a period, and what is
//! told last is never further from the truth than an eighth of it, or the floor.
//! Cost: 24 bytes; a write of the log at most once a second, none while nothing changes.

use std::time::Duration;

use archipelago_core::Time;

/// Smallest difference that is told, in thousandths of the node's own measure. 50: a twentieth of
/// one unit of work.
pub const LOAD_FLOOR: u32 = 50;
/// Shortest time between two loads that are told. One second, as heartbeats.
pub const LOAD_PERIOD: Duration = Duration::from_secs(1);

/// What was told, and what is so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Damper {
    told: Option<u32>,
    wanted: u32,
    /// When the next one is to be told; none while the one that was told is near enough.
    due: Option<Time>,
    free_at: Time,
}

impl Damper {
    /// The load is so now.
    pub(super) fn want(&mut self, load: u32, now: Time) {
        self.wanted = load;
        let is_worth = self.is_worth();
        self.due = is_worth.then(|| self.free_at.max(now));
    }

    /// The load to tell, if it is time to.
    pub(super) fn poll(&mut self, now: Time) -> Option<u32> {
        if now < self.next() {
            return None;
        }
        self.told = Some(self.wanted);
        self.due = None;
        self.free_at = now.after(LOAD_PERIOD);
        Some(self.wanted)
    }

    /// When to poll.
    pub(super) fn next(&self) -> Time {
        self.due.unwrap_or(Time::NEVER)
    }

    fn is_worth(&self) -> bool {
        self.told.is_none_or(|told| {
            let difference = told.abs_diff(self.wanted);
            difference >= LOAD_FLOOR && difference >= told / 8
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[test]
    fn a_load_that_trembles_is_not_told_again() {
        let mut damper = Damper::default();
        assert_eq!((damper.next(), damper.poll(at(9))), (Time::NEVER, None));
        damper.want(1_000, at(10));
        assert_eq!(damper.poll(at(10)), Some(1_000));
        for (millis, load) in [(20, 1_049), (3_000, 876), (9_000, 1_124)] {
            damper.want(load, at(millis));
            assert_eq!(damper.next(), Time::NEVER);
        }
        damper.want(1_125, at(9_000));
        assert_eq!(damper.poll(at(9_000)), Some(1_125));
    }

    #[test]
    fn a_load_that_moves_is_told_once_a_period_and_the_last_one_in_the_end() {
        let mut damper = Damper::default();
        damper.want(0, at(1));
        assert_eq!(damper.poll(at(1)), Some(0));
        damper.want(500, at(2));
        damper.want(900, at(3));
        assert_eq!((damper.poll(at(4)), damper.next()), (None, at(1_001)));
        // Back before anybody was told.
        damper.want(10, at(500));
        assert_eq!(damper.next(), Time::NEVER);
        damper.want(700, at(600));
        assert_eq!(damper.poll(at(1_001)), Some(700));
    }
}
