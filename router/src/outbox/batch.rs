//! What an outbox sends, and what it is answered.
//!
//! A batch is a run of records of one stream in order; the answer says up to which number the
//! receiver is done. Bounded: a count of at most 4,096, lengths checked against what is there;
//! payloads share the bytes of the message. Trailing bytes are errors.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::StreamId;

/// Records in one batch.
pub const BATCH_RECORDS_MAX: usize = 4_096;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 16 + 2;
const RECORD_HEAD_BYTES: usize = 8 + 4;

/// Records of one stream, their numbers rising.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Of which stream.
    pub stream: StreamId,
    /// Number and payload.
    pub records: Vec<(u64, Bytes)>,
}

/// What the receiver says to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number up to which it is done with the stream; 0: with none.
    pub done: u64,
}

/// A message is no batch, or no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a batch of an outbox, or none of this version")]
pub struct BatchError;

impl Batch {
    /// As bytes; beyond [`BATCH_RECORDS_MAX`] records are left out.
    pub fn encode(&self) -> Bytes {
        let records = self.records.iter().take(BATCH_RECORDS_MAX);
        let len: usize = records.clone().map(|(_, payload)| payload.len()).sum();
        let heads = self.records.len() * RECORD_HEAD_BYTES;
        let mut out = BytesMut::with_capacity(HEAD_BYTES + heads + len);
        out.put_u8(VERSION);
        out.put_slice(&self.stream.0);
        out.put_u16(u16::try_from(records.len()).unwrap_or(u16::MAX));
        for (seq, payload) in records {
            out.put_u64(*seq);
            out.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
            out.put_slice(payload);
        }
        out.freeze()
    }

    /// From bytes that a peer sent.
    ///
    /// # Errors
    /// [`BatchError`] for anything else than a batch with rising numbers above 0.
    pub fn decode(mut bytes: Bytes) -> Result<Self, BatchError> {
        if bytes.len() < HEAD_BYTES || bytes.get_u8() != VERSION {
            return Err(BatchError);
        }
        let mut stream = [0; 16];
        bytes.copy_to_slice(&mut stream);
        let count = usize::from(bytes.get_u16());
        if count > BATCH_RECORDS_MAX || bytes.len() < count * RECORD_HEAD_BYTES {
            return Err(BatchError);
        }
        let mut records = Vec::with_capacity(count);
        let mut last = 0;
        for _ in 0..count {
            let (seq, payload) = take_record(&mut bytes).ok_or(BatchError)?;
            if seq <= last {
                return Err(BatchError);
            }
            last = seq;
            records.push((seq, payload));
        }
        let stream = StreamId(stream);
        let batch = Self { stream, records };
        bytes.is_empty().then_some(batch).ok_or(BatchError)
    }
}

fn take_record(bytes: &mut Bytes) -> Option<(u64, Bytes)> {
    if bytes.len() < RECORD_HEAD_BYTES {
        return None;
    }
    let seq = bytes.get_u64();
    let len = usize::try_from(bytes.get_u32()).ok()?;
    (len <= bytes.len()).then(|| (seq, bytes.split_to(len)))
}

impl Answer {
    /// As bytes.
    pub fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(9);
        out.put_u8(VERSION);
        out.put_u64(self.done);
        out.freeze()
    }

    /// From bytes that a peer sent.
    ///
    /// # Errors
    /// [`BatchError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        let (&version, done) = bytes.split_first().ok_or(BatchError)?;
        let done = u64::from_be_bytes(done.try_into().map_err(|_| BatchError)?);
        (version == VERSION)
            .then_some(Self { done })
            .ok_or(BatchError)
    }
}
