//! Time as an argument: microseconds since the driver started, never wall-clock time.
//!
//! All arithmetic saturates, so that a number from a peer can move a deadline to the end of time
//! but never wrap it into the past.

use std::time::Duration;

/// Microseconds since the driver started; never wall-clock time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The driver's first instant.
    pub const START: Self = Self(0);
    /// Later than every instant that can be reached.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `micros` after the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The instant `delay` later; saturates at the end of time.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        let delay_us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(delay_us))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}
