//! Lists of events in chunks that are used again: no list owns memory while it is empty.

use archipelago_core::footprint::vec_bytes;

use super::Entry;

/// The end of a list, and the empty list.
pub(super) const NONE: u32 = u32::MAX;
/// Events of a chunk.
const CHUNK_LEN: usize = 32;

/// All chunks of a queue; a list is the number of its first.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<Chunk<T>>,
    /// The first chunk of the free list.
    free: u32,
}

#[derive(Debug)]
struct Chunk<T> {
    entries: Vec<Entry<T>>,
    next: u32,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: NONE,
        }
    }
}

impl<T> Chunks<T> {
    /// Adds to a list; whether the list was empty.
    #[inline]
    pub(super) fn push(&mut self, list: &mut u32, entry: Entry<T>) -> bool {
        if let Some(chunk) = self.chunks.get_mut(*list as usize)
            && chunk.entries.len() < CHUNK_LEN
        {
            chunk.entries.push(entry);
            return false;
        }
        self.push_chunk(list, entry)
    }

    /// Moves a list's events to the end of `into`; its chunks are free.
    pub(super) fn drain(&mut self, list: u32, into: &mut Vec<Entry<T>>) {
        let mut at = list;
        while let Some(chunk) = self.chunks.get_mut(at as usize) {
            into.append(&mut chunk.entries);
            let next = std::mem::replace(&mut chunk.next, self.free);
            self.free = at;
            at = next;
        }
    }

    /// What the chunks hold on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let entries = self.chunks.iter().map(|chunk| vec_bytes(&chunk.entries));
        vec_bytes(&self.chunks) + entries.sum::<usize>()
    }

    fn push_chunk(&mut self, list: &mut u32, entry: Entry<T>) -> bool {
        let at = self.take_free();
        let was_empty = *list == NONE;
        let chunk = &mut self.chunks[at as usize];
        chunk.next = std::mem::replace(list, at);
        chunk.entries.push(entry);
        was_empty
    }

    fn take_free(&mut self) -> u32 {
        if let Some(chunk) = self.chunks.get(self.free as usize) {
            return std::mem::replace(&mut self.free, chunk.next);
        }
        self.chunks.push(Chunk {
            entries: Vec::with_capacity(CHUNK_LEN),
            next: NONE,
        });
        u32::try_from(self.chunks.len() - 1).expect("fewer than 2^32 chunks are in use")
    }

    /// Chunks ever made.
    #[cfg(test)]
    pub(super) fn made(&self) -> usize {
        self.chunks.len()
    }
}
