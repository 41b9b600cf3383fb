//! How many handshakes the nodes of one runtime have under way at once: as many as end in time.
//!
//! A handshake is a millisecond of a core and has a time limit. A thousand nodes that begin at the
//! same instant would begin ten thousand handshakes, of which each would take longer than the
//! limit: all would fail, be begun again, and fail. So dials wait here for a pass, in the order in
//! which they asked, and their time counts from the pass. Long before the limit what else the
//! threads have to do suffers, heartbeats among it: so the number of passes grows by one with every
//! handshake that took hardly longer than the fastest one, and halves when they take much longer
//! (Jacobson, SIGCOMM 1988; measured against the least delay as in TCP Vegas, SIGCOMM 1994).
//! Handshakes that fail say nothing of this process and change nothing.
//!
//! Cost: one lock for a pass and one for its end; nothing while nobody dials.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Passes at the beginning: a single node hardly asks for more at once.
const BEGIN: usize = 64;
/// Fewest passes, so that dials to machines that are silent do not hold up all others.
const LEAST: usize = 16;
/// Most passes.
const MOST: usize = 4_096;
/// A handshake was fast if it took less than twice as long as the fastest one, and this.
const FAST: Duration = Duration::from_millis(100);
/// It was slow if it took more than three times as long, and this.
const SLOW: Duration = Duration::from_millis(500);

/// The passes of one runtime.
#[derive(Debug)]
pub(crate) struct Gate {
    passes: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Passes that there are.
    limit: usize,
    /// Of those that are given away, how many are not to come back.
    surplus: usize,
    /// The fastest handshake so far: what the network takes, and what cannot be helped.
    least: Duration,
    /// Not narrowed again before: what is slow now began under the former limit.
    narrow_after: Option<Instant>,
}

/// Leave to begin one handshake; it ends with this value.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    permit: Option<OwnedSemaphorePermit>,
    since: Instant,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self {
            passes: Arc::new(Semaphore::new(BEGIN)),
            state: Mutex::new(State {
                limit: BEGIN,
                surplus: 0,
                least: Duration::MAX,
                narrow_after: None,
            }),
        }
    }

    /// A pass, if one is left and nobody waits.
    pub(crate) fn try_pass(self: &Arc<Self>) -> Option<Pass> {
        let permit = self.passes.clone().try_acquire_owned().ok()?;
        Some(self.pass_of(permit))
    }

    /// A pass, when it is this one's turn.
    ///
    /// Cancel safe: dropped before it returns, the turn is lost.
    pub(crate) async fn pass(self: Arc<Self>) -> Pass {
        let permit = self.passes.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        self.pass_of(permit)
    }

    fn pass_of(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Pass {
        Pass {
            gate: self.clone(),
            permit: Some(permit),
            since: Instant::now(),
        }
    }

    /// Notes how long a handshake took; returns how long the fastest one did.
    fn learn(&self, took: Duration) -> Duration {
        let mut state = self.state();
        state.least = state.least.min(took);
        state.least
    }

    /// One more pass, if all that there are were in use.
    fn widen(&self) {
        let mut state = self.state();
        if state.limit >= MOST || self.passes.available_permits() > 0 {
            return;
        }
        state.limit += 1;
        if state.surplus > 0 {
            state.surplus -= 1;
        } else {
            self.passes.add_permits(1);
        }
    }

    /// Half as many passes, once for all handshakes that were under way with one that took so long.
    fn narrow(&self, took: Duration) {
        let now = Instant::now();
        let mut state = self.state();
        if state.narrow_after.is_some_and(|after| now < after) {
            return;
        }
        state.narrow_after = Some(now + took);
        let limit = (state.limit / 2).max(LEAST);
        let fewer = state.limit.saturating_sub(limit);
        state.limit -= fewer;
        state.surplus += fewer - self.passes.forget_permits(fewer);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The handshake has ended well.
    pub(crate) fn opened(self) {
        let took = self.since.elapsed();
        let least = self.gate.learn(took);
        if took < least.saturating_mul(2).saturating_add(FAST) {
            self.gate.widen();
        } else if took > least.saturating_mul(3).saturating_add(SLOW) {
            self.gate.narrow(took);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        if state.surplus > 0 {
            state.surplus -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(gate: &Arc<Gate>) -> Vec<Pass> {
        std::iter::from_fn(|| gate.try_pass()).collect()
    }

    /// Ends a handshake that took so long.
    fn opened_after(mut pass: Pass, took: Duration) {
        let since = Instant::now().checked_sub(took);
        pass.since = since.expect("the machine has been up for seconds");
        pass.opened();
    }

    fn slow(pass: Pass) {
        opened_after(pass, Duration::from_secs(2));
    }

    #[test]
    fn fast_handshakes_let_more_begin_as_long_as_all_passes_are_used() {
        let gate = Arc::new(Gate::new());
        let passes = all(&gate);
        assert_eq!(passes.len(), BEGIN);
        passes.into_iter().for_each(Pass::opened);
        // The first one was the only one that had not left a pass behind.
        assert_eq!(all(&gate).len(), BEGIN + 1);
    }

    #[test]
    fn slow_ones_halve_the_passes_once_and_never_below_the_least() {
        let gate = Arc::new(Gate::new());
        let mut passes = all(&gate);
        opened_after(passes.remove(0), Duration::from_millis(1));
        passes.extend(all(&gate));
        assert_eq!(passes.len(), BEGIN + 1);
        for pass in passes.drain(..2) {
            slow(pass);
        }
        assert!(gate.try_pass().is_none(), "half of them are to come back");
        drop(passes);
        assert_eq!(all(&gate).len(), BEGIN / 2);
        for _ in 0..8 {
            gate.state().narrow_after = None;
            slow(gate.try_pass().expect("a pass is left"));
        }
        assert_eq!(all(&gate).len(), LEAST);
    }

    #[test]
    fn where_every_handshake_takes_long_none_is_slow() {
        let gate = Arc::new(Gate::new());
        let far = Duration::from_millis(700);
        for pass in all(&gate) {
            opened_after(pass, far);
        }
        assert!(all(&gate).len() > BEGIN);
    }

    #[test]
    fn failures_change_nothing() {
        let gate = Arc::new(Gate::new());
        drop(all(&gate));
        assert_eq!(all(&gate).len(), BEGIN);
    }

    #[tokio::test]
    async fn who_waits_is_served_before_who_comes_later() {
        let gate = Arc::new(Gate::new());
        let mut passes = all(&gate);
        let waiting = tokio::spawn(gate.clone().pass());
        tokio::task::yield_now().await;
        passes.pop();
        assert!(gate.try_pass().is_none(), "it was for who waits");
        assert!(waiting.await.is_ok());
    }
}
