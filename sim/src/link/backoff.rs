//! When a sender's transport tries again, from the first packet that nobody acknowledged on.
//!
//! TCP's retransmission time-out is the round trip and at least 200 ms on top (RFC 6298 section 2.4,
//! with the floor that kernels use in place of its second), and doubles with each attempt (section
//! 5.5) up to two minutes (`TCP_RTO_MAX`). After the first of them the window is one segment (RFC
//! 5681 section 3.1): what is sent later waits with the rest, whichever direction is cut. So a
//! session is silent for up to as long again as a cut lasted, unless its user time-out ends it.
//! Cost: O(log t) for a cut of length t.

use std::time::Duration;

use archipelago_core::Time;

/// What a kernel adds to the round trip at least.
const TIMEOUT_MIN: Duration = Duration::from_millis(200);
/// The longest wait for the next attempt.
const TIMEOUT_MAX: Duration = Duration::from_secs(120);

/// One sender's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    since: Time,
    timeout: Duration,
}

impl Backoff {
    /// Runs from `since`, when the first packet left that is not acknowledged.
    pub(crate) fn new(since: Time, round_trip: Duration) -> Self {
        let timeout = (round_trip + TIMEOUT_MIN).min(TIMEOUT_MAX);
        Self { since, timeout }
    }

    /// When the first packet left that is not acknowledged.
    pub(crate) const fn since(&self) -> Time {
        self.since
    }

    /// Whether the first time-out has passed: nothing new is sent until something is acknowledged.
    pub(crate) fn has_stalled(&self, now: Time) -> bool {
        self.since.after(self.timeout) <= now
    }

    /// The first attempt at `now` or later.
    pub(crate) fn next(&self, now: Time) -> Time {
        let mut timeout = self.timeout;
        let mut attempt = self.since.after(timeout);
        while attempt < now {
            timeout = (timeout * 2).min(TIMEOUT_MAX);
            attempt = attempt.after(timeout);
        }
        attempt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Time {
        Time::from_micros(millis * 1_000)
    }

    #[test]
    fn attempts_double_their_distance() {
        let backoff = Backoff::new(ms(1_000), Duration::ZERO);
        let mut now = ms(1_000);
        let mut waited = Vec::new();
        for _ in 0..7 {
            now = backoff.next(now.after(Duration::from_micros(1)));
            waited.push(now.since(ms(1_000)).as_millis());
        }
        assert_eq!(waited, [200, 600, 1_400, 3_000, 6_200, 12_600, 25_400]);
    }

    #[test]
    fn an_attempt_at_this_very_instant_counts() {
        let backoff = Backoff::new(ms(0), Duration::from_millis(100));
        assert_eq!(backoff.next(ms(900)), ms(900));
        assert_eq!(backoff.next(ms(901)), ms(2_100));
    }

    #[test]
    fn no_wait_is_longer_than_the_kernels_longest() {
        let backoff = Backoff::new(ms(0), Duration::ZERO);
        let day = ms(86_400_000);
        assert!(backoff.next(day).since(day) <= TIMEOUT_MAX);
    }

    #[test]
    fn new_packets_leave_until_the_first_attempt() {
        let backoff = Backoff::new(ms(10), Duration::from_millis(1));
        assert!(!backoff.has_stalled(ms(210)));
        assert!(backoff.has_stalled(ms(211)));
    }
}
