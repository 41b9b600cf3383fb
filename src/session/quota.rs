//! How often a peer may do something: a burst, refilled at a steady rate.
//!
//! A token bucket without a timer: what has come in since is counted when it is asked for. Its
//! time is the executor's clock; nothing of the protocol depends on it.

use std::time::Instant;

/// What is left of a peer's allowance.
#[derive(Debug)]
pub(crate) struct Quota {
    left: u32,
    burst: u32,
    per_second: u32,
    refilled: Instant,
}

impl Quota {
    pub(crate) fn new(burst: u32, per_second: u32) -> Self {
        Self {
            left: burst,
            burst,
            per_second,
            refilled: Instant::now(),
        }
    }

    /// Takes `count` from the allowance; `false` if that is more than is left.
    pub(crate) fn take(&mut self, count: u32) -> bool {
        if self.left < count {
            self.refill(Instant::now());
        }
        if self.left < count {
            return false;
        }
        self.left -= count;
        true
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.duration_since(self.refilled).as_secs_f64();
        let earned = seconds * f64::from(self.per_second);
        if earned >= 1.0 {
            // Saturates: a float beyond the range becomes the largest number.
            self.left = self.left.saturating_add(earned as u32).min(self.burst);
            self.refilled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_is_allowed_and_no_more() {
        let mut quota = Quota::new(3, 0);
        assert!(quota.take(2));
        assert!(!quota.take(2));
        assert!(quota.take(1));
        assert!(!quota.take(1));
    }

    #[test]
    fn it_refills_by_its_rate_up_to_the_burst() {
        let mut quota = Quota::new(10, 2);
        assert!(quota.take(10));
        let later = quota.refilled + Duration::from_secs(3);
        quota.refill(later);
        assert_eq!(quota.left, 6);
        quota.refill(later + Duration::from_secs(3_600));
        assert_eq!(quota.left, 10);
    }
}
