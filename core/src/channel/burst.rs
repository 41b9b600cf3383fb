//! What leaves with one pull: frames up to a number of bytes, and one in any case.
//!
//! Frames go to whoever wants them: as values, which share their payloads with the window, or as
//! bytes at once, for which nothing is shared, kept or made.

use bytes::Bytes;

use super::codec::FrameEncoder;
use super::frame::Frame;

/// Takes the frames of a pull, in order.
pub trait FrameSink {
    /// Takes one. The payload of a data frame is lent beside it, and its own is empty.
    fn put(&mut self, frame: Frame, payload: &Bytes);
}

impl FrameSink for Vec<Frame> {
    fn put(&mut self, mut frame: Frame, payload: &Bytes) {
        if let Frame::Data(data) = &mut frame {
            data.payload = payload.clone();
        }
        self.push(frame);
    }
}

/// Writes frames as they are pulled, as the next ones of a stream.
#[derive(Debug)]
pub struct Encoded<'a> {
    /// Of the stream.
    pub encoder: &'a mut FrameEncoder,
    /// Where the bytes are appended.
    pub bytes: &'a mut Vec<u8>,
}

impl FrameSink for Encoded<'_> {
    fn put(&mut self, frame: Frame, payload: &Bytes) {
        self.encoder.encode_beside(&frame, payload, self.bytes);
    }
}

/// A batch that is being filled.
#[derive(Debug)]
pub(super) struct Burst<'a, S> {
    sink: &'a mut S,
    bytes_max: usize,
    taken: usize,
}

impl<'a, S: FrameSink> Burst<'a, S> {
    pub(super) const fn new(sink: &'a mut S, bytes_max: usize) -> Self {
        Self {
            sink,
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

    /// A frame without data.
    pub(super) fn push(&mut self, frame: Frame) {
        self.push_data(frame, &Bytes::new());
    }

    /// A data frame, whose payload lies beside it.
    pub(super) fn push_data(&mut self, frame: Frame, payload: &Bytes) {
        let len = frame.encoded_len_max().saturating_add(payload.len());
        self.taken = self.taken.saturating_add(len);
        self.sink.put(frame, payload);
    }
}
