//! Distributions of delays, by the parameters that the literature names.
//!
//! A configuration is checked once and becomes a [`Sampler`], which never fails. Every distribution
//! has a least value above nothing, because the least latency is how far shards of a parallel run
//! may run ahead of each other. Elementary functions come from `libm`, so that one seed gives one
//! trace on every platform.
//! Sources: normal by G. Box and M. Muller 1958, truncated by rejection; lognormal as exp of it;
//! Pareto by inversion, bounded above (N. Johnson, S. Kotz, N. Balakrishnan, chapter 20).
//! Cost: one to four draws of [`Random`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::UnderlayError;
use crate::random::Random;

/// The longest delay that is ever drawn, in milliseconds: one hour.
pub const DELAY_MAX_MS: f64 = 3_600_000.0;
/// Draws that may fall below the least value before it is taken itself.
const REJECTIONS_MAX: u32 = 64;

/// Always the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Milliseconds, 0.001 to an hour.
    pub latency_ms: f64,
}

/// Every value between two bounds alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uniform {
    /// Least, milliseconds.
    pub low_ms: f64,
    /// Most, milliseconds; not below `low_ms`.
    pub high_ms: f64,
}

/// The normal distribution, truncated from below.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normal {
    /// Mean before truncation, milliseconds.
    pub mean_ms: f64,
    /// Standard deviation before truncation, milliseconds.
    pub deviation_ms: f64,
    /// Draws below this are drawn again, milliseconds. Default: a tenth of the mean.
    pub least_ms: Option<f64>,
}

/// The logarithm is normal; truncated from below.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lognormal {
    /// The median, e to the power μ, milliseconds.
    pub median_ms: f64,
    /// Standard deviation of the logarithm, 0 to 4.
    pub sigma: f64,
    /// Draws below this are drawn again, milliseconds. Default: a tenth of the median.
    pub least_ms: Option<f64>,
}

/// A power law: P(X > x) = (scale / x)^shape, bounded above.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pareto {
    /// The least value, x_m, milliseconds.
    pub scale_ms: f64,
    /// The exponent α, 0.1 to 100; up to 2 the unbounded variance is infinite.
    pub shape: f64,
    /// The greatest value, milliseconds. Default: a thousand times the least.
    pub most_ms: Option<f64>,
}

/// How long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Distribution {
    /// Always the same.
    Constant(Constant),
    /// Every value between two bounds alike.
    Uniform(Uniform),
    /// Normal, truncated from below.
    Normal(Normal),
    /// The logarithm is normal.
    Lognormal(Lognormal),
    /// A power law.
    Pareto(Pareto),
}

/// A distribution whose parameters were checked, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampler {
    /// Always this.
    Constant(u64),
    /// From, and how many values.
    Uniform {
        /// Least.
        low: u64,
        /// How many values there are.
        width: u64,
    },
    /// Truncated normal.
    Normal {
        /// Before truncation.
        mean: f64,
        /// Before truncation.
        deviation: f64,
        /// Least.
        least: f64,
    },
    /// Truncated lognormal.
    Lognormal {
        /// Mean of the logarithm of microseconds.
        mu: f64,
        /// Standard deviation of the logarithm.
        sigma: f64,
        /// Least.
        least: f64,
    },
    /// Bounded Pareto.
    Pareto {
        /// Least.
        scale: f64,
        /// 1 / α, negated.
        exponent: f64,
        /// The share of the unbounded law that lies below the bound.
        mass: f64,
    },
}

impl Distribution {
    /// Checks the parameters.
    ///
    /// # Errors
    /// [`UnderlayError::Parameter`] for one that is not a number or out of its range.
    pub fn sampler(&self) -> Result<Sampler, UnderlayError> {
        match *self {
            Self::Constant(it) => Ok(Sampler::Constant(micros("latency_ms", it.latency_ms)?)),
            Self::Uniform(it) => uniform(it),
            Self::Normal(it) => normal(it),
            Self::Lognormal(it) => lognormal(it),
            Self::Pareto(it) => pareto(it),
        }
    }

    /// Always `latency`.
    pub fn constant(latency: Duration) -> Self {
        let latency_ms = latency.as_secs_f64() * 1_000.0;
        Self::Constant(Constant { latency_ms })
    }
}

impl Sampler {
    /// The next value, in microseconds: at least [`Sampler::least`], at most an hour.
    pub fn draw(&self, random: &mut Random) -> u64 {
        match *self {
            Self::Constant(value) => value,
            Self::Uniform { low, width } => low + random.below(width),
            Self::Normal {
                mean,
                deviation,
                least,
            } => whole(above(least, || mean + deviation * gauss(random))),
            Self::Lognormal { mu, sigma, least } => {
                whole(above(least, || libm::exp(mu + sigma * gauss(random))))
            }
            Self::Pareto {
                scale,
                exponent,
                mass,
            } => whole(scale * libm::pow(1.0 - unit(random) * mass, exponent)),
        }
    }

    /// No draw is below this, in microseconds.
    pub fn least(&self) -> u64 {
        match *self {
            Self::Constant(value) => value,
            Self::Uniform { low, .. } => low,
            Self::Normal { least, .. } | Self::Lognormal { least, .. } => floor(least),
            Self::Pareto { scale, .. } => floor(scale),
        }
    }
}

fn uniform(it: Uniform) -> Result<Sampler, UnderlayError> {
    let low = micros("low_ms", it.low_ms)?;
    let high = micros("high_ms", it.high_ms)?;
    if high < low {
        let allowed = "at least low_ms";
        return Err(UnderlayError::parameter("high_ms", it.high_ms, allowed));
    }
    let width = high - low + 1;
    Ok(Sampler::Uniform { low, width })
}

fn normal(it: Normal) -> Result<Sampler, UnderlayError> {
    let mean = micros_exact("mean_ms", it.mean_ms)?;
    let deviation = micros_exact("deviation_ms", it.deviation_ms)?;
    let least = least(it.least_ms, mean)?;
    Ok(Sampler::Normal {
        mean,
        deviation,
        least,
    })
}

fn lognormal(it: Lognormal) -> Result<Sampler, UnderlayError> {
    let median = micros_exact("median_ms", it.median_ms)?;
    let sigma = UnderlayError::check("sigma", it.sigma, (0.0, 4.0), "0 to 4")?;
    let least = least(it.least_ms, median)?;
    let mu = libm::log(median.max(1.0));
    Ok(Sampler::Lognormal { mu, sigma, least })
}

fn pareto(it: Pareto) -> Result<Sampler, UnderlayError> {
    let scale = micros_exact("scale_ms", it.scale_ms)?.max(1.0);
    let shape = UnderlayError::check("shape", it.shape, (0.1, 100.0), "0.1 to 100")?;
    let most_ms = it.most_ms.unwrap_or(it.scale_ms * 1_000.0);
    let most = micros_exact("most_ms", most_ms.min(DELAY_MAX_MS))?;
    if most <= scale {
        let allowed = "above scale_ms";
        return Err(UnderlayError::parameter("most_ms", most_ms, allowed));
    }
    Ok(Sampler::Pareto {
        scale,
        exponent: -1.0 / shape,
        mass: 1.0 - libm::pow(scale / most, shape),
    })
}

/// Where a distribution is cut off below; not above its middle, or drawing again would not end.
fn least(given_ms: Option<f64>, middle: f64) -> Result<f64, UnderlayError> {
    let Some(given_ms) = given_ms else {
        return Ok(middle / 10.0);
    };
    let least = micros_exact("least_ms", given_ms)?;
    if least > middle {
        let allowed = "at most the mean or median";
        return Err(UnderlayError::parameter("least_ms", given_ms, allowed));
    }
    Ok(least)
}

/// Draws again until the value is not below `least`.
fn above(least: f64, mut draw: impl FnMut() -> f64) -> f64 {
    for _ in 0..REJECTIONS_MAX {
        let value = draw();
        if value >= least {
            return value;
        }
    }
    least
}

/// A normal draw within bounds, in microseconds.
pub(super) fn truncated(
    mean: f64,
    deviation: f64,
    (least, most): (u64, u64),
    random: &mut Random,
) -> u64 {
    for _ in 0..REJECTIONS_MAX {
        let value = whole(mean + deviation * gauss(random));
        if (least..=most).contains(&value) {
            return value;
        }
    }
    whole(mean).clamp(least, most.max(least))
}

/// A standard normal number.
fn gauss(random: &mut Random) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - unit(random)));
    radius * libm::cos(std::f64::consts::TAU * unit(random))
}

/// A number in [0, 1) with 53 random bits.
pub(crate) fn unit(random: &mut Random) -> f64 {
    (random.u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn micros(name: &'static str, ms: f64) -> Result<u64, UnderlayError> {
    micros_exact(name, ms).map(whole)
}

pub(super) fn micros_exact(name: &'static str, ms: f64) -> Result<f64, UnderlayError> {
    let allowed = "0 to 3600000 milliseconds";
    UnderlayError::check(name, ms, (0.0, DELAY_MAX_MS), allowed).map(|ms| ms * 1_000.0)
}

/// To the nearest microsecond, within an hour. The cast saturates, and what is no number is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn whole(micros: f64) -> u64 {
    (micros + 0.5).min(DELAY_MAX_MS * 1_000.0) as u64
}

/// Rounded down, for bounds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn floor(micros: f64) -> u64 {
    micros.min(DELAY_MAX_MS * 1_000.0) as u64
}
