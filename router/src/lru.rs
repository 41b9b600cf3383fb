//! A bounded table that forgets what was not used for longest.
//!
//! Cost: O(log n) a call; order depends on the calls alone.

use std::collections::BTreeMap;

use archipelago_core::footprint::map_bytes;

/// At most `len_max` values by key.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    values: BTreeMap<K, (u64, V)>,
    by_turn: BTreeMap<u64, K>,
    turn: u64,
    len_max: usize,
}

impl<K: Ord + Copy, V> Lru<K, V> {
    /// An empty table; one value always fits.
    pub(crate) fn new(len_max: usize) -> Self {
        Self {
            values: BTreeMap::new(),
            by_turn: BTreeMap::new(),
            turn: 0,
            len_max: len_max.max(1),
        }
    }

    /// Reads without counting as use.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    /// The value of `key`, used now.
    pub(crate) fn get(&mut self, key: K) -> Option<&mut V> {
        let (turn, value) = self.values.get_mut(&key)?;
        self.by_turn.remove(turn);
        self.turn += 1;
        *turn = self.turn;
        self.by_turn.insert(*turn, key);
        Some(value)
    }

    /// The value of `key`, made where it is missing; the least recently used makes room.
    pub(crate) fn get_or_insert(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.values.contains_key(&key) {
            self.insert(key, make());
        }
        self.get(key)
            .expect("the key was there or was just inserted")
    }

    /// Sets the value of `key`; the least recently used makes room.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        while self.values.len() >= self.len_max {
            let Some((_, oldest)) = self.by_turn.pop_first() else {
                break;
            };
            self.values.remove(&oldest);
        }
        self.turn += 1;
        self.by_turn.insert(self.turn, key);
        self.values.insert(key, (self.turn, value));
    }

    /// What it holds on the heap, about; the values' own heap is not counted.
    pub(crate) fn heap_bytes(&self) -> usize {
        map_bytes(&self.values) + map_bytes(&self.by_turn)
    }

    /// Forgets `key`.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (turn, value) = self.values.remove(key)?;
        self.by_turn.remove(&turn);
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_not_used_for_longest_and_stays_bounded() {
        let mut lru = Lru::new(2);
        lru.insert(1, 'a');
        lru.insert(2, 'b');
        assert_eq!(lru.get(1), Some(&mut 'a'));
        lru.insert(3, 'c');
        assert_eq!(
            (lru.peek(&1), lru.peek(&2), lru.peek(&3)),
            (Some(&'a'), None, Some(&'c'))
        );
        assert_eq!((lru.remove(&1), lru.len()), (Some('a'), 1));
    }
}
