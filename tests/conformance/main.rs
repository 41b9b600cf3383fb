//! One scenario, under the simulator and on live loopback nodes: both must end alike.
//!
//! ```text
//!  scenario (data) ── follow ──┬─▶ Rules       what must come out, from simple sentences
//!                              ├─▶ Simulated   the machines in virtual time
//!                              └─▶ Live        the same machines on sockets
//! ```
//! After each step a driver is given time until it shows what the rules say, or a deadline is over;
//! what it shows then counts. Outcomes speak of nodes by name, so they can be compared at all.
#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

mod driver;
mod live;
mod outcome;
mod rules;
mod scenario;
mod simulated;

use driver::follow;
use live::Live;
use outcome::{Outcome, difference};
use rules::Rules;
use scenario::{STEPS, Step};
use simulated::Simulated;

/// Seeds of the simulator that are compared with the live run.
const SEEDS: u64 = 5;

/// E0, E1, E5, G5, A1, U2, U6, U20, D6: the scenario ends alike in virtual time and live, after
/// every step, and as the rules say.
#[test]
fn simulator_and_live_nodes_agree() {
    let expected = follow(STEPS, &mut Rules::default());
    let live = follow(STEPS, &mut Live::new());
    compare("live and the rules", &live, &expected);
    for seed in 1..=SEEDS {
        let simulated = follow(STEPS, &mut Simulated::new(seed));
        compare(&format!("seed {seed} and live"), &simulated, &live);
        assert_eq!(simulated, expected);
    }
}

/// The comparison can fail: each step but the last, which only waits, shows in the outcome.
#[test]
fn every_step_changes_the_outcome() {
    let outcomes = follow(STEPS, &mut Rules::default());
    let mut before = Outcome::default();
    for (step, outcome) in STEPS.iter().zip(outcomes) {
        let shows = !matches!(step, Step::Hold(_));
        assert_eq!(before != outcome, shows, "{step}");
        before = outcome;
    }
}

/// Fails with the first step after which the two differ, and in what.
fn compare(what: &str, left: &[Outcome], right: &[Outcome]) {
    for ((step, left), right) in STEPS.iter().zip(left).zip(right) {
        let lines = difference(left, right);
        assert!(
            lines.is_empty(),
            "{what} differ after {step}:\n{}",
            lines.join("\n")
        );
    }
    assert_eq!(left, right, "{what}");
}
