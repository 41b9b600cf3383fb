//! Bytes in order, as few large blocks: what was written and not read.
//!
//! Long writes stay what they are and are shared; short ones are gathered. A reader's end gathers
//! all: a piece would keep everything that was read from the socket with it.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

/// Writes of at least so many bytes are kept as they are.
const LONG_BYTES: usize = 4 * 1024;

/// Bytes that are gathered in one block.
const BLOCK_BYTES: usize = 16 * 1024;

/// Bytes in order.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Bytes>,
    /// What comes after all blocks.
    tail: BytesMut,
    len: usize,
}

impl Blocks {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Adds what the caller has; long ones are shared.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() < LONG_BYTES {
            return self.push_copied(&bytes);
        }
        self.len += bytes.len();
        self.end_block();
        self.blocks.push_back(bytes);
    }

    /// Adds a copy.
    pub(super) fn push_copied(&mut self, mut bytes: &[u8]) {
        self.len += bytes.len();
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - self.tail.len();
            let (piece, rest) = bytes.split_at(room.min(bytes.len()));
            self.tail.extend_from_slice(piece);
            bytes = rest;
            if self.tail.len() == BLOCK_BYTES {
                self.end_block();
            }
        }
    }

    /// Takes some from the front, at most `len_max`; nothing only if there is nothing.
    pub(super) fn take(&mut self, len_max: usize) -> Bytes {
        if self.blocks.is_empty() {
            self.end_block();
        }
        let Some(front) = self.blocks.front_mut() else {
            return Bytes::new();
        };
        let taken = front.split_to(front.len().min(len_max));
        if !front.has_remaining() {
            self.blocks.pop_front();
        }
        self.len -= taken.len();
        taken
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn end_block(&mut self) {
        if !self.tail.is_empty() {
            self.blocks.push_back(self.tail.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_whatever_the_lengths() {
        let mut blocks = Blocks::default();
        let all: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let mut rest = &all[..];
        for len in [1, 5_000, 3, 20_000, 4_095, 40_000].into_iter().cycle() {
            let (piece, more) = rest.split_at(len.min(rest.len()));
            blocks.push(Bytes::copy_from_slice(piece));
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(blocks.len(), all.len());
        let mut taken = Vec::new();
        for len in [7, 16_384, 100_000].into_iter().cycle() {
            let piece = blocks.take(len);
            if piece.is_empty() {
                break;
            }
            assert!(piece.len() <= len);
            taken.extend_from_slice(&piece);
        }
        assert_eq!((taken, blocks.len()), (all, 0));
    }

    #[test]
    fn short_writes_are_gathered() {
        let mut blocks = Blocks::default();
        for _ in 0..BLOCK_BYTES + 1 {
            blocks.push(Bytes::from_static(b"x"));
        }
        assert_eq!(blocks.blocks.len(), 1);
        assert_eq!(blocks.take(usize::MAX).len(), BLOCK_BYTES);
        assert_eq!(blocks.take(usize::MAX).len(), 1);
        blocks.push_copied(b"y");
        blocks.clear();
        assert!(blocks.take(1).is_empty());
    }
}
