//! A set of shards: 4,096 bits.

use archipelago_core::wire::{List, SHARD_WORDS, ShardBits};

use super::Shard;

/// Some of the 4,096 shards; 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSet {
    words: Box<[u64; SHARD_WORDS]>,
}

impl Default for ShardSet {
    fn default() -> Self {
        Self {
            words: Box::new([0; SHARD_WORDS]),
        }
    }
}

impl ShardSet {
    /// Adds a shard; whether it is new.
    pub fn insert(&mut self, shard: Shard) -> bool {
        let is_new = !self.contains(shard);
        if let Some((word, bit)) = self.place(shard) {
            *word |= bit;
        }
        is_new
    }

    /// Takes a shard out; whether it was there.
    pub fn remove(&mut self, shard: Shard) -> bool {
        let was_there = self.contains(shard);
        if let Some((word, bit)) = self.place(shard) {
            *word &= !bit;
        }
        was_there
    }

    /// Whether a shard is among them.
    pub fn contains(&self, shard: Shard) -> bool {
        let (index, bit) = address(shard);
        self.words.get(index).is_some_and(|word| word & bit != 0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Those of these that are not among `others`.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        self.combine(others, |mine, other| mine & !other)
    }

    /// Those that are among both.
    #[must_use]
    pub fn both(&self, others: &Self) -> Self {
        self.combine(others, |mine, other| mine & other)
    }

    /// Those that are among either.
    #[must_use]
    pub fn either(&self, others: &Self) -> Self {
        self.combine(others, |mine, other| mine | other)
    }

    fn combine(&self, others: &Self, how: impl Fn(u64, u64) -> u64) -> Self {
        let mut all = self.clone();
        for (word, other) in all.words.iter_mut().zip(others.words.iter()) {
            *word = how(*word, *other);
        }
        all
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let ones = self.words.iter().map(|word| word.count_ones() as usize);
        ones.sum()
    }

    /// The shards, in order.
    pub fn iter(&self) -> impl Iterator<Item = Shard> {
        let words = (0_u16..).zip(self.words.iter());
        words.flat_map(|(index, word)| {
            let bits = (0..64_u16).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| Shard(index * 64 + bit))
        })
    }

    /// As it travels.
    pub fn to_bits(&self) -> ShardBits {
        List::truncated(self.words.iter().copied())
    }

    /// As it came; what is missing is empty.
    pub fn from_bits(bits: &ShardBits) -> Self {
        let mut set = Self::default();
        for (word, bits) in set.words.iter_mut().zip(bits.iter()) {
            *word = *bits;
        }
        set
    }

    fn place(&mut self, shard: Shard) -> Option<(&mut u64, u64)> {
        let (index, bit) = address(shard);
        Some((self.words.get_mut(index)?, bit))
    }
}

impl FromIterator<Shard> for ShardSet {
    fn from_iter<I: IntoIterator<Item = Shard>>(shards: I) -> Self {
        let mut set = Self::default();
        for shard in shards {
            set.insert(shard);
        }
        set
    }
}

fn address(shard: Shard) -> (usize, u64) {
    (usize::from(shard.0 / 64), 1 << (shard.0 % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::{prop, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn a_set_is_what_was_put_into_it(numbers in prop::collection::btree_set(0_u16..4_096, 0..200), gone in 0_u16..4_096) {
            let mut model: BTreeSet<Shard> = numbers.into_iter().filter_map(Shard::new).collect();
            let mut set: ShardSet = model.iter().copied().collect();
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(&ShardSet::from_bits(&set.to_bits()), &set);
            let gone = Shard(gone);
            prop_assert_eq!(set.remove(gone), model.remove(&gone));
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), model.clone());
            prop_assert_eq!((set.insert(gone), set.insert(gone)), (true, false));
            model.insert(gone);
            let even: ShardSet = Shard::all().filter(|shard| shard.0 % 2 == 0).collect();
            let (even_ones, odd_ones): (BTreeSet<_>, BTreeSet<_>) =
                model.iter().copied().partition(|shard| shard.0 % 2 == 0);
            prop_assert_eq!(set.both(&even).iter().collect::<BTreeSet<_>>(), even_ones);
            prop_assert_eq!(set.without(&even).iter().collect::<BTreeSet<_>>(), odd_ones.clone());
            prop_assert_eq!(set.either(&even).len(), 2_048 + odd_ones.len());
        }
    }
}
