//! When a node that died is started again, and when no more: decisions without clock or process.
//!
//! A node that ends is started after a pause, which doubles with each end in a row from 0.2 s to
//! 10 s and is short again once it ran for 30 s. One that ended more than five times within a
//! minute is given up: what is wrong with it will not go away by itself, and the others go on.
//! Source: the restart intensity of Erlang's `supervisor`; the pauses are ours.

use std::collections::VecDeque;
use std::time::Duration;

const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A node that ran for so long is well.
const WELL_AFTER: Duration = Duration::from_secs(30);
/// Ends within [`INTENSITY_PERIOD`] that are borne.
const INTENSITY: usize = 5;
const INTENSITY_PERIOD: Duration = Duration::from_secs(60);

/// What is to be done for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: it runs, or its pause lasts, or it was given up.
    Leave,
    /// Start it.
    Start,
    /// It has just been given up: say so.
    GiveUp,
}

/// The history of one node; times are those since the supervisor began.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    started_at: Option<Duration>,
    ends: VecDeque<Duration>,
    pause: Duration,
    start_at: Duration,
    is_given_up: bool,
}

impl History {
    /// It runs already, or was started now, whether or not that worked.
    pub(super) const fn on_started(&mut self, now: Duration) {
        self.started_at = Some(now);
    }

    /// Looks at a node that is alive or not.
    pub(super) fn look(&mut self, is_alive: bool, now: Duration) -> Verdict {
        if is_alive || self.is_given_up {
            return Verdict::Leave;
        }
        if let Some(started_at) = self.started_at.take() {
            return self.on_ended(started_at, now);
        }
        if now >= self.start_at {
            Verdict::Start
        } else {
            Verdict::Leave
        }
    }

    /// How often it ended within the last minute.
    pub(super) fn ends(&self) -> usize {
        self.ends.len()
    }

    /// Whether it is not started any more.
    pub(super) const fn is_given_up(&self) -> bool {
        self.is_given_up
    }

    fn on_ended(&mut self, started_at: Duration, now: Duration) -> Verdict {
        self.ends.push_back(now);
        while self
            .ends
            .front()
            .is_some_and(|&end| end + INTENSITY_PERIOD < now)
        {
            self.ends.pop_front();
        }
        if self.ends.len() > INTENSITY {
            self.is_given_up = true;
            return Verdict::GiveUp;
        }
        let was_well = now.saturating_sub(started_at) >= WELL_AFTER;
        self.pause = if was_well {
            PAUSE_MIN
        } else {
            (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX)
        };
        self.start_at = now + self.pause;
        Verdict::Leave
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn u14_pauses_double_and_the_sixth_end_in_a_minute_is_the_last() {
        let mut node = History::default();
        assert_eq!(node.look(false, s(0)), Verdict::Start);
        let mut now = s(0);
        for pause in [200, 400, 800, 1_600, 3_200] {
            node.on_started(now);
            assert_eq!(node.look(true, now), Verdict::Leave);
            assert_eq!(node.look(false, now), Verdict::Leave);
            let pause = Duration::from_millis(pause);
            assert_eq!(
                node.look(false, now + pause - Duration::from_millis(1)),
                Verdict::Leave
            );
            now += pause;
            assert_eq!(node.look(false, now), Verdict::Start);
        }
        node.on_started(now);
        assert_eq!(node.look(false, now), Verdict::GiveUp);
        assert_eq!(node.look(false, now + s(1_000)), Verdict::Leave);
        assert!(node.is_given_up());
    }

    #[test]
    fn u14_a_node_that_ran_well_is_started_again_for_ever() {
        let mut node = History::default();
        for round in 0..100 {
            let now = s(round * 40);
            assert_eq!(node.look(false, now), Verdict::Start);
            node.on_started(now);
            assert_eq!(node.look(false, now + s(35)), Verdict::Leave);
            assert!(node.ends() <= 2);
        }
    }
}
