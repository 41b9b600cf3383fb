//! What can be wrong with an underlay's description.

use crate::formats::FormatError;

/// An underlay that cannot be built. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnderlayError {
    /// A number out of its range.
    #[error("{name} = {value}: allowed is {allowed}")]
    Parameter {
        /// Its name, as in a configuration.
        name: &'static str,
        /// What was given.
        value: f64,
        /// The range.
        allowed: &'static str,
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
    /// A description that contradicts itself.
    #[error("{0}")]
    Contradiction(String),
}

impl UnderlayError {
    pub(super) const fn parameter(name: &'static str, value: f64, allowed: &'static str) -> Self {
        Self::Parameter {
            name,
            value,
            allowed,
        }
    }

    /// `value`, if it is a number in `low..=high`.
    pub(super) fn check(
        name: &'static str,
        value: f64,
        (low, high): (f64, f64),
        allowed: &'static str,
    ) -> Result<f64, Self> {
        if (low..=high).contains(&value) {
            Ok(value)
        } else {
            Err(Self::parameter(name, value, allowed))
        }
    }
}
