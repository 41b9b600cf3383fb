//! Calls: so many in flight, each followed by the next one; or at a fixed rate, come what may.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::error::LoadError;
use super::latency::Latency;
use super::link::Link;
use super::sample::Sample;
use super::workload::call_len;

/// Histograms that the callers share, so that they seldom wait for each other.
const HISTOGRAMS: usize = 8;

/// A closed loop: `in_flight` callers, each with one call after the other.
pub(crate) async fn run(
    link: &impl Link,
    in_flight: usize,
    duration: Duration,
) -> Result<Sample, LoadError> {
    let latencies: Vec<_> = (0..in_flight.min(HISTOGRAMS))
        .map(|_| Arc::new(Mutex::new(Latency::new())))
        .collect();
    let start = Instant::now();
    let until = start + duration;
    let mut callers = JoinSet::new();
    for latency in latencies.iter().cycle().take(in_flight) {
        callers.spawn(ask(link.clone(), latency.clone(), until));
    }
    let mut sample = Sample::new();
    while let Some(asked) = callers.join_next().await {
        sample.done += asked??;
    }
    sample.took = start.elapsed();
    for latency in &latencies {
        let latency = latency.lock().unwrap_or_else(PoisonError::into_inner);
        sample.latency.add(&latency);
    }
    sample.typical.add(&sample.latency);
    sample.latency = sample.latency.corrected();
    Ok(sample)
}

async fn ask(
    link: impl Link,
    latency: Arc<Mutex<Latency>>,
    until: Instant,
) -> Result<u64, LoadError> {
    let body = Bytes::from(vec![0x5a; call_len()]);
    let mut done = 0;
    let mut asked = Instant::now();
    while asked < until {
        link.call(body.clone()).await?;
        let now = Instant::now();
        let mut latency = latency.lock().unwrap_or_else(PoisonError::into_inner);
        latency.record(now - asked);
        (asked, done) = (now, done + 1);
    }
    Ok(done)
}

/// An open loop: a call every `interval`, measured from the moment that it was meant for.
pub(crate) async fn paced(
    link: &impl Link,
    interval: Duration,
    duration: Duration,
) -> Result<Sample, LoadError> {
    let start = Instant::now();
    let (link, runtime) = (link.clone(), Handle::current());
    // A thread of its own: the executor's timers are a millisecond apart.
    let pacing = move || pace(&link, interval, start + duration, &runtime);
    let mut calls = tokio::task::spawn_blocking(pacing).await?;
    let mut sample = Sample::new();
    while let Some(took) = calls.join_next().await {
        sample.latency.record(took??);
        sample.done += 1;
    }
    sample.took = start.elapsed();
    Ok(sample)
}

fn pace(
    link: &impl Link,
    interval: Duration,
    until: Instant,
    runtime: &Handle,
) -> JoinSet<Result<Duration, LoadError>> {
    let body = Bytes::from(vec![0x5a; call_len()]);
    let mut calls = JoinSet::new();
    let mut meant = Instant::now();
    while meant < until {
        std::thread::sleep(meant.saturating_duration_since(Instant::now()));
        let (link, body) = (link.clone(), body.clone());
        let call = async move {
            link.call(body).await?;
            Ok(meant.elapsed())
        };
        calls.spawn_on(call, runtime);
        meant += interval;
    }
    calls
}
