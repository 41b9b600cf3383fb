//! A map of a few entries: an ordered vector, so that one entry does not pay for eleven.
//!
//! For what a node has one or two of, such as its groups: a node of the standard library's B-tree
//! has room for eleven at once. Look-ups are O(log n), changes O(n).

use crate::footprint::{reserve_tight, vec_bytes};

/// Entries ordered by key.
#[derive(Clone, Debug)]
pub struct SmallMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> SmallMap<K, V> {
    /// No entry.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        let index = self.search(key).ok()?;
        self.0.get(index).map(|(_, value)| value)
    }

    /// As [`SmallMap::get`], to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let index = self.search(key).ok()?;
        self.0.get_mut(index).map(|(_, value)| value)
    }

    /// Whether there is a value of `key`.
    pub fn contains_key(&self, key: &K) -> bool {
        self.search(key).is_ok()
    }

    /// Sets the value of `key`; returns the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.search(&key) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index].1, value)),
            Err(index) => {
                reserve_tight(&mut self.0);
                self.0.insert(index, (key, value));
                None
            }
        }
    }

    /// The value of `key`, made where it is missing.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let index = match self.search(&key) {
            Ok(index) => index,
            Err(index) => {
                reserve_tight(&mut self.0);
                self.0.insert(index, (key, V::default()));
                index
            }
        };
        &mut self.0[index].1
    }

    /// Takes the value of `key` out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let index = self.search(key).ok()?;
        Some(self.0.remove(index).1)
    }

    /// Keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.0.iter().map(|(key, _)| key)
    }

    /// Values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.0.iter().map(|(_, value)| value)
    }

    /// Values to change, in the order of their keys.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Entries, in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What it holds on the heap, the entries' own heap not counted.
    pub const fn heap_bytes(&self) -> usize {
        vec_bytes(&self.0)
    }

    fn search(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0u8..6, 0u8..4, any::<u8>()), 0..60)) {
            let mut map = SmallMap::new();
            let mut model = BTreeMap::new();
            for (key, step, value) in steps {
                match step {
                    0 => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    1 => *map.get_or_default(key) = *model.entry(key).or_default(),
                    _ => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                }
                prop_assert!(map.iter().eq(model.iter()));
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
        }
    }

    #[test]
    fn one_entry_takes_two_places_at_most() {
        let mut map = SmallMap::new();
        map.insert(1u64, 2u64);
        assert!(map.heap_bytes() <= 2 * 16);
    }
}
