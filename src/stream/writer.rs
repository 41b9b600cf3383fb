//! The writing end of a stream, as users have it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use archipelago_core::streams::Abort;
use archipelago_core::wire::ExitText;
use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::error::StreamError;
use super::pipe::Pipe;

/// Writes a stream of bytes to a mailbox; made by [`Sender::send_stream`](crate::Sender::send_stream).
///
/// What is written leaves as fast as the reader takes it. At most `stream_buffer_bytes` and one
/// write ([`Limits`](crate::Limits)) wait here, and at most `stream_window_bytes` unread at the
/// other end. Dropped before [`StreamWriter::finish`], it is aborted.
///
/// Also a [`tokio::io::AsyncWrite`]: `shutdown` finishes it and waits as
/// [`StreamWriter::finish`] does; `flush` does nothing, since nothing is held back.
#[derive(Debug)]
pub struct StreamWriter {
    pipe: Arc<Pipe>,
}

impl StreamWriter {
    pub(crate) const fn new(pipe: Arc<Pipe>) -> Self {
        Self { pipe }
    }

    /// Writes bytes, waiting while there is no room. One that finds room is taken whole, and
    /// shared, not copied, if it is long: give it in pieces of some 16 to 64 KiB.
    ///
    /// Cancel safe: dropped before it returns, nothing of it was written.
    ///
    /// # Errors
    /// [`StreamError`]: the stream is over, and nothing of this was written.
    pub async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), StreamError> {
        let bytes = bytes.into();
        poll_fn(|cx| self.pipe.poll_room(cx)).await?;
        self.pipe.push(bytes);
        Ok(())
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.pipe.written()
    }

    /// Says that this is all, and waits until the reader has read it; returns its length in bytes,
    /// which the reader's node has checked.
    ///
    /// Dropped before it returns, the stream is finished all the same, and only the word of it is
    /// lost.
    ///
    /// # Errors
    /// [`StreamError`]: the reader did not read all of it.
    pub async fn finish(self) -> Result<u64, StreamError> {
        self.pipe.finish();
        poll_fn(|cx| self.pipe.poll_taken(cx)).await?;
        Ok(self.written())
    }

    /// Gives up: the reader gets [`StreamError::Aborted`] with the reason, in place of what it has
    /// not read. Of the reason at most 256 bytes are kept, without control characters.
    pub fn abort(self, reason: &str) {
        self.pipe.abort(Abort::Said(ExitText::new(reason)));
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.pipe.abort(Abort::Dropped);
    }
}

impl AsyncWrite for StreamWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = ready!(self.pipe.poll_room(cx))?;
        let count = room.min(bytes.len());
        self.pipe
            .push_copied(bytes.get(..count).unwrap_or_default());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.finish();
        self.pipe.poll_taken(cx).map_err(io::Error::from)
    }
}
