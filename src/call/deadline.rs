//! When a caller stops waiting.

use std::time::{Duration, Instant};

/// The instant at which a caller stops waiting, by the clock of its process.
///
/// Made from an [`Instant`], or from a [`Duration`] that begins now. Who answers a call by calling
/// others hands on [`Reply::deadline`](crate::Reply::deadline): the whole chain then ends in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

/// In place of an instant that the clock cannot say: some thirty years.
const FOREVER: Duration = Duration::from_secs(1 << 30);

impl Deadline {
    /// So long from now.
    pub fn after(duration: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(duration).unwrap_or_else(|| now + FOREVER))
    }

    /// As the clock of the process says it.
    pub const fn instant(self) -> Instant {
        self.0
    }
}

impl From<Duration> for Deadline {
    fn from(duration: Duration) -> Self {
        Self::after(duration)
    }
}

impl From<Instant> for Deadline {
    fn from(instant: Instant) -> Self {
        Self(instant)
    }
}
