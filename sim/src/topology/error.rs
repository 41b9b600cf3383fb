//! What can be wrong with a plan of groups.

use crate::formats::FormatError;

/// A plan that cannot be made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopologyError {
    /// A number out of its range.
    #[error("{name} = {value}: allowed is {allowed}")]
    Parameter {
        /// Its name, as in a configuration.
        name: &'static str,
        /// What was given.
        value: f64,
        /// The range.
        allowed: String,
    },
    /// More nodes, groups or memberships than a plan holds.
    #[error("{count} {what}: at most {limit} are allowed")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// A file that cannot be read.
    #[error("{file}: {source}")]
    Read {
        /// Its name.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("{file}: {source}")]
    Format {
        /// Its name.
        file: String,
        /// Where, why, and what helps.
        source: FormatError,
    },
    /// A plan that contradicts itself.
    #[error("{0}")]
    Contradiction(String),
}

impl TopologyError {
    /// `value`, if it is in `low..=high`.
    pub(super) fn count(
        name: &'static str,
        value: u32,
        (low, high): (u32, u32),
    ) -> Result<u32, Self> {
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(Self::Parameter {
            name,
            value: value.into(),
            allowed: format!("{low} to {high}"),
        })
    }

    /// `value`, if it is in `low..=high`.
    pub(super) fn number(
        name: &'static str,
        value: f64,
        (low, high): (f64, f64),
    ) -> Result<f64, Self> {
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(Self::Parameter {
            name,
            value,
            allowed: format!("{low} to {high}"),
        })
    }

    /// An error if there are more than `limit`.
    pub(super) const fn limit(what: &'static str, count: u64, limit: u64) -> Result<(), Self> {
        if count > limit {
            return Err(Self::TooMuch { what, count, limit });
        }
        Ok(())
    }
}
