//! What a run may cost: heap by the allocator's count, time by the clock.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// Decoding one frame takes at most so long (A7).
const TIME_MAX: Duration = Duration::from_millis(10);

/// A run that took longer is repeated: another program may have had the processor.
const TURNS: usize = 5;

/// Runs `act`; most bytes of heap that it held at once. A panic within passes through.
pub(crate) fn heap<T>(act: impl FnOnce() -> T) -> (T, u64) {
    let mut done = None;
    // The counter would not survive a panic.
    let cost = allocation_counter::measure(|| {
        done = Some(catch_unwind(AssertUnwindSafe(act)));
    });
    match done.expect("it ran") {
        Ok(done) => (done, cost.bytes_max),
        Err(panic) => resume_unwind(panic),
    }
}

/// Decodes, and asserts that it cost no more than 8 times `len` in heap, or 32 KiB, and 10 ms.
pub(crate) fn decoding<T>(len: usize, decode: impl Fn() -> T) -> T {
    let start = Instant::now();
    let (decoded, peak) = heap(&decode);
    let mut took = start.elapsed();
    let bound = 8 * len.max(4 * 1024) as u64;
    assert!(peak <= bound, "{peak} B of heap for {len} B");
    for _ in 1..TURNS {
        if took <= TIME_MAX {
            break;
        }
        let start = Instant::now();
        drop(decode());
        took = took.min(start.elapsed());
    }
    assert!(took <= TIME_MAX, "{took:?} for {len} B");
    decoded
}
