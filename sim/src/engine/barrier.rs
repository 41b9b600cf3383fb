//! Where the threads of a run wait for each other: a short spin, then the processor is given away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Looks before a waiting thread gives its processor to others.
const SPINS: u32 = 2_000;

/// A barrier for a fixed number of threads, usable again and again.
#[derive(Debug)]
pub(super) struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
}

impl Barrier {
    pub(super) const fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Waits until every thread is here; `false` when one of them panicked.
    pub(super) fn wait(&self) -> bool {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return !self.is_broken();
        }
        self.spin_until(|| self.round.load(Ordering::Acquire) != round)
    }

    /// Waits until something is so; `false` when one of the threads panicked.
    pub(super) fn spin_until(&self, is_so: impl Fn() -> bool) -> bool {
        let mut spins = 0;
        while !is_so() {
            if self.is_broken() {
                return false;
            }
            spins += 1;
            if spins < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
        !self.is_broken()
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

/// Breaks its barrier if its thread panics, so that the others do not wait for it.
#[derive(Debug)]
pub(super) struct Guard<'a>(pub(super) &'a Barrier);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_passes_before_all_have_come() {
        let (barrier, count) = (Barrier::new(3), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for round in 1..=200 {
                        count.fetch_add(1, Ordering::SeqCst);
                        assert!(barrier.wait());
                        assert_eq!(count.load(Ordering::SeqCst), round * 3);
                        assert!(barrier.wait());
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_lets_the_others_go() {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            let fails = scope.spawn(|| {
                let _guard = Guard(&barrier);
                panic!("on purpose");
            });
            assert!(!barrier.wait());
            assert!(fails.join().is_err());
        });
    }
}
