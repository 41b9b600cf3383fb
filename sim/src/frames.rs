//! Frames as the bytes that an envelope carries, and what they hold.

use archipelago_core::LocalId;
use archipelago_core::channel::{ChannelConfig, Frame, Part};
use bytes::Bytes;

use crate::trace;

/// The encoded batch.
pub(crate) fn encode(frames: &[Frame]) -> Bytes {
    let mut bytes = Vec::new();
    for frame in frames {
        frame.encode(&mut bytes);
    }
    bytes.into()
}

/// The frames of an encoded batch; those before a fault, where it has one.
pub(crate) fn decode(bytes: &Bytes, config: &ChannelConfig) -> Vec<Frame> {
    let mut batch = Vec::new();
    // An envelope's bytes were sealed by the peer: what it got wrong is its own loss.
    let chunk_bytes_max = config.chunk_bytes_max;
    let _malformed = Frame::decode_batch(&mut bytes.clone(), chunk_bytes_max, &mut batch);
    batch
}

/// How many messages end in a batch; letters, which are no demand for a session, not counted.
pub(crate) fn messages(frames: &[Frame]) -> u32 {
    let is_end = |frame: &&Frame| match frame {
        Frame::Data(data) => {
            data.to != LocalId::NODE && matches!(data.part, Part::Whole | Part::Last)
        }
        _ => false,
    };
    u32::try_from(frames.iter().filter(is_end).count()).unwrap_or(u32::MAX)
}

/// How many bytes of letters are in a batch.
pub(crate) fn letter_bytes(frames: &[Frame]) -> usize {
    let letter = |frame: &Frame| match frame {
        Frame::Data(data) if data.to == LocalId::NODE => Some(data.payload.len()),
        _ => None,
    };
    frames.iter().filter_map(letter).sum()
}

/// The digest of a batch.
pub(crate) fn digest(frames: &[Frame]) -> u64 {
    trace::digest_bytes(&encode(frames))
}
