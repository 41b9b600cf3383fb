//! Cuts a stream of bytes into messages.

use super::{CONTROL_BYTES_MAX, Control, DecodeError, FRAME_HEADER_LEN, decode};

/// Reads frames out of what arrives in pieces of any size.
///
/// Whole frames are decoded where they lie; only a frame that is still incomplete is kept, so that
/// an idle session holds no buffer. It holds what has arrived, never what was announced: at most
/// one frame.
#[derive(Debug, Default)]
pub struct FrameReader {
    partial: Vec<u8>,
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub const fn new() -> Self {
        Self {
            partial: Vec::new(),
        }
    }

    /// The next message in `input`, which is advanced past it; `None` when all of `input` was
    /// taken and more is needed.
    ///
    /// # Errors
    /// [`DecodeError`]: the stream cannot be read on; close its session.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Control>, DecodeError> {
        if self.partial.is_empty() {
            if let Some(body) = split_frame(input)? {
                return decode(body).map(Some);
            }
            self.partial.extend_from_slice(input);
            *input = &[];
            return Ok(None);
        }
        self.complete(input)
    }

    /// How many bytes of an incomplete frame are held.
    pub fn buffered_len(&self) -> usize {
        self.partial.len()
    }

    /// Takes from `input` what the partial frame lacks, and no more.
    fn complete(&mut self, input: &mut &[u8]) -> Result<Option<Control>, DecodeError> {
        self.take_up_to(FRAME_HEADER_LEN, input);
        let Some((header, _)) = self.partial.split_first_chunk::<FRAME_HEADER_LEN>() else {
            return Ok(None);
        };
        let frame_len = FRAME_HEADER_LEN + body_len(*header)?;
        self.take_up_to(frame_len, input);
        if self.partial.len() < frame_len {
            return Ok(None);
        }
        let frame = std::mem::take(&mut self.partial);
        let (_, body) = frame.split_at(FRAME_HEADER_LEN);
        decode(body).map(Some)
    }

    fn take_up_to(&mut self, len: usize, input: &mut &[u8]) {
        let missing = len.saturating_sub(self.partial.len()).min(input.len());
        let (taken, rest) = input.split_at(missing);
        self.partial.extend_from_slice(taken);
        *input = rest;
    }
}

/// The body of the frame at the start of `input`, which is advanced past it; `None`, and nothing
/// taken, when it is incomplete.
fn split_frame<'a>(input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, DecodeError> {
    let Some((header, rest)) = input.split_first_chunk::<FRAME_HEADER_LEN>() else {
        return Ok(None);
    };
    let Some((body, rest)) = rest.split_at_checked(body_len(*header)?) else {
        return Ok(None);
    };
    *input = rest;
    Ok(Some(body))
}

fn body_len(header: [u8; FRAME_HEADER_LEN]) -> Result<usize, DecodeError> {
    let len = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
    if len > CONTROL_BYTES_MAX {
        return Err(DecodeError::TooLong {
            len,
            max: CONTROL_BYTES_MAX,
        });
    }
    if len == 0 {
        return Err(DecodeError::Truncated);
    }
    Ok(len)
}
