//! How much this node trusts its own ears.
//!
//! *Local health* grows when answers come late that others got in time, and when this node itself
//! is suspected; it stretches the patience with others. A *pause* is a gap between this node's own
//! inputs (a stopped process, a starved machine): what it remembers of others' lives is then worth
//! nothing, and it withholds its votes for two periods.
//!
//! Source: Lifeguard (DSN 2018), local health multiplier; the pause rule is ours.

use std::time::Duration;

use archipelago_core::{PeerState, Time};

use crate::Timing;

const HEALTH_MAX: u8 = 8;

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
}

impl Health {
    /// An input arrived; whether this node was away before it: without any input for two periods,
    /// and a period late for its own deadline (who waits for nobody may be quiet for long).
    pub(super) fn on_input(&mut self, timing: &Timing, due: Time, now: Time) -> bool {
        let gap = now.since(self.last_input);
        let is_first = self.last_input == Time::START;
        self.last_input = now;
        let period = timing.heartbeat_period;
        if is_first || gap <= period * 2 || due.after(period) > now {
            return false;
        }
        self.floor = now;
        self.mute_until = now.after(timing.heartbeat_period * 2);
        true
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
    /// limits, stretched by this node's own condition. Unmeasured: the upper limit.
    pub(super) fn patience(&self, state: Option<&PeerState>, timing: &Timing) -> Duration {
        let (least, most) = timing.probe_timeout;
        let measured = state.filter(|state| state.srtt_us > 0).map(|state| {
            let spread = state.rttvar_us.saturating_mul(4);
            Duration::from_micros(u64::from(state.srtt_us.saturating_add(spread)))
        });
        measured.map_or(most, |wait| wait.clamp(least, most)) * (1 + u32::from(self.badness))
    }
}
