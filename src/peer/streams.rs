//! The data streams of one peer: frames out by one, frames in by the other.
//!
//! A writer takes the next burst only when the last one is written, so that what is sent next is
//! decided as late as possible. A reader keeps bytes only of a frame that is incomplete.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use archipelago_core::Time;
use archipelago_core::channel::{
    ChannelConfig, Encoded, Frame, FrameDecoder, FrameEncoder, FrameError,
};
use archipelago_core::wire::SessionId;
use bytes::BytesMut;
use futures::{AsyncRead, AsyncWrite};
use libp2p::Stream;

use crate::scratch::with_scratch;
use crate::session::READ_BYTES;

/// Capacity that an idle writer keeps.
const KEPT_BYTES: usize = 1024;

/// Our data stream on one session.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) session: SessionId,
    stream: Stream,
    encoder: FrameEncoder,
    bytes: Vec<u8>,
    written: usize,
    is_unflushed: bool,
    is_closing: bool,
    pub(crate) used_at: Time,
}

/// What became of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteState {
    /// All is written and flushed; there is room for a burst.
    Idle,
    /// The stream has no room.
    Blocked,
    /// The stream is closed, or lost.
    Ended,
}

impl Writer {
    pub(crate) const fn new(session: SessionId, stream: Stream, now: Time) -> Self {
        Self {
            session,
            stream,
            encoder: FrameEncoder::new(),
            bytes: Vec::new(),
            written: 0,
            is_unflushed: false,
            is_closing: false,
            used_at: now,
        }
    }

    /// Whether a burst may be put in.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes.is_empty() && !self.is_closing
    }

    pub(crate) const fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Takes the burst that `fill` writes; returns its length in bytes.
    pub(crate) fn put(&mut self, now: Time, fill: impl FnOnce(&mut Encoded<'_>)) -> usize {
        let (encoder, bytes) = (&mut self.encoder, &mut self.bytes);
        fill(&mut Encoded { encoder, bytes });
        if !self.bytes.is_empty() {
            self.used_at = now;
        }
        self.bytes.len()
    }

    /// Closes the stream once all is written.
    pub(crate) const fn close(&mut self) {
        self.is_closing = true;
    }

    /// Writes and flushes what there is: a burst is what the layers below take at once. Lets go of
    /// the buffer if `is_last`: no burst follows at once.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, is_last: bool) -> WriteState {
        match self.poll_write(cx) {
            Poll::Pending => return WriteState::Blocked,
            Poll::Ready(Err(())) => return WriteState::Ended,
            Poll::Ready(Ok(())) => {}
        }
        if self.is_closing {
            return match Pin::new(&mut self.stream).poll_close(cx) {
                Poll::Pending => WriteState::Blocked,
                Poll::Ready(_) => WriteState::Ended,
            };
        }
        if self.is_unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending => return WriteState::Idle,
                Poll::Ready(Err(_)) => return WriteState::Ended,
                Poll::Ready(Ok(())) => self.is_unflushed = false,
            }
        }
        if is_last && self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        WriteState::Idle
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while let Some(rest) = self.bytes.get(self.written..)
            && !rest.is_empty()
        {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest)) {
                Ok(count) if count > 0 => {
                    self.written += count;
                    self.is_unflushed = true;
                }
                _ => return Poll::Ready(Err(())),
            }
        }
        self.bytes.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

/// The peer's data stream on one session.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) session: SessionId,
    stream: Stream,
    decoder: FrameDecoder,
    partial: BytesMut,
    /// There may be whole frames in `partial`.
    has_more: bool,
}

/// What came out of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadState {
    /// So many bytes; their whole frames are in the batch.
    Read(usize),
    /// The peer closed it, or it is lost.
    Ended,
}

impl Reader {
    pub(crate) fn new(session: SessionId, stream: Stream, config: &ChannelConfig) -> Self {
        Self {
            session,
            stream,
            decoder: FrameDecoder::new(config.chunk_bytes_max),
            partial: BytesMut::new(),
            has_more: false,
        }
    }

    /// Reads once, or not yet where frames are left, and appends those that are complete, up to a
    /// number: hand them over before the next call.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Vec<Frame>,
    ) -> Poll<Result<ReadState, FrameError>> {
        let mut count = 0;
        if !self.has_more {
            count = ready!(self.poll_read(cx));
            if count == 0 {
                return Poll::Ready(Ok(ReadState::Ended));
            }
        }
        self.has_more = self.decoder.decode_mut(&mut self.partial, batch)?;
        if self.partial.is_empty() {
            self.partial = BytesMut::new();
        }
        Poll::Ready(Ok(ReadState::Read(count)))
    }

    /// How many bytes came; 0 is the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        with_scratch(READ_BYTES, |scratch| {
            let count = ready!(Pin::new(&mut self.stream).poll_read(cx, scratch)).unwrap_or(0);
            self.partial
                .extend_from_slice(scratch.get(..count).unwrap_or_default());
            Poll::Ready(count)
        })
    }
}
