//! How much this node trusts its own ears.
//!
//! *Local health* grows when answers come late that others got in time, and when this node itself
//! is suspected; it stretches the patience with others. A *pause* is a gap between this node's own
//! inputs (a stopped process, a starved machine): what it remembers of others' lives is then worth
//! nothing, and it withholds its votes for two periods. *Lag* is less than a pause: this node is
//! woken later than it asked to be, so what others said may lie unread, and they may be as late.
//!
//! Source: Lifeguard (DSN 2018), local health multiplier; the pause rule is ours.

use std::time::Duration;

use archipelago_core::{PeerState, Time};

use crate::Timing;

const HEALTH_MAX: u8 = 8;
/// Lateness below this is the ordinary work of a scheduler.
const LAG_MIN: Duration = Duration::from_millis(20);
/// More than this is a pause, or as good as one.
const LAG_MAX: Duration = Duration::from_secs(4);
/// A sign of life passes through as many late hands: the other's timer, its way out, its way in
/// here, and this node's own look.
const LATE_HANDS: u32 = 4;

/// This node's own condition.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// 0: well; up to [`HEALTH_MAX`].
    badness: u8,
    better_at: Time,
    /// Nothing that was heard before counts.
    floor: Time,
    mute_until: Time,
    last_input: Time,
    /// The worst lateness of late, and when it was; it halves with every period.
    lag: Duration,
    lag_at: Time,
}

impl Health {
    /// An input arrived; whether this node was away before it: without any input for two periods,
    /// and a period late for its own deadline (who waits for nobody may be quiet for long).
    pub(super) fn on_input(&mut self, timing: &Timing, due: Time, now: Time) -> bool {
        self.on_late(timing, now.since(due), now);
        let gap = now.since(self.last_input);
        let is_first = self.last_input == Time::START;
        self.last_input = now;
        let period = timing.heartbeat_period;
        let is_punctual = is_first || gap <= period * 2 || due.after(period) > now;
        if is_punctual || !timing.local_health {
            return false;
        }
        self.floor = now;
        self.mute_until = now.after(timing.heartbeat_period * 2);
        true
    }

    fn on_late(&mut self, timing: &Timing, late: Duration, now: Time) {
        if late >= LAG_MIN && late >= self.lag_now(timing, now) {
            self.lag = late.min(LAG_MAX);
            self.lag_at = now;
        }
    }

    /// What is left of the worst lateness.
    fn lag_now(&self, timing: &Timing, now: Time) -> Duration {
        if self.lag.is_zero() {
            return Duration::ZERO;
        }
        let period_us = timing.heartbeat_period.as_micros().max(1);
        let halvings = now.since(self.lag_at).as_micros() / period_us;
        let left = u32::try_from(halvings)
            .ok()
            .and_then(|by| 1u32.checked_shl(by));
        left.map_or(Duration::ZERO, |by| self.lag / by)
    }

    pub(super) fn worsen(&mut self) {
        self.badness = (self.badness + 1).min(HEALTH_MAX);
    }

    /// Somebody was heard in time; heals one step per period.
    pub(super) fn improve(&mut self, timing: &Timing, now: Time) {
        if self.badness > 0 && self.better_at <= now {
            self.badness -= 1;
            self.better_at = now.after(timing.heartbeat_period);
        }
    }

    /// Whether votes are withheld.
    pub(super) fn is_mute(&self, now: Time) -> bool {
        now < self.mute_until
    }

    pub(super) const fn mute_until(&self) -> Time {
        self.mute_until
    }

    /// When the peer last showed that it lives, as far as that is worth anything.
    pub(super) fn heard(&self, state: Option<&PeerState>) -> Time {
        state.map_or(self.floor, |state| state.last_heard.max(self.floor))
    }

    /// How long an answer of the peer may take: RFC 6298's estimate within the configured
    /// limits, stretched by this node's own condition and lag. Unmeasured: the upper limit.
    pub(super) fn patience(
        &self,
        state: Option<&PeerState>,
        timing: &Timing,
        now: Time,
    ) -> Duration {
        let (least, most) = timing.probe_timeout;
        let measured = state.filter(|state| state.srtt_us > 0).map(|state| {
            let spread = state.rttvar_us.saturating_mul(4);
            Duration::from_micros(u64::from(state.srtt_us.saturating_add(spread)))
        });
        let wait = measured.map_or(most, |wait| wait.clamp(least, most));
        if !timing.local_health {
            return wait;
        }
        wait * (1 + u32::from(self.badness)) + self.lag_now(timing, now) * LATE_HANDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[test]
    fn without_local_health_nobody_doubts_itself() {
        let timing = Timing {
            local_health: false,
            ..Timing::default()
        };
        let mut health = Health::default();
        health.worsen();
        assert!(!health.on_input(&timing, at(1_000), at(1_000)));
        assert!(!health.on_input(&timing, at(1_100), at(60_000)));
        let (most, now) = (timing.probe_timeout.1, at(60_000));
        assert_eq!(health.patience(None, &timing, now), most);
        assert!(!health.is_mute(now) && health.heard(None) == Time::START);
    }

    #[test]
    fn f3_a_late_node_is_patient_with_others_until_it_is_punctual_again() {
        let (mut health, timing) = (Health::default(), Timing::default());
        let most = timing.probe_timeout.1;
        health.on_input(&timing, at(10_000), at(10_010));
        assert_eq!(health.patience(None, &timing, at(10_010)), most);

        health.on_input(&timing, at(10_100), at(10_500));

        let late = Duration::from_millis(400);
        assert_eq!(
            health.patience(None, &timing, at(10_500)),
            most + late * LATE_HANDS
        );
        assert_eq!(
            health.patience(None, &timing, at(11_500)),
            most + late / 2 * LATE_HANDS
        );
        assert_eq!(health.patience(None, &timing, at(60_000)), most);
    }

    #[test]
    fn the_worst_lateness_of_late_is_what_counts() {
        let (mut health, timing) = (Health::default(), Timing::default());
        health.on_input(&timing, at(1_000), at(1_400));
        health.on_input(&timing, at(1_400), at(1_450));
        assert_eq!(
            health.lag_now(&timing, at(1_450)),
            Duration::from_millis(400)
        );
        health.on_input(&timing, at(5_000), at(5_050));
        assert_eq!(
            health.lag_now(&timing, at(5_050)),
            Duration::from_millis(50)
        );
    }
}
