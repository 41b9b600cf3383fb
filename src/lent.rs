//! A lock that its owner never waits for: others have it for moments, and call the owner after.

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// A value of one task, the owner, that other tasks and threads use for moments.
///
/// A thread of the owner's never sleeps on it, also when whoever has the value is not running: the
/// owner goes on with something else, and whoever had the value calls it when it is free.
#[derive(Debug)]
pub(crate) struct Lent<T> {
    value: Mutex<T>,
    /// The owner found it in use.
    is_wanted: AtomicBool,
}

impl<T> Lent<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            is_wanted: AtomicBool::new(false),
        }
    }

    /// For the owner: the value, or `None` while it is in use; who has it calls the owner then.
    pub(crate) fn own(&self) -> Option<MutexGuard<'_, T>> {
        for _ in 0..2 {
            let locked = self.try_lock();
            if locked.is_some() {
                return locked;
            }
            // Whoever has it looks for this when it is free: once said, it is tried again.
            self.is_wanted.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
        None
    }

    /// For others: uses the value, waiting for whoever has it, and then calls the owner if that
    /// wanted it meanwhile.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R, call: impl FnOnce()) -> R {
        let locked = self.value.lock();
        self.lend(locked.unwrap_or_else(PoisonError::into_inner), act, call)
    }

    /// The same, unless it is in use.
    pub(crate) fn try_with<R>(
        &self,
        act: impl FnOnce(&mut T) -> R,
        call: impl FnOnce(),
    ) -> Option<R> {
        let locked = self.try_lock();
        locked.map(|locked| self.lend(locked, act, call))
    }

    fn lend<R>(
        &self,
        value: MutexGuard<'_, T>,
        act: impl FnOnce(&mut T) -> R,
        call: impl FnOnce(),
    ) -> R {
        let _after = After {
            is_wanted: &self.is_wanted,
            call: Some(call),
        };
        // Given back before that, also when `act` panics.
        let mut value = value;
        act(&mut value)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.value.try_lock() {
            Ok(locked) => Some(locked),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// Calls the owner, once the value is free, if the owner wanted it.
struct After<'a, F: FnOnce()> {
    is_wanted: &'a AtomicBool,
    call: Option<F>,
}

impl<F: FnOnce()> Drop for After<'_, F> {
    fn drop(&mut self) {
        fence(Ordering::SeqCst);
        if self.is_wanted.swap(false, Ordering::Relaxed)
            && let Some(call) = self.call.take()
        {
            call();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_that_finds_it_in_use_is_called_once_it_is_free() {
        let lent = Lent::new(1);
        let mut calls = 0;
        lent.with(
            |_| assert!(lent.try_with(|_| (), || ()).is_none()),
            || calls += 1,
        );
        assert_eq!(calls, 0);
        lent.with(|_| assert!(lent.own().is_none()), || calls += 1);
        assert_eq!(calls, 1);
        assert_eq!(lent.try_with(|value| *value + 1, || calls += 1), Some(2));
        assert_eq!(calls, 1);
        assert!(lent.own().is_some());
    }

    #[test]
    fn who_panics_gives_it_back_and_calls_the_owner_all_the_same() {
        let (lent, called) = (Lent::new(1), std::cell::Cell::new(false));
        let act = |_: &mut i32| {
            assert!(lent.own().is_none());
            panic!("in the middle")
        };
        let use_it = std::panic::AssertUnwindSafe(|| lent.with(act, || called.set(true)));
        assert!(std::panic::catch_unwind(use_it).is_err());
        assert!(called.get() && lent.own().is_some());
    }

    /// Whatever comes first, an owner that went away is called: none is forgotten.
    #[test]
    fn no_call_is_lost_between_threads() {
        let lent = std::sync::Arc::new(Lent::new(0_u32));
        let (called, calls) = std::sync::mpsc::channel();
        let other = {
            let lent = lent.clone();
            std::thread::spawn(move || {
                for _ in 0..20_000 {
                    lent.with(|value| *value += 1, || called.send(()).unwrap());
                }
            })
        };
        while !other.is_finished() {
            if lent.own().is_some() {
                // It may have been called for nothing: that is not to stand in for a call.
                while calls.try_recv().is_ok() {}
            } else {
                let waited = calls.recv_timeout(std::time::Duration::from_secs(30));
                waited.expect("the call for the one that wanted it");
            }
        }
        other.join().unwrap();
        assert_eq!(lent.own().map(|value| *value), Some(20_000));
    }
}
