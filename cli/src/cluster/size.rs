//! How many members a group is to have: `size = 20`, or `size = { min = 10, max = 30 }`.

use std::fmt;

use archipelago_router::grouping::Wish;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// As the file says it; whether that is possible is for [`Wish::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// About so many.
    About(usize),
    /// So many at least and at most.
    Within(Span),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    min: usize,
    max: usize,
}

impl Size {
    /// What groups of such a size are wished for.
    pub(super) const fn wish(&self) -> Wish {
        match *self {
            Self::About(size) => Wish::of(size),
            Self::Within(Span { min, max }) => Wish::within(min, max),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl<'de> Visitor<'de> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of members, or { min = …, max = … }")
    }

    fn visit_i64<E: Error>(self, size: i64) -> Result<Size, E> {
        let size = usize::try_from(size);
        size.map(Size::About)
            .map_err(|_| E::custom("a size below 0"))
    }

    fn visit_u64<E: Error>(self, size: u64) -> Result<Size, E> {
        let size = usize::try_from(size);
        size.map(Size::About)
            .map_err(|_| E::custom("a size beyond all nodes"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Size, A::Error> {
        Span::deserialize(MapAccessDeserializer::new(map)).map(Size::Within)
    }
}
