//! Texts and byte strings with a limit, checked before anything is allocated for them.
//!
//! The same limits hold in both directions: what a peer would refuse is not sent. Text from a peer
//! ends in logs and on terminals, so it carries no control characters, no line separators and
//! nothing that reverses the direction of writing.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::Visitor;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whether a text may be shown as it is, wherever it came from: no control characters, no line
/// separators, nothing that reverses the direction of writing. Peers refuse any other.
pub fn is_plain_text(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

pub(crate) fn put_text<const MAX: usize, S: Serializer>(
    text: &Arc<str>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if text.len() > MAX || !is_plain_text(text) {
        return Err(S::Error::custom("a text beyond its limit"));
    }
    serializer.serialize_str(text)
}

pub(crate) fn text<'de, const MAX: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Arc<str>, D::Error> {
    deserializer.deserialize_str(TextVisitor::<MAX>)
}

pub(crate) fn put_bytes<const MAX: usize, S: Serializer>(
    bytes: &Bytes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if bytes.len() > MAX {
        return Err(S::Error::custom("a byte string beyond its limit"));
    }
    serializer.serialize_bytes(bytes)
}

pub(crate) fn bytes<'de, const MAX: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Bytes, D::Error> {
    deserializer.deserialize_bytes(BytesVisitor::<MAX>)
}

pub(crate) fn put_bytes_option<const MAX: usize, S: Serializer>(
    bytes: &Option<Bytes>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    bytes.clone().map(BoundedBytes::<MAX>).serialize(serializer)
}

pub(crate) fn bytes_option<'de, const MAX: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Bytes>, D::Error> {
    let bytes = Option::<BoundedBytes<MAX>>::deserialize(deserializer)?;
    Ok(bytes.map(|BoundedBytes(bytes)| bytes))
}

struct BoundedBytes<const MAX: usize>(Bytes);

impl<const MAX: usize> Serialize for BoundedBytes<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        put_bytes::<MAX, S>(&self.0, serializer)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for BoundedBytes<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bytes::<MAX, D>(deserializer).map(Self)
    }
}

struct TextVisitor<const MAX: usize>;

impl<const MAX: usize> Visitor<'_> for TextVisitor<MAX> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "a text of at most {MAX} bytes without control characters"
        )
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Arc<str>, E> {
        if text.len() > MAX {
            return Err(E::invalid_length(text.len(), &self));
        }
        if !is_plain_text(text) {
            return Err(E::custom("a text with control characters"));
        }
        Ok(text.into())
    }
}

struct BytesVisitor<const MAX: usize>;

impl<const MAX: usize> Visitor<'_> for BytesVisitor<MAX> {
    type Value = Bytes;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at most {MAX} bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        if bytes.len() > MAX {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        Ok(Bytes::copy_from_slice(bytes))
    }
}
