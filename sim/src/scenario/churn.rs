//! `[churn]`: nodes that come and go by a law of chance, or as a trace says.
//!
//! Source of the laws: Stutzbach and Rejaie, Understanding Churn in Peer-to-Peer Networks, IMC
//! 2006 (session lengths are Weibull or heavier, and not exponential).

use std::time::Duration;

use super::error::ScenarioError;
use super::reader::{Table, duration};
use crate::random::Random;

/// Nodes that come and go.
#[derive(Clone, Debug, PartialEq)]
pub struct Churn {
    /// How long a node stays, and how long it is away.
    pub law: Law,
    /// The mean time up.
    pub up: Duration,
    /// The mean time down.
    pub down: Duration,
    /// Which share of the nodes takes part.
    pub share: f64,
    /// From when.
    pub from: Duration,
    /// Until when; who is away then comes back. Default three quarters of the run.
    pub until: Option<Duration>,
    /// Of the law `trace`: when, which node, and whether it comes.
    pub trace: Vec<(Duration, u32, bool)>,
    /// Where it stands in the file.
    pub line: usize,
}

/// A law of chance with mean 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Without memory.
    Exponential,
    /// Of this shape; below 1 has many short and few very long stays.
    Weibull(f64),
    /// Of this exponent, above 1.
    Pareto(f64),
    /// Not by chance.
    Trace,
}

impl Law {
    /// A draw with this mean.
    pub fn draw(self, mean: Duration, random: &mut Random) -> Duration {
        // In (0, 1], so that its logarithm exists.
        #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let unit = ((random.u64() >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
        let factor = match self {
            Self::Exponential => -libm::log(unit),
            Self::Weibull(shape) => {
                libm::pow(-libm::log(unit), 1.0 / shape) / libm::tgamma(1.0 + 1.0 / shape)
            }
            Self::Pareto(exponent) => {
                (exponent - 1.0) / exponent * libm::pow(unit, -1.0 / exponent)
            }
            Self::Trace => 1.0,
        };
        mean.mul_f64(factor.clamp(0.0, 10_000.0))
    }
}

#[derive(Clone, Copy)]
enum Name {
    Exponential,
    Weibull,
    Pareto,
    Trace,
}

const LAWS: &[(&str, Name)] = &[
    ("exponential", Name::Exponential),
    ("weibull", Name::Weibull),
    ("pareto", Name::Pareto),
    ("trace", Name::Trace),
];

pub(super) fn read(table: &Table<'_>) -> Result<Churn, ScenarioError> {
    let law = match table.require_one_of("law", LAWS)? {
        Name::Exponential => {
            table.only(&["law", "up", "down", "share", "from", "until"])?;
            Law::Exponential
        }
        Name::Weibull => {
            table.only(&["law", "shape", "up", "down", "share", "from", "until"])?;
            Law::Weibull(table.number("shape", 0.1..=10.0)?.unwrap_or(0.5))
        }
        Name::Pareto => {
            table.only(&["law", "shape", "up", "down", "share", "from", "until"])?;
            Law::Pareto(table.number("shape", 1.01..=10.0)?.unwrap_or(2.0))
        }
        Name::Trace => return trace(table),
    };
    Ok(Churn {
        law,
        up: table.require_period("up")?,
        down: table.require_period("down")?,
        share: table.number("share", 0.0..=1.0)?.unwrap_or(1.0),
        from: table.duration("from")?.unwrap_or_default(),
        until: table.duration("until")?,
        trace: Vec::new(),
        line: table.line(),
    })
}

fn trace(table: &Table<'_>) -> Result<Churn, ScenarioError> {
    const ALLOWED: &str = "allowed: entries like \"12.5s 7 down\" or \"20s 7 up\"";
    table.only(&["law", "trace"])?;
    let lines = table
        .texts("trace")?
        .ok_or_else(|| table.missing("trace", ALLOWED))?;
    let entries = lines.iter().map(|line| {
        entry(line).ok_or_else(|| table.wrong("trace", format!("`trace` has {line:?}"), ALLOWED))
    });
    Ok(Churn {
        law: Law::Trace,
        up: Duration::ZERO,
        down: Duration::ZERO,
        share: 1.0,
        from: Duration::ZERO,
        until: None,
        trace: entries.collect::<Result<_, _>>()?,
        line: table.line(),
    })
}

fn entry(line: &str) -> Option<(Duration, u32, bool)> {
    let mut words = line.split_whitespace();
    let at = duration(words.next()?)?;
    let node = words.next()?.parse().ok()?;
    let is_up = match words.next()? {
        "up" => true,
        "down" => false,
        _ => return None,
    };
    words.next().is_none().then_some((at, node, is_up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_law_has_the_mean_it_is_asked_for() {
        for law in [
            Law::Exponential,
            Law::Weibull(0.5),
            Law::Weibull(2.0),
            Law::Pareto(3.0),
        ] {
            let mut random = Random::new(7);
            let draws = 100_000u32;
            let total: f64 = (0..draws)
                .map(|_| law.draw(Duration::from_secs(10), &mut random).as_secs_f64())
                .sum();
            let mean = total / f64::from(draws);
            assert!((9.7..10.3).contains(&mean), "{law:?}: {mean}");
        }
    }

    #[test]
    fn an_entry_of_a_trace_is_a_time_a_node_and_a_word() {
        assert_eq!(
            entry("12.5s 7 down"),
            Some((Duration::from_millis(12_500), 7, false))
        );
        for wrong in ["", "12.5s", "12.5s x up", "1s 2 sideways", "1s 2 up again"] {
            assert_eq!(entry(wrong), None, "{wrong}");
        }
    }
}
