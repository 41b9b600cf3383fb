//! A workload over all transports in turns: first in one order, then the other way round.

use archipelago_load::{Sample, Workload, run as turn};
use indicatif::ProgressBar;

use super::pairs::Pairs;
use super::report::{Report, Transport};
use super::{Options, WireError};

/// Who has which turn; each has as many, and none always the first.
const ORDER: [Transport; TURNS] = {
    use Transport::{Caller, Own, Raw};
    [
        Raw, Own, Caller, Caller, Own, Raw, Raw, Own, Caller, Caller, Own, Raw,
    ]
};

/// Turns of a workload over all transports.
pub(crate) const TURNS: usize = 12;

/// Measures one workload; what was measured stands in the report after each turn.
pub(crate) async fn run(
    pairs: &Pairs,
    workload: Workload,
    options: &Options,
    report: &mut Report,
    bar: &ProgressBar,
) -> Result<(), WireError> {
    let load = options.load();
    let raw = pairs.raw(workload.body_len()).await?;
    let over = async |transport, duration| -> Result<Option<Sample>, WireError> {
        let Some(pair) = pairs.of(transport) else {
            return Ok(None);
        };
        let before = pair.usage();
        let mut sample = match transport {
            Transport::Raw => turn(&raw, workload, load, duration).await?,
            Transport::Own | Transport::Caller => {
                turn(&pair.ours(), workload, load, duration).await?
            }
        };
        sample.cost = before.cost();
        Ok(Some(sample))
    };
    let warm_up = options.warm_up();
    if !warm_up.is_zero() {
        for transport in Transport::ALL {
            over(transport, warm_up).await?;
        }
    }
    let duration = options.duration() * Transport::ALL.len() as u32 / TURNS as u32;
    for transport in ORDER {
        if let Some(sample) = over(transport, duration).await? {
            report.add(workload, transport, &sample);
        }
        bar.inc(1);
    }
    Ok(())
}
