//! How latency changes with virtual time: by steps, or as a wave.

use archipelago_core::Time;

use super::config::{Sinusoid, Step, Varying};
use super::error::UnderlayError;

/// A year, seconds.
const PERIOD_MAX_S: f64 = 31_536_000.0;

/// A description that was checked.
#[derive(Clone, Debug)]
pub(super) enum Factor {
    /// From these microseconds on, that factor; in the order of time.
    Steps(Vec<(u64, f64)>),
    /// Period in microseconds.
    Wave {
        period: f64,
        amplitude: f64,
        phase: f64,
    },
}

impl Factor {
    pub(super) fn new(varying: &Varying) -> Result<Self, UnderlayError> {
        match varying {
            Varying::Schedule(steps) => Self::steps(steps),
            Varying::Sinusoid(it) => Self::wave(*it),
        }
    }

    fn steps(steps: &[Step]) -> Result<Self, UnderlayError> {
        let mut checked: Vec<(u64, f64)> = Vec::with_capacity(steps.len());
        for step in steps {
            let allowed = "0 to a year, rising from step to step";
            let at = UnderlayError::check("at_s", step.at_s, (0.0, PERIOD_MAX_S), allowed)?;
            let at = super::distribution::floor(at * 1_000_000.0);
            if checked.last().is_some_and(|&(before, _)| before >= at) {
                return Err(UnderlayError::parameter("at_s", step.at_s, allowed));
            }
            let allowed = "0.01 to 1000";
            let factor = UnderlayError::check("factor", step.factor, (0.01, 1_000.0), allowed)?;
            checked.push((at, factor));
        }
        Ok(Self::Steps(checked))
    }

    fn wave(it: Sinusoid) -> Result<Self, UnderlayError> {
        let range = (0.001, PERIOD_MAX_S);
        let period_s = UnderlayError::check("period_s", it.period_s, range, "0.001 to a year")?;
        let amplitude = UnderlayError::check("amplitude", it.amplitude, (0.0, 0.99), "0 to 0.99")?;
        let phase = UnderlayError::check("phase", it.phase, (0.0, 1.0), "0 to 1")?;
        Ok(Self::Wave {
            period: period_s * 1_000_000.0,
            amplitude,
            phase,
        })
    }

    /// What latency is multiplied with at an instant.
    pub(super) fn at(&self, now: Time) -> f64 {
        match self {
            Self::Steps(steps) => {
                let next = steps.partition_point(|&(at, _)| at <= now.as_micros());
                let current = next.checked_sub(1).and_then(|index| steps.get(index));
                current.map_or(1.0, |&(_, factor)| factor)
            }
            Self::Wave {
                period,
                amplitude,
                phase,
            } => {
                let turns = now.as_micros() as f64 / period + phase;
                1.0 + amplitude * libm::sin(std::f64::consts::TAU * (turns - libm::floor(turns)))
            }
        }
    }

    /// The least that it ever is.
    pub(super) fn least(&self) -> f64 {
        match self {
            Self::Steps(steps) => {
                let factors = steps.iter().map(|&(_, factor)| factor);
                factors.fold(1.0, f64::min)
            }
            Self::Wave { amplitude, .. } => 1.0 - amplitude,
        }
    }
}
