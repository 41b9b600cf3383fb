//! One duty on this node: runs one after the other, with growing pauses after failures.
//!
//! ```text
//!  Idle ─ wanted ─► Running ─ failed ─► Waiting ─ due ─► Running
//!                      │ └─ done ─► Done (until it is declared anew)
//!                      └─ not wanted, or otherwise ─► Stopping ─ ended ─► Idle
//! ```
//! Source: the back-off of supervisors, with the pause instead of Erlang's limit of restarts.

use std::time::Duration;

use archipelago_core::wire::Duty;
use archipelago_core::{Context, Time};
use bytes::Bytes;

use super::{DutyOutput, RunEnd};

/// First pause after a failure.
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause; the pause doubles, and varies by a fifth.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// After a run of this length a failure counts as the first one.
pub const STABLE_AFTER: Duration = Duration::from_secs(60);

/// One duty on this node.
#[derive(Debug, Default)]
pub(super) struct Run {
    state: State,
    /// Failures in a row.
    failures: u32,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Running {
        run: u64,
        since: Time,
        duty: Duty,
    },
    Stopping {
        run: u64,
    },
    Waiting {
        until: Time,
        duty: Duty,
    },
    Done {
        duty: Duty,
    },
}

impl Run {
    /// What is to be done, given what is wanted; at most a stop or a start.
    pub(super) fn settle(
        &mut self,
        name: &Bytes,
        wanted: Option<&Duty>,
        last_run: &mut u64,
        now: Time,
    ) -> Option<DutyOutput> {
        match (&self.state, wanted) {
            (State::Running { duty, .. }, Some(wanted)) if duty == wanted => None,
            (State::Running { .. }, _) => self.stop(name),
            (State::Stopping { .. }, _) => None,
            (_, None) => {
                *self = Self::default();
                None
            }
            (State::Done { duty }, Some(wanted)) if duty == wanted => None,
            (State::Waiting { until, duty }, Some(wanted)) if duty == wanted && now < *until => {
                None
            }
            (_, Some(wanted)) => {
                // Another declaration may mend what failed.
                if !matches!(&self.state, State::Waiting { duty, .. } if duty == wanted) {
                    self.failures = 0;
                }
                *last_run += 1;
                let run = *last_run;
                self.state = State::Running {
                    run,
                    since: now,
                    duty: wanted.clone(),
                };
                Some(DutyOutput::Start {
                    name: name.clone(),
                    run,
                    arguments: wanted.arguments.clone(),
                })
            }
        }
    }

    /// Stops what runs.
    pub(super) fn stop(&mut self, name: &Bytes) -> Option<DutyOutput> {
        let State::Running { run, .. } = self.state else {
            return None;
        };
        self.state = State::Stopping { run };
        let name = name.clone();
        Some(DutyOutput::Stop { name, run })
    }

    /// A run has ended; one that is not the present one changes nothing.
    pub(super) fn on_ended(&mut self, ended: u64, end: RunEnd, cx: &mut Context<'_>) {
        match &self.state {
            State::Stopping { run } if *run == ended => {
                self.state = State::Idle;
                self.failures = 0;
            }
            State::Running { run, since, duty } if *run == ended => {
                let (since, duty) = (*since, duty.clone());
                self.state = match end {
                    RunEnd::Done => State::Done { duty },
                    RunEnd::Failed | RunEnd::Stopped => {
                        let until = cx.now.after(self.pause(since, cx));
                        State::Waiting { until, duty }
                    }
                };
            }
            _ => {}
        }
    }

    /// The factory was registered anew: it may do more than the last one, and at once.
    pub(super) fn on_factory(&mut self) {
        if matches!(self.state, State::Done { .. } | State::Waiting { .. }) {
            *self = Self::default();
        }
    }

    /// When to settle.
    pub(super) const fn next(&self) -> Option<Time> {
        match self.state {
            State::Waiting { until, .. } => Some(until),
            _ => None,
        }
    }

    /// Whether nothing is to be remembered.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    fn pause(&mut self, since: Time, cx: &mut Context<'_>) -> Duration {
        if cx.now.since(since) >= STABLE_AFTER {
            self.failures = 0;
        }
        let factor = 1_u32 << self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        let pause = BACKOFF_MIN.saturating_mul(factor).min(BACKOFF_MAX);
        cx.rng.jitter(pause)
    }
}
