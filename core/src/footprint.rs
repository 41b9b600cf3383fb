//! How many bytes a machine takes, by part: so that "small at rest" is a figure and not a hope.
//!
//! Counted is what a machine owns alone: capacities, not lengths, and a tree's nodes as the
//! standard library makes them, about. What many share behind an `Arc` is left out, and so is the
//! allocator's own overhead; whoever reports says what remains up to the resident set.
//! Cost: a walk over tables, for inspection only.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::size_of;

/// Entries of one node of the standard library's B-tree.
const TREE_NODE_LEN: usize = 11;

/// Bytes by part, in the order in which parts were first named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    parts: Vec<(&'static str, usize)>,
}

impl Footprint {
    /// Adds `bytes` to `part`.
    pub fn add(&mut self, part: &'static str, bytes: usize) {
        match self.parts.iter_mut().find(|(name, _)| *name == part) {
            Some((_, sum)) => *sum += bytes,
            None => self.parts.push((part, bytes)),
        }
    }

    /// Adds every part of `other`.
    pub fn merge(&mut self, other: &Self) {
        for &(part, bytes) in &other.parts {
            self.add(part, bytes);
        }
    }

    /// The parts with their bytes.
    pub fn parts(&self) -> &[(&'static str, usize)] {
        &self.parts
    }

    /// All parts together.
    pub fn total(&self) -> usize {
        self.parts.iter().map(|&(_, bytes)| bytes).sum()
    }
}

/// Makes room for one more element, and for an eighth more at most: a table that is full once and
/// then rests wastes little, and one that grows is still copied a logarithmic number of times.
pub fn reserve_tight<T>(vec: &mut Vec<T>) {
    if vec.len() == vec.capacity() {
        vec.reserve_exact((vec.len() / 8).max(2));
    }
}

/// Appends to a table that grows as [`reserve_tight`] says.
pub fn push_tight<T>(vec: &mut Vec<T>, element: T) {
    reserve_tight(vec);
    vec.push(element);
}

/// What a vector holds on the heap, itself and its elements' own heap not counted.
pub const fn vec_bytes<T>(vec: &Vec<T>) -> usize {
    vec.capacity() * size_of::<T>()
}

/// About what a map holds on the heap, two thirds of its places taken.
pub fn map_bytes<K, V>(map: &BTreeMap<K, V>) -> usize {
    tree_bytes(map.len(), size_of::<K>() + size_of::<V>())
}

/// About what a set holds on the heap.
pub fn set_bytes<K>(set: &BTreeSet<K>) -> usize {
    tree_bytes(set.len(), size_of::<K>())
}

fn tree_bytes(len: usize, entry_bytes: usize) -> usize {
    let nodes = match len {
        0 => 0,
        1..=TREE_NODE_LEN => 1,
        _ => (len * 3).div_ceil(TREE_NODE_LEN * 2),
    };
    nodes * (TREE_NODE_LEN * entry_bytes + 2 * size_of::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_under_their_names() {
        let mut all = Footprint::default();
        all.add("peers", 3);
        all.add("view", 4);
        let mut other = Footprint::default();
        other.add("view", 5);
        all.merge(&other);
        assert_eq!(all.parts(), [("peers", 3), ("view", 9)]);
        assert_eq!(all.total(), 12);
    }

    #[test]
    fn empty_tables_cost_nothing_and_a_first_entry_a_whole_tree_node() {
        let mut map = BTreeMap::new();
        assert_eq!(map_bytes(&map), 0);
        map.insert(1u64, 2u64);
        assert_eq!(map_bytes(&map), 11 * 16 + 16);
        assert_eq!(vec_bytes(&Vec::<u64>::new()), 0);
    }

    #[test]
    fn a_tight_table_has_an_eighth_to_spare() {
        let mut table = Vec::new();
        for number in 0..1_000u32 {
            push_tight(&mut table, number);
            assert!(table.capacity() <= table.len() + (table.len() / 8).max(2));
        }
    }
}
