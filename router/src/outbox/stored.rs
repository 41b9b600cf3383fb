//! How records, heads of streams and marks lie in a store, and how they are read back.
//!
//! Each value begins with a CRC-32 over its key and the rest of it: a flipped bit, a torn end and a
//! value under a wrong key are all found. A record says whom it is for, so that a head that was
//! lost loses nothing but the memory of an empty stream.

use archipelago_core::{GroupId, Time};
use bytes::{BufMut, Bytes, BytesMut};

use super::{Change, Destination, Entry, Mark, RecordId, Store, StoreError, StreamId};

/// The tables of a store, by the first byte of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Table {
    /// Streams: key group, name; value id and next number.
    Heads = b'h',
    /// Marks of a receiver: key stream; value number.
    Marks = b'm',
    /// Records: key stream, number (both in order of bytes).
    Records = b'r',
    /// What was found corrupt, as it was found, under its old key.
    SetAside = b'x',
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which.
    pub id: RecordId,
    /// For whom.
    pub to: Destination,
    /// When it was accepted, by its outbox's time.
    pub at: Time,
    /// What it says.
    pub payload: Bytes,
}

/// What one entry of the records turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole record.
    Record(Record),
    /// Its checksum is wrong. The id is the key's, where that has the right length.
    Corrupt(Option<RecordId>, Entry),
}

/// All that a store held for an outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Heads: for whom, the stream's id, its next number.
    pub heads: Vec<(Destination, StreamId, u64)>,
    /// Records without their payloads' bytes: id, for whom, accepted when, payload bytes.
    pub records: Vec<(RecordId, Destination, Time, usize)>,
    /// Entries that are corrupt; [`set_aside`] moves them out of the way.
    pub corrupt: Vec<(Option<RecordId>, Entry)>,
}

const SUM_BYTES: usize = 4;
const VERSION: u8 = 1;

/// The change that keeps a record.
pub fn record(record: &Record) -> Change {
    let key = record_key(record.id);
    let mut rest = BytesMut::with_capacity(record.payload.len() + 320);
    rest.put_u8(VERSION);
    rest.put_u64(record.at.as_micros());
    put_destination(&record.to, &mut rest);
    rest.put_slice(&record.payload);
    let value = sealed(&key, &rest);
    Change::Put(key, value)
}

/// The change that keeps a stream's id and next number.
pub fn head(to: &Destination, stream: StreamId, next: u64) -> Change {
    let key = head_key(to);
    let mut rest = BytesMut::with_capacity(24);
    rest.put_slice(&stream.0);
    rest.put_u64(next);
    let value = sealed(&key, &rest);
    Change::Put(key, value)
}

/// The change that forgets a stream's head.
pub fn forget_head(to: &Destination) -> Change {
    Change::Delete(head_key(to))
}

fn head_key(to: &Destination) -> Bytes {
    let mut key = BytesMut::with_capacity(1 + 16 + 1 + to.name.len());
    key.put_u8(Table::Heads as u8);
    put_destination(to, &mut key);
    key.freeze()
}

/// The change that keeps a receiver's mark.
pub fn mark(mark: Mark) -> Change {
    let key = mark_key(mark.stream);
    let value = sealed(&key, &mark.done.to_be_bytes());
    Change::Put(key, value)
}

/// The change that forgets a receiver's mark.
pub fn forget_mark(stream: StreamId) -> Change {
    Change::Delete(mark_key(stream))
}

fn mark_key(stream: StreamId) -> Bytes {
    let mut key = BytesMut::with_capacity(17);
    key.put_u8(Table::Marks as u8);
    key.put_slice(&stream.0);
    key.freeze()
}

/// The changes that move a corrupt entry out of the way.
pub fn set_aside((key, value): &Entry) -> [Change; 2] {
    let mut aside = BytesMut::with_capacity(1 + key.len());
    aside.put_u8(Table::SetAside as u8);
    aside.put_slice(key);
    let aside = Change::Put(aside.freeze(), value.clone());
    [aside, Change::Delete(key.clone())]
}

/// The key of a record.
pub(super) fn record_key(id: RecordId) -> Bytes {
    let mut key = BytesMut::with_capacity(25);
    key.put_u8(Table::Records as u8);
    key.put_slice(&id.stream.0);
    key.put_u64(id.seq);
    key.freeze()
}

impl RecordId {
    /// The change that forgets the record.
    pub fn forget(self) -> Change {
        Change::Delete(record_key(self))
    }

    /// Reads the record, if the store still has it.
    ///
    /// # Errors
    /// [`StoreError`], from the store.
    pub fn read(self, store: &mut dyn Store) -> Result<Option<Found>, StoreError> {
        let key = record_key(self);
        let value = store.read(&key)?;
        Ok(value.map(|value| found((key, value))))
    }
}

/// Reads all that an outbox has in `store`.
///
/// # Errors
/// [`StoreError`], from the store.
pub fn load(store: &mut dyn Store) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    for entry in store.scan(&[Table::Heads as u8])? {
        match parse_head(&entry) {
            Some(head) => loaded.heads.push(head),
            None => loaded.corrupt.push((None, entry)),
        }
    }
    for entry in store.scan(&[Table::Records as u8])? {
        match found(entry) {
            Found::Record(Record {
                id,
                to,
                at,
                payload,
            }) => loaded.records.push((id, to, at, payload.len())),
            Found::Corrupt(id, entry) => loaded.corrupt.push((id, entry)),
        }
    }
    Ok(loaded)
}

/// Reads the marks that a receiver has in `store`, and what is corrupt among them.
///
/// # Errors
/// [`StoreError`], from the store.
pub fn load_marks(store: &mut dyn Store) -> Result<(Vec<Mark>, Vec<Entry>), StoreError> {
    let (mut marks, mut corrupt) = (Vec::new(), Vec::new());
    for entry in store.scan(&[Table::Marks as u8])? {
        match parse_mark(&entry) {
            Some(mark) => marks.push(mark),
            None => corrupt.push(entry),
        }
    }
    Ok((marks, corrupt))
}

fn found(entry: Entry) -> Found {
    let id = parse_record_key(&entry.0);
    let record = id.and_then(|id| {
        let rest = opened(&entry)?;
        let (&version, rest) = rest.split_first()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (to, payload) = take_destination(rest)?;
        (version == VERSION).then(|| Record {
            id,
            to,
            at: Time::from_micros(u64::from_be_bytes(*at)),
            payload: entry.1.slice_ref(payload),
        })
    });
    match record {
        Some(record) => Found::Record(record),
        None => Found::Corrupt(id, entry),
    }
}

fn parse_record_key(key: &[u8]) -> Option<RecordId> {
    let (stream, seq) = key.get(1..)?.split_first_chunk()?;
    let seq = u64::from_be_bytes(seq.try_into().ok()?);
    let stream = StreamId(*stream);
    Some(RecordId { stream, seq })
}

fn parse_head(entry: &Entry) -> Option<(Destination, StreamId, u64)> {
    let (to, end) = take_destination(entry.0.get(1..)?)?;
    let (stream, next) = opened(entry)?.split_first_chunk()?;
    let next = u64::from_be_bytes(next.try_into().ok()?);
    end.is_empty().then_some((to, StreamId(*stream), next))
}

fn parse_mark(entry: &Entry) -> Option<Mark> {
    let stream = StreamId(entry.0.get(1..)?.try_into().ok()?);
    let done = u64::from_be_bytes(opened(entry)?.try_into().ok()?);
    Some(Mark { stream, done })
}

fn put_destination(to: &Destination, out: &mut BytesMut) {
    out.put_slice(&to.group.0);
    out.put_u8(u8::try_from(to.name.len()).unwrap_or(u8::MAX));
    out.put_slice(to.name.get(..255).unwrap_or(&to.name));
}

fn take_destination(bytes: &[u8]) -> Option<(Destination, &[u8])> {
    let (group, rest) = bytes.split_first_chunk()?;
    let (&len, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(len))?;
    let to = Destination {
        group: GroupId(*group),
        name: Bytes::copy_from_slice(name),
    };
    Some((to, rest))
}

fn sealed(key: &[u8], rest: &[u8]) -> Bytes {
    let mut value = BytesMut::with_capacity(SUM_BYTES + rest.len());
    value.put_u32(checksum(key, rest));
    value.put_slice(rest);
    value.freeze()
}

fn opened((key, value): &Entry) -> Option<&[u8]> {
    let (sum, rest) = value.split_first_chunk()?;
    (u32::from_be_bytes(*sum) == checksum(key, rest)).then_some(rest)
}

fn checksum(key: &[u8], rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(rest);
    hasher.finalize()
}
