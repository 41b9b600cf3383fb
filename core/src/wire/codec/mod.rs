//! The bytes of the control stream.
//!
//! A frame is its length (u32, little endian) and one [`Control`] in postcard: numbers as varints,
//! lists preceded by their length, enums by their variant's index. Promises, whatever the bytes:
//! an error or a message, never a panic; time linear in the frame; heap of at most eight times
//! the frame (small frames: 32 KiB), none of it for what was only claimed. Nothing can nest
//! without end, since no wire type contains itself: what an [`Envelope`](super::Envelope) carries
//! is bytes until its target opens them. The bytes of every message are held by golden tests.
//!
//! Versions: each session speaks the highest version that both ends do, which their `Hello`s say;
//! so a kind or a field that is not known is an error, and only a `Hello` may be longer than known.
//!
//! Source: the postcard wire format 1.0; the limits are in the types.

mod error;
mod frame;

pub use error::{DecodeError, EncodeError};
pub use frame::FrameReader;

use postcard::ser_flavors::Flavor;

use super::{CONTROL_BYTES_MAX, Control};

/// Bytes of the length before each frame.
pub const FRAME_HEADER_LEN: usize = 4;

/// Appends the bytes of `message`, without a frame's length: for what travels inside an envelope.
///
/// # Errors
/// [`EncodeError`]; `out` is then as it was.
pub fn encode(message: &Control, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    let appender = Appender {
        len_max: start.saturating_add(CONTROL_BYTES_MAX),
        out,
    };
    match postcard::serialize_with_flavor(message, appender) {
        Ok(()) => Ok(()),
        Err(error) => {
            out.truncate(start);
            Err(error.into())
        }
    }
}

/// Appends the frame of `message`: its length, then its bytes.
///
/// # Errors
/// [`EncodeError`]; `out` is then as it was.
pub fn encode_frame(message: &Control, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_LEN]);
    if let Err(error) = encode(message, out) {
        out.truncate(start);
        return Err(error);
    }
    let body_len = out.len() - start - FRAME_HEADER_LEN;
    let header = u32::try_from(body_len).expect("a frame is far shorter than 4 GiB");
    if let Some(room) = out.get_mut(start..start + FRAME_HEADER_LEN) {
        room.copy_from_slice(&header.to_le_bytes());
    }
    Ok(())
}

/// The message of which `bytes` are all the bytes.
///
/// # Errors
/// [`DecodeError`]: the peer breaks the protocol, or speaks a version that was not agreed on.
pub fn decode(bytes: &[u8]) -> Result<Control, DecodeError> {
    if bytes.len() > CONTROL_BYTES_MAX {
        return Err(DecodeError::TooLong {
            len: bytes.len(),
            max: CONTROL_BYTES_MAX,
        });
    }
    let (message, rest) = postcard::take_from_bytes(bytes)?;
    // A `Hello` comes before a version is agreed on: a later one may say more than is known here.
    if rest.is_empty() || matches!(message, Control::Hello(_)) {
        Ok(message)
    } else {
        Err(DecodeError::Trailing { len: rest.len() })
    }
}

/// Appends to a buffer up to a limit.
struct Appender<'a> {
    out: &'a mut Vec<u8>,
    len_max: usize,
}

impl Flavor for Appender<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if self.out.len().saturating_add(bytes.len()) > self.len_max {
            return Err(postcard::Error::SerializeBufferFull);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
