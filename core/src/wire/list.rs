//! A list with its limit in its type, decoded without trusting the length that it claims.

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// At most `MAX` elements; a claim of more is a decoding error before anything is allocated.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct List<T, const MAX: usize>(Vec<T>);

/// More elements than the list may hold; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} elements where at most {max} are allowed")]
pub struct TooMany {
    /// How many were given.
    pub len: usize,
    /// How many are allowed.
    pub max: usize,
}

impl<T, const MAX: usize> List<T, MAX> {
    /// An empty list.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends `element`.
    ///
    /// # Errors
    /// [`TooMany`] when the list is full; it is unchanged.
    pub fn push(&mut self, element: T) -> Result<(), TooMany> {
        if self.0.len() >= MAX {
            return Err(TooMany {
                len: self.0.len() + 1,
                max: MAX,
            });
        }
        self.0.push(element);
        Ok(())
    }

    /// The first `MAX` of `elements`; for lists whose tail may be left out.
    pub fn truncated(elements: impl IntoIterator<Item = T>) -> Self {
        Self(elements.into_iter().take(MAX).collect())
    }

    /// The elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = TooMany;

    fn try_from(elements: Vec<T>) -> Result<Self, TooMany> {
        if elements.len() > MAX {
            return Err(TooMany {
                len: elements.len(),
                max: MAX,
            });
        }
        Ok(Self(elements))
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const MAX: usize> std::ops::Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: std::fmt::Debug, const MAX: usize> std::fmt::Debug for List<T, MAX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(std::marker::PhantomData))
    }
}

struct ListVisitor<T, const MAX: usize>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at most {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if seq.size_hint().is_some_and(|claimed| claimed > MAX) {
            return Err(A::Error::custom("a list longer than its limit"));
        }
        // Grows with what really arrives: a claim allocates nothing.
        let mut list = List::new();
        while let Some(element) = seq.next_element()? {
            list.push(element).map_err(A::Error::custom)?;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_list_takes_no_more() {
        let mut list = List::<u8, 2>::truncated([1, 2, 3]);
        assert_eq!(list[..], [1, 2]);
        assert_eq!(list.push(4), Err(TooMany { len: 3, max: 2 }));
        assert_eq!(list.into_vec(), [1, 2]);
        let error = List::<u8, 2>::try_from(vec![1, 2, 3]);
        assert_eq!(error, Err(TooMany { len: 3, max: 2 }));
    }

    #[test]
    fn a7_a_list_beyond_its_limit_is_not_read() {
        let decode = postcard::from_bytes::<List<u8, 2>>;
        assert_eq!(decode(&[2, 7, 8]), Ok(List::truncated([7, 8])));
        assert_eq!(decode(&[3, 7, 8, 9]), Err(postcard::Error::SerdeDeCustom));
        // A claim beyond the bytes is no claim: the elements are read until the limit.
        assert_eq!(decode(&[9, 7, 8, 9]), Err(postcard::Error::SerdeDeCustom));
        assert_eq!(
            decode(&[9, 7]),
            Err(postcard::Error::DeserializeUnexpectedEnd)
        );
    }
}
