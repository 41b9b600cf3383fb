//! A workload over both transports in turns: first one, then the other, then the other way round.

use archipelago_load::{Workload, run as turn};
use indicatif::ProgressBar;

use super::pair::Pair;
use super::report::{Report, Transport};
use super::{Options, WireError};

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
    let (warm_up, load) = (options.warm_up(), options.load());
    if !warm_up.is_zero() {
        turn(&raw, workload, load, warm_up).await?;
        turn(&ours, workload, load, warm_up).await?;
    }
    let duration = options.duration() * 2 / TURNS as u32;
    for transport in ORDER {
        let before = pair.usage();
        let mut sample = match transport {
            Transport::Ours => turn(&ours, workload, load, duration).await?,
            Transport::Raw => turn(&raw, workload, load, duration).await?,
        };
        sample.cost = before.cost();
        report.add(workload, transport, &sample);
        bar.inc(1);
    }
    Ok(())
}
