//! The two sides beside each other: means with confidence, the worst, the deviation, and why.

use archipelago_sim::report::{figure, interval};
use serde::Serialize;

use super::baseline::Parameters;
use super::measured::{Figure, Measured, Trials};
use super::{Both, Options};
use crate::sim::table::framed;

/// A figure may deviate by so much.
const LIMIT_PERCENT: f64 = 10.0;
/// What processor time explains, in ms: more than that is something else.
const PROCESSOR_MS_MAX: f64 = 50.0;

/// Everything that was compared.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    command: String,
    version: &'static str,
    nodes: u16,
    groups: u16,
    repeat: u16,
    seed: u64,
    /// Measured on live pairs, and put into the simulator.
    parameters: Parameters,
    figures: Vec<Compared>,
    /// The live side was stopped: figures that it had not reached are not there.
    interrupted: bool,
    /// Every figure was measured on both sides, and deviates by 10 % at most or is explained.
    pub(super) ok: bool,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Compared {
    name: Figure,
    label: &'static str,
    unit: &'static str,
    live: Side,
    simulated: Side,
    /// Of the means, in percent of the live one.
    deviation_percent: f64,
    /// Half the width of the deviation's 95 % interval, from both sides' spread; none of a single
    /// live trial.
    confidence_percent: Option<f64>,
    within: bool,
    /// Why it deviates by more; none if it does not, or if nothing explains it.
    reason: Option<String>,
}

/// One side of a figure.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Side {
    trials: usize,
    mean: f64,
    /// Half the width of the mean's 95 % interval.
    confidence: f64,
    worst: f64,
}

impl Report {
    pub(super) fn new(options: &Options, both: &Both, interrupted: bool) -> Self {
        let figures = compare(&both.live, &both.simulated);
        let is_held = |compared: &Compared| compared.within || compared.reason.is_some();
        Self {
            command: format!(
                "archipelago sim calibrate --nodes {} --groups {} --repeat {} --stops {} --rest {} --seed {}",
                options.nodes,
                options.groups,
                options.repeat,
                options.stops,
                options.rest,
                options.seed
            ),
            version: env!("CARGO_PKG_VERSION"),
            nodes: options.nodes,
            groups: options.groups,
            repeat: options.repeat,
            seed: options.seed,
            parameters: both.parameters,
            ok: !interrupted && figures.len() == Figure::ALL.len() && figures.iter().all(is_held),
            figures,
            interrupted,
        }
    }
}

fn compare(live: &Measured, simulated: &Measured) -> Vec<Compared> {
    let both = Figure::ALL.into_iter().filter_map(|name| {
        let sides = (Side::of(live.of(name)?), Side::of(simulated.of(name)?));
        Some(Compared::new(name, sides))
    });
    both.collect()
}

impl Side {
    fn of(trials: &Trials) -> Self {
        let interval = interval(&trials.values);
        Self {
            trials: interval.count,
            mean: interval.mean,
            confidence: interval.half_width,
            worst: trials.worst,
        }
    }
}

impl Compared {
    fn new(name: Figure, (live, simulated): (Side, Side)) -> Self {
        let percent = |amount: f64| 100.0 * amount / live.mean.abs().max(1e-9);
        let deviation = percent(simulated.mean - live.mean);
        let spread = percent(live.confidence.hypot(simulated.confidence));
        let confidence = (live.trials > 1).then_some(spread);
        let within = deviation.abs() <= LIMIT_PERCENT;
        let by_chance = || {
            let Some(confidence) = confidence else {
                return Some(
                    "one live trial says nothing of chance (--repeat, --stops)".to_owned(),
                );
            };
            let is_likely = deviation.abs() - confidence <= LIMIT_PERCENT;
            is_likely.then(|| {
                format!(
                    "chance: {} live trials place the deviation within ± {confidence:.0} % only; \
                     more of them (--repeat, --stops) narrow it",
                    live.trials
                )
            })
        };
        let is_small = (simulated.mean - live.mean).abs() <= PROCESSOR_MS_MAX;
        let structural = name.structural().filter(|_| is_small);
        let reason = || structural.map(str::to_owned).or_else(by_chance);
        let (label, unit) = name.label();
        Self {
            name,
            label,
            unit,
            live,
            simulated,
            deviation_percent: deviation,
            confidence_percent: confidence,
            within,
            reason: if within { None } else { reason() },
        }
    }
}

/// For people.
pub(super) fn table(report: &Report) -> String {
    let mut table = framed();
    table.set_header(["", "live", "worst", "simulated", "worst", "deviation"]);
    for compared in &report.figures {
        let label = match compared.unit {
            "" | "/s" => compared.label.to_owned(),
            unit => format!("{}, {unit}", compared.label),
        };
        table.add_row([
            label,
            mean(&compared.live),
            figure(compared.live.worst),
            mean(&compared.simulated),
            figure(compared.simulated.worst),
            deviation(compared),
        ]);
    }
    let parameters = &report.parameters;
    let mut text = format!(
        "{table}\nmeasured on live pairs and put into the simulator: {:.0} µs a message, {:.0} µs a handshake at \
         each end, {:.1} ms a start; all nodes started within {:.0} ms",
        parameters.latency_us,
        parameters.handshake_us,
        parameters.start_us / 1e3,
        parameters.starts_within_ms
    );
    for compared in report.figures.iter().filter(|compared| !compared.within) {
        let reason = compared.reason.as_deref().unwrap_or("NOT EXPLAINED");
        text.push_str(&format!("\n{}: {reason}", compared.label));
    }
    let verdict = match (report.interrupted, report.ok) {
        (true, _) => "interrupted: this is what there was",
        (false, true) => "every figure deviates by 10 % at most, or is explained",
        (false, false) => "not every figure was measured, deviates by 10 % at most or is explained",
    };
    format!("{text}\n{verdict}; ± is the 95 % interval of the mean")
}

fn deviation(compared: &Compared) -> String {
    let deviation = compared.deviation_percent;
    match compared.confidence_percent {
        Some(confidence) => format!("{deviation:+.1} % ± {confidence:.1}"),
        None => format!("{deviation:+.1} %"),
    }
}

fn mean(side: &Side) -> String {
    if side.confidence == 0.0 {
        return figure(side.mean);
    }
    format!(
        "{} ± {} ({})",
        figure(side.mean),
        figure(side.confidence),
        side.trials
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(mean: f64, confidence: f64) -> Side {
        Side {
            trials: 5,
            mean,
            confidence,
            worst: mean,
        }
    }

    #[test]
    fn a_deviation_within_the_limit_needs_no_reason() {
        let compared = Compared::new(Figure::Join, (side(100.0, 1.0), side(109.0, 1.0)));
        assert!(compared.within && compared.reason.is_none());
        assert!((compared.deviation_percent - 9.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_structural_or_by_chance_says_so_and_all_else_is_not_explained() {
        let structural = Compared::new(Figure::Join, (side(100.0, 0.0), side(50.0, 0.0)));
        assert!(
            structural
                .reason
                .is_some_and(|reason| reason.contains("processor"))
        );
        let too_much = Compared::new(Figure::Join, (side(100.0, 0.0), side(20.0, 0.0)));
        assert!(
            too_much.reason.is_none(),
            "no processor takes 80 ms for that"
        );
        let chance = Compared::new(Figure::Stopped, (side(100.0, 20.0), side(125.0, 1.0)));
        assert!(
            chance
                .reason
                .is_some_and(|reason| reason.contains("5 live trials"))
        );
        let wrong = Compared::new(Figure::Stopped, (side(100.0, 1.0), side(125.0, 1.0)));
        assert!(!wrong.within && wrong.reason.is_none());
    }
}
