//! A workload over both transports in turns: first one, then the other, then the other way round.

use std::time::Duration;

use indicatif::ProgressBar;

use super::link::Link;
use super::pair::Pair;
use super::report::{Report, Transport};
use super::sample::Sample;
use super::workload::{Shape, Workload};
use super::{Options, WireError, mixed, oneway, requests};

/// Who has which turn; each has as many, and neither always the first one of two.
const ORDER: [Transport; TURNS] = {
    use Transport::{Ours, Raw};
    [Raw, Ours, Ours, Raw, Raw, Ours, Ours, Raw]
};

/// Turns of a workload over both transports.
pub(crate) const TURNS: usize = 8;

/// Measures one workload; what was measured stands in the report after each turn.
pub(crate) async fn run(
    pair: &Pair,
    workload: Workload,
    options: &Options,
    report: &mut Report,
    bar: &ProgressBar,
) -> Result<(), WireError> {
    let (ours, raw) = (pair.ours(), pair.raw(workload.body_len()).await?);
    let warm_up = options.warm_up();
    if !warm_up.is_zero() {
        turn(&raw, workload, options, warm_up).await?;
        turn(&ours, workload, options, warm_up).await?;
    }
    let duration = options.duration() * 2 / TURNS as u32;
    for transport in ORDER {
        let before = pair.usage();
        let mut sample = match transport {
            Transport::Ours => turn(&ours, workload, options, duration).await?,
            Transport::Raw => turn(&raw, workload, options, duration).await?,
        };
        sample.cost = before.cost();
        report.add(workload, transport, &sample);
        bar.inc(1);
    }
    Ok(())
}

/// Everything that is timed runs in tasks: this future is not on the executor's threads.
async fn turn(
    link: &impl Link,
    workload: Workload,
    options: &Options,
    duration: Duration,
) -> Result<Sample, WireError> {
    let (senders, len) = (options.senders, workload.body_len());
    let interval = Duration::from_secs(1) / options.rate;
    match workload.shape() {
        Shape::Requests(in_flight) => requests::run(link, in_flight, duration).await,
        Shape::Oneway => oneway::run(link, senders, len, duration).await,
        Shape::Paced => requests::paced(link, interval, duration).await,
        Shape::Mixed => mixed::run(link, (senders, len), interval, duration).await,
    }
}
