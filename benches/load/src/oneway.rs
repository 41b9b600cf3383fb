//! Messages in one direction, as fast as they are taken, and what arrived of them.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::error::LoadError;
use super::link::Link;
use super::message::Bodies;
use super::sample::Sample;

/// `senders` tasks send messages of `len` bytes until the time is over; then what was received is
/// asked for, in order after all of them. The time ends with that answer.
pub(crate) async fn run(
    link: &impl Link,
    senders: u8,
    len: usize,
    duration: Duration,
) -> Result<Sample, LoadError> {
    let start = Instant::now();
    let until = start + duration;
    let mut tasks = JoinSet::new();
    for flow in 0..senders {
        tasks.spawn(send(link.clone(), Bodies::new(flow, len), until));
    }
    let mut sent = 0;
    while let Some(task) = tasks.join_next().await {
        sent += task??;
    }
    let received = link.flush().await?;
    let mut sample = Sample::new();
    sample.took = start.elapsed();
    sample.done = received.messages;
    sample.bytes = received.messages * len as u64;
    sample.lost = sent.saturating_sub(received.messages);
    sample.reordered = received.reordered;
    for (nanos, count) in received.nanos {
        sample.latency.record_n(nanos, count);
    }
    Ok(sample)
}

/// Looks at the clock every so many bytes: a look takes as long as sending a short message.
const BYTES_PER_LOOK: usize = 4_096;

async fn send(link: impl Link, mut bodies: Bodies, until: Instant) -> Result<u64, LoadError> {
    let mut sent = 0;
    loop {
        let mut bytes = 0;
        while bytes < BYTES_PER_LOOK {
            let body = bodies.take();
            bytes += body.len();
            link.send(body).await?;
            sent += 1;
        }
        if Instant::now() >= until {
            return Ok(sent);
        }
    }
}
