//! Which buckets of a wheel hold something: a bit each, so that quiet time is skipped 64 at a time.

/// A set of bucket numbers below a fixed size.
#[derive(Debug)]
pub(super) struct Occupied {
    words: Vec<u64>,
}

impl Occupied {
    /// The empty set of buckets below `size`, a multiple of 64.
    pub(super) fn new(size: usize) -> Self {
        Self {
            words: vec![0; size / 64],
        }
    }

    pub(super) fn set(&mut self, bucket: usize) {
        self.words[bucket / 64] |= 1 << (bucket % 64);
    }

    pub(super) fn clear(&mut self, bucket: usize) {
        self.words[bucket / 64] &= !(1 << (bucket % 64));
    }

    /// The first bucket of the set from `first` on, going round once.
    pub(super) fn next_from(&self, first: usize) -> Option<usize> {
        let (start, count) = (first / 64, self.words.len());
        let head = self.words[start] & (u64::MAX << (first % 64));
        if head != 0 {
            return Some(start * 64 + head.trailing_zeros() as usize);
        }
        (1..=count)
            .map(|step| (start + step) % count)
            .find(|&word| self.words[word] != 0)
            .map(|word| word * 64 + self.words[word].trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_goes_round_once() {
        let mut set = Occupied::new(256);
        assert_eq!(set.next_from(9), None);
        set.set(5);
        set.set(200);
        assert_eq!(set.next_from(0), Some(5));
        assert_eq!(set.next_from(6), Some(200));
        assert_eq!(set.next_from(201), Some(5));
        set.clear(200);
        assert_eq!(set.next_from(6), Some(5));
    }
}
