//! Memory fetched ahead, for who knows what it will read soon: the processor is told of the place, and
//! does not wait for it.
//!
//! A hint and nothing else: it changes no result, is lawful for any place, and does nothing on a
//! processor that has no such instruction. A simulator of very many nodes lives on it; a live node has
//! no use for it. Cost: an instruction or two each.

use prefetch_index::prefetch_index;

/// Bytes of an entry that may well lie on two lines of memory.
const SPLIT_BYTES_MIN: usize = 24;

/// Fetches the line of memory on which `what` begins.
#[inline]
pub fn fetch<T>(what: &T) {
    prefetch_index(std::slice::from_ref(what), 0);
}

/// Fetches an entry of at most a line's length, whether it is there or not.
#[inline]
pub fn fetch_at<T>(list: &[T], index: usize) {
    prefetch_index(list, index);
    if size_of::<T>() >= SPLIT_BYTES_MIN {
        prefetch_index(list, index.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_place_may_be_named() {
        let list = [[7u64; 4]; 3];
        for index in [0, 2, 3, 1_000_000, usize::MAX] {
            fetch_at(&list, index);
        }
        fetch_at::<u64>(&[], 0);
        fetch(&list);
        assert_eq!(list, [[7; 4]; 3]);
    }
}
