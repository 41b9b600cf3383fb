//! What a driver of the scenario can do, and how all of them are led through it.

use std::ops::Range;
use std::time::Duration;

use crate::outcome::Outcome;
use crate::rules::Rules;
use crate::scenario::{Name, Plan, Step};

/// Longest wait for a step to show. The idle close takes up to 3.6 s and the hold 3 s; what a busy
/// machine may take is the handshakes of the start.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest run of all steps together.
const RUN_TIMEOUT: Duration = Duration::from_secs(29);

/// Nodes that can be told what happens.
pub(crate) trait Driver {
    /// Starts a node, which joins its groups.
    fn start(&mut self, plan: &Plan);
    /// Sends numbered messages from node to node.
    fn send(&mut self, from: Name, to: Name, numbers: Range<u64>);
    /// Lets a node leave a group.
    fn leave(&mut self, node: Name, group: Name);
    /// Kills a node.
    fn kill(&mut self, node: Name);
    /// How things stand.
    fn look(&mut self) -> Outcome;
    /// Lets a moment pass.
    fn pass(&mut self);
    /// Time since the beginning, by this driver's clock.
    fn elapsed(&self) -> Duration;
    /// Nobody sends from now on until idle sessions have closed.
    fn idle(&mut self) {}
}

/// Leads a driver through the steps; how things stood after each, up to the first that came out
/// otherwise than expected.
pub(crate) fn follow(steps: &[Step], driver: &mut impl Driver) -> Vec<Outcome> {
    let mut rules = Rules::default();
    let mut outcomes = Vec::new();
    for step in steps {
        take(step, &mut rules);
        take(step, driver);
        let expected = rules.look();
        let hold = match step {
            Step::Hold(duration) => *duration,
            _ => Duration::ZERO,
        };
        let outcome = settle(driver, &expected, hold);
        let is_off = outcome != expected;
        outcomes.push(outcome);
        if is_off {
            break;
        }
    }
    outcomes
}

fn take(step: &Step, driver: &mut impl Driver) {
    match step.clone() {
        Step::Start(plans) => plans.iter().for_each(|plan| driver.start(plan)),
        Step::Send(from, to, numbers) => driver.send(from, to, numbers),
        Step::Idle => driver.idle(),
        Step::Leave(node, group) => driver.leave(node, group),
        Step::Kill(node) => driver.kill(node),
        Step::Hold(_) => {}
    }
}

/// Waits until the driver shows what is expected, and has shown nothing else for `hold`; what it
/// shows then, or differently while held, or when the time is over.
fn settle(driver: &mut impl Driver, expected: &Outcome, hold: Duration) -> Outcome {
    let start = driver.elapsed();
    loop {
        let outcome = driver.look();
        let now = driver.elapsed();
        let is_over = now > start + STEP_TIMEOUT || now > RUN_TIMEOUT;
        let is_shown = outcome == *expected;
        let is_done = if hold.is_zero() {
            is_shown
        } else {
            !is_shown || now >= start + hold
        };
        if is_done || is_over {
            return outcome;
        }
        driver.pass();
    }
}
