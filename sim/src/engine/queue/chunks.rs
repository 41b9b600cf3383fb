//! Lists of events in chunks that are used again: no list owns memory while it is empty.
//!
//! Chunks lie side by side in blocks, and a list is the place after its last event, so that adding
//! one touches that place and nothing else.

use archipelago_core::footprint::vec_bytes;

use super::Entry;

/// The empty list.
pub(super) const NONE: u32 = 0;
/// Events of a chunk, as a power of two.
const CHUNK_BITS: u32 = 5;
const CHUNK_LEN: u32 = 1 << CHUNK_BITS;
/// Chunks of a block, as a power of two: what grows at once.
const BLOCK_BITS: u32 = 6;
/// No chunk.
const END: u32 = u32::MAX;

/// All chunks of a queue. A list is a count of places: those of all chunks before its last one, and
/// those taken in it; so 0 is never a list with an event.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    blocks: Vec<Vec<Entry<T>>>,
    /// The chunk before each chunk in its list.
    links: Vec<u32>,
    /// The first chunk of the free list.
    free: u32,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            links: Vec::new(),
            free: END,
        }
    }
}

impl<T> Chunks<T> {
    /// Adds to a list; whether the list was empty.
    #[inline]
    pub(super) fn push(&mut self, list: &mut u32, entry: Entry<T>) -> bool {
        let was_empty = *list == NONE;
        if list.is_multiple_of(CHUNK_LEN) {
            *list = self.add_chunk(*list);
        }
        let place = *list;
        let (block, within) = split(place);
        self.blocks[block][within] = entry;
        *list = place + 1;
        was_empty
    }

    /// Moves a list's events to the end of `into`; its chunks are free.
    pub(super) fn drain(&mut self, list: u32, into: &mut Vec<Entry<T>>) {
        let mut end = list;
        while end != NONE {
            let chunk = (end - 1) >> CHUNK_BITS;
            let len = (end - (chunk << CHUNK_BITS)) as usize;
            let (block, first) = split(chunk << CHUNK_BITS);
            let taken = self.blocks[block][first..first + len].iter_mut();
            into.extend(taken.map(Entry::take));
            let before = std::mem::replace(&mut self.links[chunk as usize], self.free);
            self.free = chunk;
            end = if before == END {
                NONE
            } else {
                (before + 1) << CHUNK_BITS
            };
        }
    }

    /// What the chunks hold on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let entries = self.blocks.iter().map(vec_bytes);
        vec_bytes(&self.blocks) + vec_bytes(&self.links) + entries.sum::<usize>()
    }

    /// Begins a chunk of the list that is full up to here; the first place in it.
    #[cold]
    fn add_chunk(&mut self, list: u32) -> u32 {
        if self.free == END {
            self.grow();
        }
        let chunk = self.free;
        let before = if list == NONE {
            END
        } else {
            (list - 1) >> CHUNK_BITS
        };
        self.free = std::mem::replace(&mut self.links[chunk as usize], before);
        chunk << CHUNK_BITS
    }

    /// One more block.
    fn grow(&mut self) {
        let first = self.links.len();
        let count = 1 << BLOCK_BITS;
        let places = (first + count) << CHUNK_BITS;
        assert!(
            u32::try_from(places).is_ok(),
            "fewer than 2^32 events are pending"
        );
        let block = std::iter::repeat_with(Entry::vacant).take(count << CHUNK_BITS);
        self.blocks.push(block.collect());
        self.links.resize(first + count, END);
        for chunk in (first..first + count).rev() {
            self.links[chunk] = self.free;
            self.free = u32::try_from(chunk).unwrap_or(END);
        }
    }

    /// Chunks in no list.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        let next = |&chunk: &u32| self.links.get(chunk as usize).copied();
        std::iter::successors(Some(self.free), next).count() - 1
    }

    /// Chunks ever made.
    #[cfg(test)]
    pub(super) const fn made(&self) -> usize {
        self.links.len()
    }
}

/// The block of a place, and the place within it.
#[inline]
const fn split(place: u32) -> (usize, usize) {
    let bits = BLOCK_BITS + CHUNK_BITS;
    (
        (place >> bits) as usize,
        (place & ((1 << bits) - 1)) as usize,
    )
}
