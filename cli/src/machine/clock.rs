//! The machine's clock: one for all processes, unlike that of `Instant`.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Microseconds since an instant that all processes of this machine agree on; never falls.
pub(crate) fn now_us() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1_000_000 + nanos / 1_000
}

/// When an instant of this process was, by that clock.
pub(crate) fn us_of(instant: Instant) -> u64 {
    let ago = u64::try_from(instant.elapsed().as_micros()).unwrap_or(u64::MAX);
    now_us().saturating_sub(ago)
}

/// The instant of this process that a time of that clock was at; now, if it is to come.
pub(crate) fn instant_of(us: u64) -> Instant {
    let ago = Duration::from_micros(now_us().saturating_sub(us));
    let now = Instant::now();
    now.checked_sub(ago).unwrap_or(now)
}

/// Time passed between two times of that clock.
pub(crate) fn between(from_us: u64, to_us: u64) -> Duration {
    Duration::from_micros(to_us.saturating_sub(from_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_goes_over_and_comes_back() {
        let before = Instant::now();
        let there = us_of(before);
        let back = instant_of(there);
        let off = back.max(before) - back.min(before);
        assert!(off < Duration::from_millis(50), "{off:?}");
        assert!(now_us() >= there);
    }
}
