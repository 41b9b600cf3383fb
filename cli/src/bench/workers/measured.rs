//! What a run has measured so far; it may be read at any time.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use archipelago::{Keyed, KeyedError};

use super::Options;
use super::report::Report;
use crate::live::latency::Latency;
use crate::machine::usage;

/// Kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Small,
    Body,
}

#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Under load.
    pub(super) asked: AtomicU64,
    /// Never answered, while workers were started and under load.
    pub(super) lost: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Keyed>,
    latency: [Option<Latency>; 2],
    control: Option<Latency>,
    activations_per_s: Option<f64>,
    bytes_per_worker: Option<f64>,
    /// When the load began, and the processor time until then.
    begun: Option<(Instant, Option<Duration>)>,
    /// How long it took, and the processor time of it.
    took: Option<(Duration, Option<Duration>)>,
    /// Attempts that failed and were made again, by why.
    repeated: BTreeMap<String, u64>,
}

impl Measured {
    pub(super) fn set_entries(&self, entries: Vec<Keyed>) {
        self.state().entries = entries;
    }

    /// So many workers were started, from this much memory on.
    pub(super) fn started(&self, workers: u64, took: Duration, before: Option<u64>) {
        let after = usage::resident_bytes();
        let mut state = self.state();
        state.activations_per_s = Some(workers as f64 / took.as_secs_f64());
        let grown = before.zip(after);
        let grown = grown.map(|(before, after)| after.saturating_sub(before));
        state.bytes_per_worker = grown.map(|bytes| bytes as f64 / workers as f64);
    }

    pub(super) fn begin_load(&self) {
        self.state().begun = Some((Instant::now(), usage::processor_time()));
    }

    pub(super) fn end_load(&self) {
        let mut state = self.state();
        state.took = state.took();
    }

    pub(super) fn answered(&self, class: Class, took: Duration) {
        let mut state = self.state();
        let latency = &mut state.latency[class as usize];
        latency.get_or_insert_with(Latency::new).record(took);
    }

    pub(super) fn failed(&self, error: &KeyedError) {
        let mut state = self.state();
        *state.repeated.entry(error.to_string()).or_default() += 1;
    }

    pub(super) fn control(&self, round_trip: Duration) {
        let mut state = self.state();
        state
            .control
            .get_or_insert_with(Latency::new)
            .record(round_trip);
    }

    pub(super) fn report(&self, members: u32, options: &Options, interrupted: bool) -> Report {
        let state = self.state();
        let took = state.took.or_else(|| state.took());
        let micros =
            |class: Class, percent| state.latency[class as usize].as_ref()?.micros(percent);
        let control = |percent| state.control.as_ref()?.micros(percent);
        let answered = |class: Class| {
            let latency = state.latency[class as usize].as_ref();
            latency.map_or(0, Latency::len)
        };
        let all = answered(Class::Small) + answered(Class::Body);
        let asked = self.asked.load(Relaxed);
        let mut lost = self.lost.load(Relaxed);
        if !interrupted {
            // What was still under way when its patience was over is lost as well.
            lost = lost.max(asked.saturating_sub(all));
        }
        let seconds = took.map_or(0.0, |(took, _)| took.as_secs_f64());
        let used = took.and_then(|(_, used)| used);
        Report {
            members,
            entry: options.entry.name(),
            keys: options.keys,
            rate: options.rate,
            bodies_per_s: options.bodies,
            killed: options.kill,
            interrupted,
            seconds,
            asked,
            answered: all,
            answered_per_s: all as f64 / seconds.max(1e-9),
            small_p50_us: micros(Class::Small, 50.0),
            small_p99_us: micros(Class::Small, 99.0),
            small_p999_us: micros(Class::Small, 99.9),
            body_p50_us: micros(Class::Body, 50.0),
            body_p99_us: micros(Class::Body, 99.0),
            body_p999_us: micros(Class::Body, 99.9),
            lost,
            repeated: state.repeated.values().sum(),
            repeated_why: state.repeated.clone(),
            misroutes: state.entries.iter().map(Keyed::redirected).sum(),
            cores: used.map(|used| used.as_secs_f64() / seconds.max(1e-9)),
            memory_peak_mb: usage::peak_bytes().map(|bytes| bytes as f64 / 1e6),
            control_rtt_p50_us: control(50.0),
            control_rtt_p99_us: control(99.0),
            activations_per_s: state.activations_per_s,
            bytes_per_idle_worker: state.bytes_per_worker,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Since the load began.
    fn took(&self) -> Option<(Duration, Option<Duration>)> {
        let (begun, used) = self.begun?;
        let used = usage::processor_time().zip(used);
        let used = used.map(|(now, before)| now.saturating_sub(before));
        Some((begun.elapsed(), used))
    }
}
