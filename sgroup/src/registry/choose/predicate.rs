//! Which nodes will do: a condition on attributes, as a value or read from a text.
//!
//! A comparison holds where the attribute is there, is of the same kind as what it is compared with
//! (whole and broken numbers are one kind), and compares so. Where it is missing or of another kind
//! no comparison holds, `!=` as little as `==`; `!(…)` then does.
//! Cost: O(size) per evaluation; a text yields at most [`PREDICATE_TERMS_MAX`] terms.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use archipelago_core::wire::Value;
use bytes::Bytes;

use super::parse;
pub use super::parse::{
    PREDICATE_BYTES_MAX, PREDICATE_DEPTH_MAX, PREDICATE_TERMS_MAX, PredicateError, PredicateFault,
};

/// A condition on the attributes of a node.
///
/// From a text: `gpu >= 1 && (zone == "eu" || spare) && !draining`. A name alone asks whether the
/// attribute is there and not `false`. Names are letters, digits, `_`, `-`, `.`, and `:`, not
/// beginning with a digit, `-` or `.`; other names are written in backquotes. Literals are `true`,
/// `false`, whole and broken numbers, and texts in double quotes with `\"` and `\\`.
/// `!` takes the whole comparison behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Predicate {
    /// Every node.
    #[default]
    Any,
    /// The attribute is there, and is not `false`.
    Has(Bytes),
    /// The attribute is there and compares so.
    Compare {
        /// Which attribute.
        attribute: Bytes,
        /// How.
        relation: Relation,
        /// With what.
        value: Value,
    },
    /// The reverse.
    Not(Box<Predicate>),
    /// All of them; of none, every node.
    All(Vec<Predicate>),
    /// At least one of them; of none, no node.
    Either(Vec<Predicate>),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Predicate {
    /// `attribute relation value`.
    pub fn compare(attribute: &str, relation: Relation, value: impl Into<Value>) -> Self {
        Self::Compare {
            attribute: Bytes::copy_from_slice(attribute.as_bytes()),
            relation,
            value: value.into(),
        }
    }

    /// Whether it holds for a node whose attributes `look` finds.
    pub fn holds<'a>(&self, look: &impl Fn(&[u8]) -> Option<&'a Value>) -> bool {
        match self {
            Self::Any => true,
            Self::Has(attribute) => look(attribute).is_some_and(|v| *v != Value::Bool(false)),
            Self::Compare {
                attribute,
                relation,
                value,
            } => look(attribute).is_some_and(|found| relation.holds(found, value)),
            Self::Not(inner) => !inner.holds(look),
            Self::All(all) => all.iter().all(|inner| inner.holds(look)),
            Self::Either(all) => all.iter().any(|inner| inner.holds(look)),
        }
    }
}

impl Relation {
    /// Whether `a` stands so to `b`; never, where they are of different kinds.
    pub fn holds(self, a: &Value, b: &Value) -> bool {
        let Some(order) = a.compare(b) else {
            return false;
        };
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl FromStr for Predicate {
    type Err = PredicateError;

    fn from_str(text: &str) -> Result<Self, PredicateError> {
        parse::predicate(text)
    }
}

/// As it is read back, where names and texts can be written so.
impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, all: &[Self], sign: &str| {
            f.write_str("(")?;
            for (index, inner) in all.iter().enumerate() {
                let sign = if index == 0 { "" } else { sign };
                write!(f, "{sign}{inner}")?;
            }
            f.write_str(")")
        };
        match self {
            Self::Any => f.write_str("true"),
            Self::Has(name) => write!(f, "`{}`", name.escape_ascii()),
            Self::Compare {
                attribute,
                relation,
                value,
            } => {
                let name = attribute.escape_ascii();
                write!(f, "`{name}` {} {value}", relation.sign())
            }
            Self::Not(inner) => write!(f, "!{inner}"),
            Self::All(all) if all.is_empty() => f.write_str("true"),
            Self::Either(all) if all.is_empty() => f.write_str("false"),
            Self::All(all) => joined(f, all, " && "),
            Self::Either(all) => joined(f, all, " || "),
        }
    }
}
