//! Makes failed proofs expensive for who sends them and cheap for who gets them.
//!
//! Each prover has some failures free (a typing error, a rotation in progress), then waits twice
//! as long after each. A prover is an authenticated key, so nobody can lock out somebody else; but
//! keys cost nothing, so all provers together have a budget as well, and the table is bounded: at
//! the limit the entry whose wait ends first makes room. A prover that once succeeded and never
//! failed since is in no table.
//!
//! Cost: O(log n) per proof, some 60 bytes per prover that failed lately.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::{NodeId, Time};

/// Provers remembered for their failures. At the limit the one whose wait ends first is forgotten.
pub const BACKOFF_PEERS_MAX: usize = 256;
/// Failures of one prover that have no consequence.
pub const FAILURES_FREE: u32 = 3;
/// Wait after the first failure beyond the free ones; doubles to `WAIT_MAX`.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(64);
/// A failure is forgotten when nothing followed for so long after its wait.
const MEMORY: Duration = Duration::from_secs(60);
/// Failures of all provers together that are looked at, per second and at once. A thousand cost
/// some milliseconds of CPU; beyond, all proofs wait for the next second.
const BUDGET_PER_SECOND: u32 = 1_000;

/// The failures of one group's provers.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    provers: BTreeMap<NodeId, Failures>,
    window_start: Time,
    window_failures: u32,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    blocked_until: Time,
}

impl BackOff {
    /// Whether a proof of `prover` is refused unseen.
    pub(super) fn is_blocked(&self, prover: &NodeId, now: Time) -> bool {
        let is_flooded = self.window_failures >= BUDGET_PER_SECOND && !self.is_window_over(now);
        let own = self.provers.get(prover);
        is_flooded || own.is_some_and(|failures| now < failures.blocked_until)
    }

    /// A proof held: its prover starts anew.
    pub(super) fn on_success(&mut self, prover: &NodeId) {
        self.provers.remove(prover);
    }

    /// A proof failed.
    pub(super) fn on_failure(&mut self, prover: NodeId, now: Time) {
        if self.is_window_over(now) {
            self.window_start = now;
            self.window_failures = 0;
        }
        self.window_failures = self.window_failures.saturating_add(1);
        self.make_room(&prover);
        let failures = self.provers.entry(prover).or_insert(Failures {
            count: 0,
            blocked_until: now,
        });
        if now > failures.blocked_until.after(MEMORY) {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.blocked_until = now.after(wait(failures.count));
    }

    fn is_window_over(&self, now: Time) -> bool {
        now.since(self.window_start) >= Duration::from_secs(1)
    }

    fn make_room(&mut self, prover: &NodeId) {
        if self.provers.len() < BACKOFF_PEERS_MAX || self.provers.contains_key(prover) {
            return;
        }
        let first = self
            .provers
            .iter()
            .min_by_key(|(_, failures)| failures.blocked_until)
            .map(|(&id, _)| id);
        if let Some(id) = first {
            self.provers.remove(&id);
        }
    }
}

fn wait(failures: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(FAILURES_FREE + 1) else {
        return Duration::ZERO;
    };
    WAIT_MIN.saturating_mul(1 << doublings.min(6)).min(WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u16) -> NodeId {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&number.to_le_bytes());
        NodeId(id)
    }

    #[test]
    fn waits_double_after_the_free_failures_and_end_at_a_minute() {
        let waits: Vec<u64> = (1..=12).map(|n| wait(n).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 64, 64]);
    }

    #[test]
    fn one_prover_is_blocked_and_no_other() {
        let mut backoff = BackOff::default();
        for _ in 0..=FAILURES_FREE {
            assert!(!backoff.is_blocked(&node(1), Time::START));
            backoff.on_failure(node(1), Time::START);
        }
        assert!(backoff.is_blocked(&node(1), Time::START));
        assert!(!backoff.is_blocked(&node(2), Time::START));
        assert!(!backoff.is_blocked(&node(1), Time::START.after(WAIT_MIN)));
    }

    #[test]
    fn a_success_and_a_minute_of_quiet_both_start_anew() {
        let mut backoff = BackOff::default();
        for _ in 0..FAILURES_FREE {
            backoff.on_failure(node(1), Time::START);
        }
        backoff.on_success(&node(1));
        backoff.on_failure(node(1), Time::START);
        assert!(!backoff.is_blocked(&node(1), Time::START));

        for _ in 0..FAILURES_FREE {
            backoff.on_failure(node(1), Time::START);
        }
        let later = Time::START.after(WAIT_MAX + MEMORY);
        backoff.on_failure(node(1), later);
        assert!(!backoff.is_blocked(&node(1), later));
    }

    #[test]
    fn the_table_and_the_budget_hold_against_any_number_of_keys() {
        let mut backoff = BackOff::default();
        for number in 0..2_000 {
            backoff.on_failure(node(number), Time::START);
        }
        assert_eq!(backoff.provers.len(), BACKOFF_PEERS_MAX);
        assert!(backoff.is_blocked(&node(9_999), Time::START));
        let next = Time::START.after(Duration::from_secs(1));
        assert!(!backoff.is_blocked(&node(9_999), next));
    }
}
