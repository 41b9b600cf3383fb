//! How far threads may run before they meet: long stretches while there is much to do in each
//! window, short ones while there is not, so that quiet time is skipped.
//!
//! The stretch only says when threads meet, never what happens.

/// Windows between two meetings, at most.
const STRETCH_MAX: u64 = 4_096;

/// The length of stretches; all threads keep their own, and all see the same figures.
#[derive(Debug)]
pub(super) struct Pace {
    least: u64,
    windows: u64,
}

impl Pace {
    /// Stretches of at least `least` windows.
    pub(super) const fn new(least: u64) -> Self {
        Self {
            least,
            windows: least,
        }
    }

    /// How many windows the next stretch has.
    pub(super) const fn windows(&self) -> u64 {
        self.windows
    }

    /// The stretch had so many events.
    pub(super) fn learn(&mut self, events: u64) {
        let most = STRETCH_MAX.max(self.least);
        let next = if events > self.windows {
            self.windows.saturating_mul(2)
        } else {
            self.windows / 2
        };
        self.windows = next.clamp(self.least, most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_grow_while_there_is_much_to_do_and_shrink_to_the_least() {
        let mut pace = Pace::new(3);
        for _ in 0..20 {
            pace.learn(u64::MAX);
        }
        assert_eq!(pace.windows(), STRETCH_MAX);
        for _ in 0..20 {
            pace.learn(0);
        }
        assert_eq!(pace.windows(), 3);
    }
}
