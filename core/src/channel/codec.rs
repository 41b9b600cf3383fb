//! Frames as bytes: self-delimiting, compact, and bounded before anything is allocated.
//!
//! A stream of frames remembers the last data frame, so that the next of the same flow costs two
//! or three bytes besides its payload. A fresh [`FrameEncoder`] and [`FrameDecoder`] start each
//! stream, and each batch that travels alone (a relayed envelope). Payloads are slices of what was
//! read; nothing is copied. Arbitrary bytes give frames or [`FrameError`], never a panic.
//!
//! ```text
//! Data        [kind: unless cast] 0 | fresh<<3 | part<<4 | next<<6 | same<<7
//!             [epoch, seq: unless next] [from, to: unless same] [len: if first] payload len, payload
//!   kind      6 | 1<<3, id, microseconds left         a call
//!             6 | (2 + outcome)<<3, id                a reply
//!             6 | 31<<3, id                           the beginning of a stream
//! Ack         1, epoch, expected, credit       Resume      2, likewise
//! Reset       3, epoch                         Flow        4 | kind<<3, to
//! NoMailbox   5, from, to                      AckAsk      6
//! Epoch       7, epoch
//! ```
//! Numbers are LEB128 in their shortest form; mailboxes are eight bytes, little-endian.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use super::config::{FrameError, to_u64};
use super::frame::{Ack, Data, Frame, Part};
use super::kind::{CallId, Head, Outcome, StreamId};
use crate::LocalId;

/// Frames that one call decodes at most: the shortest take a hundred times their bytes in memory.
pub const BATCH_FRAMES_MAX: usize = 512;

/// Most bytes that a frame takes besides its payload.
pub const FRAME_HEADER_LEN_MAX: usize = CAST_HEADER_LEN_MAX + KIND_LEN_MAX;

/// The same for a data frame of a cast, and for all frames without data.
const CAST_HEADER_LEN_MAX: usize = 42;

/// Most bytes that say what a message is for: a tag and two numbers.
const KIND_LEN_MAX: usize = 21;

const TAG_DATA: u8 = 0;
const TAG_ACK: u8 = 1;
const TAG_RESUME: u8 = 2;
const TAG_RESET: u8 = 3;
const TAG_FLOW: u8 = 4;
const TAG_NO_MAILBOX: u8 = 5;
/// Alone a question; with bits above the tag, the kind of the data frame that follows.
const TAG_ACK_ASK: u8 = 6;
const TAG_EPOCH: u8 = 7;

const KIND_CALL: u8 = 1;
const KIND_REPLY: u8 = 2;
/// Far from the replies, which may become more.
const KIND_STREAM: u8 = 31;

/// The outcomes of a reply by their numbers on the wire.
const OUTCOMES: [Outcome; 5] = [
    Outcome::Done,
    Outcome::NoReply,
    Outcome::NoMailbox,
    Outcome::WrongType,
    Outcome::Refused,
];

const FRESH: u8 = 1 << 3;
const NEXT: u8 = 1 << 6;
const SAME: u8 = 1 << 7;

/// The last data frame of a stream, which the next one may refer to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Last {
    epoch: u32,
    seq: u64,
    from: LocalId,
    to: LocalId,
}

impl Last {
    const fn of(data: &Data) -> Self {
        Self {
            epoch: data.epoch,
            seq: data.seq,
            from: data.from,
            to: data.to,
        }
    }
}

/// Writes the frames of one stream.
#[derive(Clone, Debug, Default)]
pub struct FrameEncoder {
    last: Option<Last>,
}

impl FrameEncoder {
    /// For a stream of which nothing is written yet.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// Appends the whole frame.
    pub fn encode(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        self.encode_header(frame, out);
        if let Frame::Data(data) = frame {
            out.extend_from_slice(&data.payload);
        }
    }

    /// Appends the whole frame, whose payload lies beside it.
    pub(super) fn encode_beside(&mut self, frame: &Frame, payload: &[u8], out: &mut Vec<u8>) {
        self.encode_around(frame, payload.len(), out);
        out.extend_from_slice(payload);
    }

    /// Appends all but the payload, which the caller writes next: for vectored writes.
    pub fn encode_header(&mut self, frame: &Frame, out: &mut Vec<u8>) {
        let payload_len = match frame {
            Frame::Data(data) => data.payload.len(),
            _ => 0,
        };
        self.encode_around(frame, payload_len, out);
    }

    fn encode_around(&mut self, frame: &Frame, payload_len: usize, out: &mut Vec<u8>) {
        match frame {
            Frame::Data(data) => self.encode_data(data, payload_len, out),
            Frame::Ack(ack) => encode_ack(TAG_ACK, ack, out),
            Frame::Resume(ack) => encode_ack(TAG_RESUME, ack, out),
            Frame::Reset { epoch } => {
                out.push(TAG_RESET);
                put_varint(u64::from(*epoch), out);
            }
            Frame::Epoch { epoch } => {
                out.push(TAG_EPOCH);
                put_varint(u64::from(*epoch), out);
            }
            Frame::FlowPause { to } => encode_flow(0, *to, out),
            Frame::FlowResume { to } => encode_flow(1, *to, out),
            Frame::FlowAsk { to } => encode_flow(2, *to, out),
            Frame::AckAsk => out.push(TAG_ACK_ASK),
            Frame::NoMailbox { from, to } => {
                out.push(TAG_NO_MAILBOX);
                out.extend_from_slice(&from.0.to_le_bytes());
                out.extend_from_slice(&to.0.to_le_bytes());
            }
        }
    }

    fn encode_data(&mut self, data: &Data, payload_len: usize, out: &mut Vec<u8>) {
        encode_kind(data.head, out);
        let is_next = self.last.is_some_and(|last| {
            last.epoch == data.epoch && last.seq.checked_add(1) == Some(data.seq)
        });
        let is_same = self
            .last
            .is_some_and(|last| last.from == data.from && last.to == data.to);
        let fresh = if data.is_fresh { FRESH } else { 0 };
        let next = if is_next { NEXT } else { 0 };
        let same = if is_same { SAME } else { 0 };
        out.push(TAG_DATA | fresh | part_bits(data.part) << 4 | next | same);
        if !is_next {
            put_varint(u64::from(data.epoch), out);
            put_varint(data.seq, out);
        }
        if !is_same {
            out.extend_from_slice(&data.from.0.to_le_bytes());
            out.extend_from_slice(&data.to.0.to_le_bytes());
        }
        if let Part::First { len } = data.part {
            put_varint(u64::from(len), out);
        }
        put_varint(to_u64(payload_len), out);
        self.last = Some(Last::of(data));
    }
}

/// Reads the frames of one stream.
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    last: Option<Last>,
    payload_bytes_max: usize,
}

impl FrameDecoder {
    /// For a stream of which nothing is read yet; payloads are at most `payload_bytes_max` long
    /// ([`ChannelConfig::chunk_bytes_max`](super::ChannelConfig)).
    pub const fn new(payload_bytes_max: usize) -> Self {
        Self {
            last: None,
            payload_bytes_max,
        }
    }

    /// Moves complete frames of `input` to `batch`, [`BATCH_FRAMES_MAX`] at most; whether it stopped
    /// for that. If so, there may be more: use those up, and call again. Else less than one is left.
    ///
    /// # Errors
    /// [`FrameError`]: the stream is of no more use. Frames before the fault are in `batch`.
    pub fn decode(
        &mut self,
        input: &mut Bytes,
        batch: &mut Vec<Frame>,
    ) -> Result<bool, FrameError> {
        for _ in 0..BATCH_FRAMES_MAX {
            let Some((mut frame, header_len, payload_len)) = self.decode_header(input)? else {
                return Ok(false);
            };
            input.advance(header_len);
            if let Frame::Data(data) = &mut frame {
                data.payload = input.split_to(payload_len);
                self.last = Some(Last::of(data));
            }
            batch.push(frame);
        }
        Ok(true)
    }

    /// The same for a buffer that is read into; its unread capacity stays with it.
    ///
    /// # Errors
    /// [`FrameError`], likewise.
    pub fn decode_mut(
        &mut self,
        input: &mut BytesMut,
        batch: &mut Vec<Frame>,
    ) -> Result<bool, FrameError> {
        for _ in 0..BATCH_FRAMES_MAX {
            let Some((mut frame, header_len, payload_len)) = self.decode_header(input)? else {
                return Ok(false);
            };
            input.advance(header_len);
            if let Frame::Data(data) = &mut frame {
                data.payload = input.split_to(payload_len).freeze();
                self.last = Some(Last::of(data));
            }
            batch.push(frame);
        }
        Ok(true)
    }

    /// The first frame without its payload, if all of it is there.
    fn decode_header(&self, input: &[u8]) -> Result<Option<(Frame, usize, usize)>, FrameError> {
        let mut reader = Reader { rest: input };
        let parsed = match self.read_frame(&mut reader) {
            Ok(parsed) => parsed,
            Err(Short::Incomplete) => return Ok(None),
            Err(Short::Broken(error)) => return Err(error),
        };
        let (frame, payload_len) = parsed;
        if reader.rest.len() < payload_len {
            return Ok(None);
        }
        let header_len = input.len() - reader.rest.len();
        Ok(Some((frame, header_len, payload_len)))
    }

    fn read_frame(&self, reader: &mut Reader<'_>) -> Result<(Frame, usize), Short> {
        let mut first = reader.byte()?;
        let mut head = Head::Cast;
        if let Some(known) = reader.kind(first)? {
            head = known;
            first = reader.byte()?;
        }
        if first & 7 == TAG_DATA {
            return self.read_data(first, head, reader);
        }
        if head != Head::Cast {
            return Err(Short::Broken(FrameError::Malformed));
        }
        let frame = match (first & 7, first >> 3) {
            (TAG_ACK, 0) => Frame::Ack(reader.ack()?),
            (TAG_RESUME, 0) => Frame::Resume(reader.ack()?),
            (TAG_RESET, 0) => Frame::Reset {
                epoch: reader.u32()?,
            },
            (TAG_FLOW, 0) => Frame::FlowPause {
                to: reader.local()?,
            },
            (TAG_FLOW, 1) => Frame::FlowResume {
                to: reader.local()?,
            },
            (TAG_FLOW, 2) => Frame::FlowAsk {
                to: reader.local()?,
            },
            (TAG_NO_MAILBOX, 0) => Frame::NoMailbox {
                from: reader.local()?,
                to: reader.local()?,
            },
            (TAG_ACK_ASK, 0) => Frame::AckAsk,
            (TAG_EPOCH, 0) => Frame::Epoch {
                epoch: reader.u32()?,
            },
            _ => return Err(Short::Broken(FrameError::Malformed)),
        };
        Ok((frame, 0))
    }

    fn read_data(
        &self,
        first: u8,
        head: Head,
        reader: &mut Reader<'_>,
    ) -> Result<(Frame, usize), Short> {
        let (epoch, seq) = if first & NEXT == 0 {
            (reader.u32()?, reader.varint()?)
        } else {
            let last = self.last.ok_or(FrameError::Malformed)?;
            let seq = last.seq.checked_add(1).ok_or(FrameError::Malformed)?;
            (last.epoch, seq)
        };
        let (from, to) = if first & SAME == 0 {
            (reader.local()?, reader.local()?)
        } else {
            let last = self.last.ok_or(FrameError::Malformed)?;
            (last.from, last.to)
        };
        let part = match first >> 4 & 3 {
            0 => Part::Whole,
            1 => Part::First { len: reader.u32()? },
            2 => Part::Middle,
            _ => Part::Last,
        };
        let payload_len = usize::try_from(reader.varint()?).map_err(|_| FrameError::TooLong)?;
        if payload_len > self.payload_bytes_max {
            return Err(Short::Broken(FrameError::TooLong));
        }
        let data = Data {
            epoch,
            seq,
            is_fresh: first & FRESH != 0,
            from,
            to,
            part,
            head,
            payload: Bytes::new(),
        };
        Ok((Frame::Data(data), payload_len))
    }
}

impl Frame {
    /// Appends the frame so that it stands alone, referring to none before it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        FrameEncoder::new().encode(self, out);
    }

    /// Most bytes that [`FrameEncoder::encode`] appends for it.
    pub fn encoded_len_max(&self) -> usize {
        match self {
            Self::Data(data) => data_len_max(data.payload.len(), data.head),
            _ => CAST_HEADER_LEN_MAX,
        }
    }

    /// All frames of a batch that travels alone: of one whose sender is trusted with memory, since
    /// the shortest take a hundred times their bytes.
    ///
    /// # Errors
    /// [`FrameError`], also when bytes are left over. Frames before the fault are in `batch`.
    pub fn decode_batch(
        input: &mut Bytes,
        payload_bytes_max: usize,
        batch: &mut Vec<Self>,
    ) -> Result<(), FrameError> {
        let mut decoder = FrameDecoder::new(payload_bytes_max);
        while decoder.decode(input, batch)? {}
        if input.is_empty() {
            Ok(())
        } else {
            Err(FrameError::Malformed)
        }
    }
}

/// Most bytes that a data frame with so long a payload takes.
pub(super) const fn data_len_max(payload_len: usize, head: Head) -> usize {
    let header_len_max = match head {
        Head::Cast => CAST_HEADER_LEN_MAX,
        Head::Call { .. } | Head::Reply { .. } | Head::Stream { .. } => FRAME_HEADER_LEN_MAX,
    };
    payload_len.saturating_add(header_len_max)
}

const fn part_bits(part: Part) -> u8 {
    match part {
        Part::Whole => 0,
        Part::First { .. } => 1,
        Part::Middle => 2,
        Part::Last => 3,
    }
}

fn encode_kind(head: Head, out: &mut Vec<u8>) {
    match head {
        Head::Cast => {}
        Head::Call { id, life } => {
            out.push(TAG_ACK_ASK | KIND_CALL << 3);
            put_varint(id.0, out);
            put_varint(u64::try_from(life.as_micros()).unwrap_or(u64::MAX), out);
        }
        Head::Reply { id, outcome } => {
            let number = OUTCOMES.iter().position(|known| *known == outcome);
            let number = number.map_or(0, |number| number as u8);
            out.push(TAG_ACK_ASK | (KIND_REPLY + number) << 3);
            put_varint(id.0, out);
        }
        Head::Stream { id } => {
            out.push(TAG_ACK_ASK | KIND_STREAM << 3);
            put_varint(id.0, out);
        }
    }
}

fn encode_ack(tag: u8, ack: &Ack, out: &mut Vec<u8>) {
    out.push(tag);
    put_varint(u64::from(ack.epoch), out);
    put_varint(ack.expected, out);
    put_varint(ack.credit, out);
}

fn encode_flow(kind: u8, to: LocalId, out: &mut Vec<u8>) {
    out.push(TAG_FLOW | kind << 3);
    out.extend_from_slice(&to.0.to_le_bytes());
}

fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Why no frame could be read.
enum Short {
    Incomplete,
    Broken(FrameError),
}

impl From<FrameError> for Short {
    fn from(error: FrameError) -> Self {
        Self::Broken(error)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Short> {
        let (&byte, rest) = self.rest.split_first().ok_or(Short::Incomplete)?;
        self.rest = rest;
        Ok(byte)
    }

    fn local(&mut self) -> Result<LocalId, Short> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Short::Incomplete)?;
        self.rest = rest;
        Ok(LocalId(u64::from_le_bytes(*bytes)))
    }

    fn varint(&mut self) -> Result<u64, Short> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Short::Broken(FrameError::Malformed));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                // Only the shortest form: one number, one encoding.
                if byte == 0 && shift > 0 {
                    return Err(Short::Broken(FrameError::Malformed));
                }
                return Ok(number);
            }
        }
        Err(Short::Broken(FrameError::Malformed))
    }

    fn u32(&mut self) -> Result<u32, Short> {
        let number = self.varint()?;
        u32::try_from(number).map_err(|_| Short::Broken(FrameError::Malformed))
    }

    /// What `first` says that the message of the data frame behind it is for, if it does.
    fn kind(&mut self, first: u8) -> Result<Option<Head>, Short> {
        let number = first >> 3;
        if first & 7 != TAG_ACK_ASK || number == 0 {
            return Ok(None);
        }
        if number == KIND_CALL {
            let (id, life) = (CallId(self.varint()?), self.varint()?);
            let life = Duration::from_micros(life);
            return Ok(Some(Head::Call { id, life }));
        }
        if number == KIND_STREAM {
            let id = StreamId(self.varint()?);
            return Ok(Some(Head::Stream { id }));
        }
        let outcome = usize::from(number - KIND_REPLY);
        let outcome = *OUTCOMES.get(outcome).ok_or(FrameError::Malformed)?;
        let id = CallId(self.varint()?);
        Ok(Some(Head::Reply { id, outcome }))
    }

    fn ack(&mut self) -> Result<Ack, Short> {
        Ok(Ack {
            epoch: self.u32()?,
            expected: self.varint()?,
            credit: self.varint()?,
        })
    }
}
