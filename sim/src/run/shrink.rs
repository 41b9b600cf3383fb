//! A failing run made small: faults are left out as long as the same thing still fails.
//!
//! Every fault draws from its own stream, so what is left does the same as before. Source: delta
//! debugging, Zeller and Hildebrandt, IEEE TSE 2002: halves first, then ever smaller parts.

use std::collections::BTreeSet;

use super::{Cause, Experiment, RunOptions, RunResult, Step, run};
use crate::scenario::{Scenario, ScenarioError};

/// What is left of a failing run.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The invariant that fails.
    pub invariant: String,
    /// What breaks in the small run, in the order of time.
    pub steps: Vec<Step>,
    /// Causes that were left out.
    pub without: BTreeSet<Cause>,
    /// How many causes there were.
    pub causes: usize,
    /// Runs that it took.
    pub runs: usize,
    /// The small run.
    pub result: RunResult,
}

/// Leaves out faults of a run as long as the first invariant that it violates is still violated;
/// `None` when nothing fails. Every run is shown to `progress`; a stopped search gives what it has.
///
/// # Errors
/// A scenario that names what is not there.
pub fn shrink(
    scenario: &Scenario,
    options: &RunOptions<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Option<Shrunk>, ScenarioError> {
    let all = Experiment::new(scenario, options.clone())?.plan().faults();
    let first = run(scenario, options.clone(), &mut |_| {})?;
    let Some(violated) = first.violations.first() else {
        return Ok(None);
    };
    let mut search = Search {
        scenario,
        options,
        invariant: violated.invariant.clone(),
        runs: 1,
        result: first.clone(),
    };
    let mut kept: Vec<Cause> = all.iter().copied().collect();
    let mut part = kept.len().div_ceil(2);
    while part > 0 && !kept.is_empty() && !search.is_stopped() {
        let mut at = 0;
        let before = kept.len();
        while at < kept.len() && !search.is_stopped() {
            progress(search.runs, kept.len());
            let mut fewer = kept.clone();
            fewer.drain(at..(at + part).min(kept.len()));
            if search.still_fails(&all, &fewer)? {
                kept = fewer;
            } else {
                at += part;
            }
        }
        // Single ones are tried again until none can go.
        part = match (part, kept.len() < before) {
            (1, true) => 1,
            (1, false) => 0,
            (more, _) => more / 2,
        };
    }
    let without: BTreeSet<Cause> = all
        .iter()
        .copied()
        .filter(|cause| !kept.contains(cause))
        .collect();
    let mut plan = Experiment::new(scenario, options.clone())?.plan().clone();
    plan.without(&without);
    plan.steps
        .retain(|step| !matches!(step.cause, Cause::Workload(_)));
    Ok(Some(Shrunk {
        invariant: search.invariant,
        steps: plan.steps,
        without,
        causes: all.len(),
        runs: search.runs,
        result: search.result,
    }))
}

struct Search<'a> {
    scenario: &'a Scenario,
    options: &'a RunOptions<'a>,
    invariant: String,
    runs: usize,
    /// Of the smallest run that failed.
    result: RunResult,
}

impl Search<'_> {
    fn is_stopped(&self) -> bool {
        self.options.stop.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn still_fails(
        &mut self,
        all: &BTreeSet<Cause>,
        kept: &[Cause],
    ) -> Result<bool, ScenarioError> {
        let mut options = self.options.clone();
        let left_out = all.iter().copied().filter(|cause| !kept.contains(cause));
        options.without.extend(left_out);
        self.runs += 1;
        let result = run(self.scenario, options, &mut |_| {})?;
        let mut violations = result.violations.iter();
        let fails = violations.any(|violated| violated.invariant == self.invariant);
        if fails && !result.interrupted {
            self.result = result;
            return Ok(true);
        }
        Ok(false)
    }
}
