//! The wall clock and the kernel's count of memory: for rates in results, never for decisions.

#![allow(
    clippy::disallowed_types,
    reason = "how long a run took is measured, and nothing in the world sees it"
)]

use std::time::{Duration, Instant};

/// Wall-clock time since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since it began.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Resident memory of this process in bytes; nothing where the kernel does not say.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1);
    pages
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * 4_096
}
