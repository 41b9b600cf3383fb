//! What leaves with one pull: frames up to a number of bytes, and one in any case.

use super::frame::Frame;

/// A batch that is being filled.
#[derive(Debug)]
pub(super) struct Burst<'a> {
    frames: &'a mut Vec<Frame>,
    bytes_max: usize,
    taken: usize,
}

impl<'a> Burst<'a> {
    pub(super) const fn new(frames: &'a mut Vec<Frame>, bytes_max: usize) -> Self {
        Self {
            frames,
            bytes_max,
            taken: 0,
        }
    }

    /// Encoded bytes so far, at most.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    /// Whether nothing at all may follow.
    pub(super) const fn is_full(&self) -> bool {
        self.taken > 0 && self.taken >= self.bytes_max
    }

    /// Whether a frame of at most `len` encoded bytes may follow.
    pub(super) const fn fits(&self, len: usize) -> bool {
        self.taken == 0 || self.taken.saturating_add(len) <= self.bytes_max
    }

    pub(super) fn push(&mut self, frame: Frame) {
        self.taken = self.taken.saturating_add(frame.encoded_len_max());
        self.frames.push(frame);
    }
}
