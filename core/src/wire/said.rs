//! What members say without a contest, as values of their owner-logs: properties, services, work.
//!
//! Every value is one postcard statement with bounds on all that it holds; anything else, also a
//! byte too many, is a [`StatementError`] and counts as not said.
//! Cost: a text or a byte string is copied once when it is read.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bounded;
use super::up::{StatementError, from_bytes};
use crate::NodeId;

/// What an attribute of a node or a property of a process holds.
///
/// Values of different kinds are never equal, but whole and broken numbers compare as numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any finite number.
    Float(Finite),
    /// A text of at most [`Value::TEXT_BYTES_MAX`] bytes, fit to be shown.
    Text(
        #[serde(
            serialize_with = "bounded::put_text::<{ Value::TEXT_BYTES_MAX }, _>",
            deserialize_with = "bounded::text::<{ Value::TEXT_BYTES_MAX }, _>"
        )]
        Arc<str>,
    ),
    /// At most [`Value::BYTES_MAX`] bytes of any kind.
    Bytes(
        #[serde(
            serialize_with = "bounded::put_bytes::<{ Value::BYTES_MAX }, _>",
            deserialize_with = "bounded::bytes::<{ Value::BYTES_MAX }, _>"
        )]
        Bytes,
    ),
}

impl Value {
    /// Longest text in bytes.
    pub const TEXT_BYTES_MAX: usize = 1_024;
    /// Longest byte string.
    pub const BYTES_MAX: usize = 4_000;

    /// The value of a log entry.
    ///
    /// # Errors
    /// [`StatementError`] for a text or a byte string beyond its limit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StatementError> {
        postcard::to_stdvec(self).map_err(|_| StatementError)
    }

    /// The reverse.
    ///
    /// # Errors
    /// [`StatementError`] for anything but exactly one value within its limits.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        from_bytes(bytes)
    }

    /// How two values compare; `None` where they are of different kinds, so that no order of them
    /// means anything. Whole and broken numbers compare exactly, also beyond 2^53.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Float(a), Self::Float(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Float(b)) => Some(compare_mixed(*a, b.get())),
            (Self::Float(a), Self::Int(b)) => Some(compare_mixed(*b, a.get()).reverse()),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{}", value.get()),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::Bytes(value) => write!(f, "b\"{}\"", value.escape_ascii()),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<Finite> for Value {
    fn from(value: Finite) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<Bytes> for Value {
    fn from(value: Bytes) -> Self {
        Self::Bytes(value)
    }
}

/// A whole number against a finite one, without rounding either.
fn compare_mixed(whole: i64, broken: f64) -> Ordering {
    // 2^63, the first number that no `i64` is; exact as a float.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if broken >= BEYOND {
        return Ordering::Less;
    }
    if broken < -BEYOND {
        return Ordering::Greater;
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the fraction is looked at next, and the range was checked"
    )]
    let floor = broken.floor() as i64;
    let has_fraction = broken > broken.floor();
    whole.cmp(&floor).then(if has_fraction {
        Ordering::Less
    } else {
        Ordering::Equal
    })
}

/// A number that is neither infinite nor "not a number"; zero has one form.
#[derive(Clone, Copy, Debug)]
pub struct Finite(f64);

impl Finite {
    /// `None` for infinities and for what is no number.
    pub fn new(value: f64) -> Option<Self> {
        // Adding zero makes the negative zero positive.
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Finite {}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Serialize for Finite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| serde::de::Error::custom("a number that is not finite"))
    }
}

/// How a process or a node offers a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Offer {
    /// Told outside the group as well.
    pub is_exported: bool,
    /// Takes no new work, and is there for what it has begun.
    pub is_leaving: bool,
    /// Keyed workers that run only while their shards are leased.
    pub is_leased: bool,
}

/// That a service is to run on every member of a group, or is to do so no more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Duty {
    /// Rises with each change; of two the higher version holds, then a withdrawal, then the author.
    pub version: u64,
    /// Who declared it; it need not live any more.
    pub author: NodeId,
    /// Not to be run any more.
    pub is_withdrawn: bool,
    /// For the factory; at most [`Duty::ARGUMENTS_BYTES_MAX`] bytes.
    #[serde(
        serialize_with = "bounded::put_bytes::<{ Duty::ARGUMENTS_BYTES_MAX }, _>",
        deserialize_with = "bounded::bytes::<{ Duty::ARGUMENTS_BYTES_MAX }, _>"
    )]
    pub arguments: Bytes,
}

impl Duty {
    /// Longest arguments in bytes.
    pub const ARGUMENTS_BYTES_MAX: usize = 2_048;
}

/// Statements that are one value of a log entry each.
macro_rules! statements {
    ($($type:ty),*) => {$(
        impl $type {
            /// The value of a log entry.
            ///
            /// # Errors
            /// [`StatementError`] for what lies beyond its limit.
            pub fn to_bytes(&self) -> Result<Vec<u8>, StatementError> {
                postcard::to_stdvec(self).map_err(|_| StatementError)
            }

            /// The reverse.
            ///
            /// # Errors
            /// [`StatementError`] for anything but exactly one statement.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
                from_bytes(bytes)
            }
        }
    )*};
}

statements!(Offer, Duty);

/// A whole number as the value of a log entry: a count, a load.
pub fn number_to_bytes(number: i64) -> Vec<u8> {
    postcard::to_stdvec(&number).expect("a number in memory has an encoding")
}

/// The reverse of [`number_to_bytes`].
///
/// # Errors
/// [`StatementError`] for anything but exactly one number.
pub fn number_from_bytes(bytes: &[u8]) -> Result<i64, StatementError> {
    from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            prop::num::f64::NORMAL.prop_map(|number| Value::Float(Finite::new(number).unwrap())),
            "[a-z ]{0,40}".prop_map(|text| Value::Text(text.as_str().into())),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bytes(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn a_value_is_read_back(value in any_value()) {
            let bytes = value.to_bytes().unwrap();
            prop_assert_eq!(Value::from_bytes(&bytes), Ok(value));
        }

        #[test]
        fn a6_arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = Value::from_bytes(&bytes) {
                prop_assert!(value.to_bytes().is_ok());
            }
            let _ = (Offer::from_bytes(&bytes), Duty::from_bytes(&bytes));
            let _ = number_from_bytes(&bytes);
        }

        /// Against arithmetic that is exact: 128 bits hold both numbers in quarters.
        #[test]
        fn whole_and_broken_numbers_compare_exactly(whole in any::<i64>(), near in -8_i32..8) {
            #[allow(clippy::cast_precision_loss, reason = "any float near the number will do")]
            let broken = whole as f64 + f64::from(near) / 4.0;
            #[allow(clippy::cast_possible_truncation, reason = "quarters of it are whole")]
            let quarters = (broken * 4.0) as i128;
            let expected = (i128::from(whole) * 4).cmp(&quarters);
            let (a, b) = (Value::Int(whole), Value::Float(Finite::new(broken).unwrap()));
            prop_assert_eq!(a.compare(&b), Some(expected));
            prop_assert_eq!(b.compare(&a), Some(expected.reverse()));
        }
    }

    #[test]
    fn what_cannot_be_compared_is_not() {
        assert_eq!(Value::from(true).compare(&Value::from(1)), None);
        assert_eq!(Value::from("1").compare(&Value::from(1)), None);
        assert_eq!(Finite::new(f64::NAN), None);
        assert_eq!(Finite::new(-0.0), Finite::new(0.0));
        // Not a number, on the wire.
        let mut bytes = vec![2];
        bytes.extend(f64::NAN.to_le_bytes());
        assert_eq!(Value::from_bytes(&bytes), Err(StatementError));
    }

    #[test]
    fn limits_hold_at_both_ends() {
        let text = |len: usize| Value::from("x".repeat(len).as_str());
        assert!(text(Value::TEXT_BYTES_MAX).to_bytes().is_ok());
        assert_eq!(
            text(Value::TEXT_BYTES_MAX + 1).to_bytes(),
            Err(StatementError)
        );
        let bytes = Value::Bytes(vec![0; Value::BYTES_MAX + 1].into());
        assert_eq!(bytes.to_bytes(), Err(StatementError));
        const { assert!(Value::BYTES_MAX + 8 <= super::super::LogEntry::VALUE_BYTES_MAX) };
    }
}
