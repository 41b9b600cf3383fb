//! One workload over one transport, for a while.

use std::time::Duration;

use super::error::LoadError;
use super::link::Link;
use super::sample::Sample;
use super::workload::{Shape, Workload};
use super::{mixed, oneway, requests};

/// How hard a workload is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Tasks that send one-way messages at once, 1 to 255.
    pub senders: u8,
    /// Calls per second where a workload has a rate, at least 1.
    pub rate: u32,
}

/// Runs `workload` over `link` for `duration`. Everything that is timed runs in tasks: this future
/// need not be on the executor's threads. Dropped, it leaves tasks that end with the transport.
///
/// # Errors
/// [`LoadError`] when the transport gives up.
pub async fn run(
    link: &impl Link,
    workload: Workload,
    load: Load,
    duration: Duration,
) -> Result<Sample, LoadError> {
    let (senders, len) = (load.senders, workload.body_len());
    let interval = Duration::from_secs(1) / load.rate.max(1);
    match workload.shape() {
        Shape::Requests(in_flight) => requests::run(link, in_flight, duration).await,
        Shape::Oneway => oneway::run(link, senders, len, duration).await,
        Shape::Paced => requests::paced(link, interval, duration).await,
        Shape::Mixed => mixed::run(link, (senders, len), interval, duration).await,
    }
}
