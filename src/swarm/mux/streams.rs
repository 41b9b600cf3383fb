//! The streams of a connection at this end: what they received, and what they may send.
//!
//! Nothing is allocated for a length that only was announced, and what a stream may receive unread
//! is bounded by its window. Cost: O(log streams) per frame, and two copies of what is read.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::task::{Poll, Waker};

use bytes::{Buf, BytesMut};

use super::frame::{Head, Kind, STREAM_MAX};

/// What a stream may receive unread: twice what a pair channel leaves unacknowledged, so that it
/// is the channel that holds back.
pub(super) const WINDOW: usize = 512 * 1024;

/// Bytes of one frame.
const FRAME_BYTES: usize = 64 * 1024;

/// Capacity that an empty buffer keeps.
const KEPT_BYTES: usize = 4 * 1024;

/// This end of one stream.
#[derive(Debug)]
struct End {
    received: BytesMut,
    /// What the peer may send still.
    window: usize,
    /// What was read and is not granted anew yet.
    consumed: usize,
    /// What may be sent still.
    credit: usize,
    /// The peer sends no more.
    is_finished: bool,
    /// The peer takes no more.
    is_reset: bool,
    /// This end sends no more.
    is_closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// All streams.
#[derive(Debug)]
pub(super) struct Streams {
    ends: BTreeMap<u32, End>,
    len_max: usize,
    /// The next number of a stream of ours; the dialler's are odd.
    next: u32,
    /// Streams that the peer opened and nobody asked for yet.
    inbound: VecDeque<u32>,
    /// Frames to be written before anything else.
    said: BytesMut,
    is_over: bool,
    /// Who is to be woken when the lock is free.
    pub(super) woken: Vec<Waker>,
}

impl Streams {
    pub(super) fn new(is_dialler: bool, len_max: usize) -> Self {
        Self {
            ends: BTreeMap::new(),
            len_max,
            next: if is_dialler { 1 } else { 2 },
            inbound: VecDeque::new(),
            said: BytesMut::new(),
            is_over: false,
            woken: Vec::new(),
        }
    }

    /// Opens a stream; its number.
    pub(super) fn open(&mut self) -> io::Result<u32> {
        if self.is_over || self.ends.len() >= self.len_max || self.next > STREAM_MAX {
            return Err(io::Error::other("no more streams on this connection"));
        }
        let stream = self.next;
        self.next += 2;
        self.say(stream, Kind::Open);
        self.ends.insert(stream, End::new());
        Ok(stream)
    }

    /// A stream that the peer opened.
    pub(super) fn accept(&mut self) -> Option<u32> {
        self.inbound.pop_front()
    }

    /// Room to send some of `len` bytes on a stream, which are counted as sent; `own` is whose
    /// turn it is when there is none.
    pub(super) fn poll_credit(
        &mut self,
        stream: u32,
        len: usize,
        own: &Waker,
    ) -> Poll<io::Result<usize>> {
        let end = self.ends.get_mut(&stream);
        let Some(end) = end.filter(|end| !end.is_reset && !end.is_closed) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        if end.credit == 0 {
            end.writer = Some(own.clone());
            return Poll::Pending;
        }
        let count = len.min(end.credit).min(FRAME_BYTES);
        end.credit -= count;
        Poll::Ready(Ok(count))
    }

    /// Reads of a stream what was received. Whether there is something to say since.
    pub(super) fn poll_read(
        &mut self,
        stream: u32,
        wanted: &mut [u8],
        own: &Waker,
    ) -> Poll<(usize, bool)> {
        let Some(end) = self.ends.get_mut(&stream) else {
            return Poll::Ready((0, false));
        };
        if end.received.is_empty() {
            if end.is_finished {
                return Poll::Ready((0, false));
            }
            end.reader = Some(own.clone());
            return Poll::Pending;
        }
        let count = end.received.len().min(wanted.len());
        end.received
            .copy_to_slice(wanted.get_mut(..count).unwrap_or_default());
        if end.received.is_empty() && end.received.capacity() > KEPT_BYTES {
            end.received = BytesMut::new();
        }
        end.consumed += count;
        if end.consumed < WINDOW / 2 || end.is_finished {
            return Poll::Ready((count, false));
        }
        let granted = std::mem::take(&mut end.consumed);
        end.window += granted;
        self.say(stream, Kind::Credit(u32::try_from(granted).unwrap_or(0)));
        Poll::Ready((count, true))
    }

    /// Sends no more on a stream.
    pub(super) fn finish(&mut self, stream: u32) {
        if let Some(end) = self.ends.get_mut(&stream)
            && !std::mem::replace(&mut end.is_closed, true)
        {
            self.say(stream, Kind::Finish);
        }
    }

    /// Whoever had this end is gone. Whether there is something to say since.
    pub(super) fn forget(&mut self, stream: u32) -> bool {
        let end = self.ends.remove(&stream);
        let is_open = end.is_some_and(|end| !end.is_closed || !end.is_finished);
        let has_news = is_open && !self.is_over;
        if has_news {
            self.say(stream, Kind::Reset);
        }
        has_news
    }

    /// The connection is over: streams end with what they have received.
    pub(super) fn end(&mut self) {
        self.is_over = true;
        self.said = BytesMut::new();
        for end in self.ends.values_mut() {
            end.is_finished = true;
            end.is_reset = true;
            self.woken.extend(end.reader.take());
            self.woken.extend(end.writer.take());
        }
    }

    /// Moves what is to be written to `out`.
    pub(super) fn take_said(&mut self, out: &mut BytesMut) {
        if !self.said.is_empty() {
            out.extend_from_slice(&self.said);
            self.said.clear();
        }
    }

    fn say(&mut self, stream: u32, kind: Kind) {
        self.said.extend_from_slice(&Head { stream, kind }.encode());
    }

    /// Data of a stream arrived.
    pub(super) fn on_data(&mut self, stream: u32, data: &[u8]) -> io::Result<()> {
        // Of a stream that was forgotten here something may be under way still.
        let Some(end) = self.ends.get_mut(&stream) else {
            return Ok(());
        };
        let left = end.window.checked_sub(data.len());
        end.window = left.ok_or_else(|| broken("more than was granted"))?;
        end.received.extend_from_slice(data);
        self.woken.extend(end.reader.take());
        Ok(())
    }

    /// A frame without data arrived.
    pub(super) fn on_head(&mut self, Head { stream, kind }: Head) -> io::Result<()> {
        if kind == Kind::Open {
            return self.on_open(stream);
        }
        let Some(end) = self.ends.get_mut(&stream) else {
            return Ok(());
        };
        match kind {
            Kind::Credit(bytes) => {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                end.credit = end.credit.saturating_add(bytes);
                self.woken.extend(end.writer.take());
            }
            Kind::Reset => {
                end.is_finished = true;
                end.is_reset = true;
                self.woken.extend(end.writer.take());
                self.woken.extend(end.reader.take());
            }
            _ => {
                end.is_finished = true;
                self.woken.extend(end.reader.take());
            }
        }
        Ok(())
    }

    fn on_open(&mut self, stream: u32) -> io::Result<()> {
        let is_theirs = stream > 0 && stream % 2 != self.next % 2;
        if !is_theirs || self.ends.contains_key(&stream) {
            return Err(broken("a stream that is not the peer's to open"));
        }
        if self.ends.len() >= self.len_max {
            return Err(broken("too many streams"));
        }
        self.ends.insert(stream, End::new());
        self.inbound.push_back(stream);
        Ok(())
    }
}

impl End {
    fn new() -> Self {
        Self {
            received: BytesMut::new(),
            window: WINDOW,
            consumed: 0,
            credit: WINDOW,
            is_finished: false,
            is_reset: false,
            is_closed: false,
            reader: None,
            writer: None,
        }
    }
}

/// The peer breaks the protocol.
pub(super) fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
