//! Small calls at a fixed rate while long messages saturate the same pair of nodes.

use std::time::Duration;

use super::error::LoadError;
use super::link::Link;
use super::sample::Sample;
use super::{oneway, requests};

/// Both at once; the latencies and `done` are those of the calls, the bytes those of the messages.
pub(crate) async fn run(
    link: &impl Link,
    (senders, len): (u8, usize),
    interval: Duration,
    duration: Duration,
) -> Result<Sample, LoadError> {
    let (bodies, calls) = tokio::try_join!(
        oneway::run(link, senders, len, duration),
        requests::paced(link, interval, duration),
    )?;
    Ok(Sample {
        bytes: bodies.bytes,
        bodies: bodies.done,
        took: bodies.took,
        lost: bodies.lost,
        reordered: bodies.reordered,
        ..calls
    })
}
