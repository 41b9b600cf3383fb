//! What this process counts while it asks; it may be read at any time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use archipelago::KeyedError;

use super::super::order::Tally;
use crate::live::latency::Latency;
use crate::machine::clock;

/// Kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Small,
    Body,
}

impl Class {
    pub(super) fn pick<T>(self, small: T, body: T) -> T {
        match self {
            Self::Small => small,
            Self::Body => body,
        }
    }
}

/// Counts of one load.
#[derive(Debug)]
pub(super) struct Counting {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tally: Tally,
    small: Latency,
    body: Latency,
    behind: Latency,
    rounds: Latency,
}

impl Counting {
    pub(super) fn new() -> Self {
        let state = State {
            tally: Tally::default(),
            small: Latency::new(),
            body: Latency::new(),
            behind: Latency::new(),
            rounds: Latency::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    pub(super) fn asked(&self) {
        self.state().tally.asked += 1;
    }

    pub(super) fn behind(&self, time: Duration) {
        self.state().behind.record(time);
    }

    pub(super) fn answered(&self, class: Class, took: Duration) {
        let mut state = self.state();
        state.tally.last_us = clock::now_us();
        match class {
            Class::Small => state.small.record(took),
            Class::Body => state.body.record(took),
        }
    }

    pub(super) fn failed(&self, error: &KeyedError) {
        let mut state = self.state();
        *state.tally.repeated.entry(error.to_string()).or_default() += 1;
    }

    pub(super) fn lost(&self) {
        self.state().tally.lost += 1;
    }

    pub(super) fn done(&self) {
        self.state().tally.is_done = true;
    }

    pub(super) fn round(&self, took: Duration) {
        self.state().rounds.record(took);
    }

    /// What was counted so far.
    pub(super) fn read(&self) -> Tally {
        let state = self.state();
        Tally {
            small: state.small.buckets(),
            body: state.body.buckets(),
            behind: state.behind.buckets(),
            rounds: state.rounds.buckets(),
            ..state.tally.clone()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
