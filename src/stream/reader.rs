//! The reading end of a stream, as users have it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use archipelago_core::streams::Stop;
use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use super::error::StreamError;
use super::pipe::Pipe;

/// Reads a stream of bytes; comes with the message that opened it
/// ([`Received::stream`](crate::Received::stream)).
///
/// At most `stream_window_bytes` ([`Limits`](crate::Limits)) wait here unread; the writer waits
/// beyond them, and nobody else does. It may go to another task or thread, and outlive the
/// mailbox. Dropped before the end, the writer hears so.
///
/// Also a [`tokio::io::AsyncRead`]; bytes are copied once more by it.
#[derive(Debug)]
pub struct StreamReader {
    pipe: Arc<Pipe>,
}

impl StreamReader {
    pub(crate) const fn new(pipe: Arc<Pipe>) -> Self {
        Self { pipe }
    }

    /// The next bytes, some 16 KiB at most from another node; `None` when all were read: as many
    /// as the writer says it wrote, or it is an error.
    ///
    /// Cancel safe: nothing is taken unless it is returned.
    ///
    /// # Errors
    /// [`StreamError`]: the stream is not whole, and never will be.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StreamError> {
        let bytes = poll_fn(|cx| self.pipe.poll_read(usize::MAX, cx)).await?;
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// Nobody takes it.
    pub(crate) fn refuse(self, why: Stop) {
        self.pipe.stop(why);
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.pipe.stop(Stop::Dropped);
    }
}

impl AsyncRead for StreamReader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0 {
            let bytes = ready!(self.pipe.poll_read(buffer.remaining(), cx))?;
            buffer.put_slice(&bytes);
        }
        Poll::Ready(Ok(()))
    }
}
