//! A socket that is read in large pieces, whatever little is asked for.
//!
//! libp2p's Noise asks for 8 KiB at a time, each of which would be a system call. What was read and not
//! asked for yet is kept; an idle connection keeps no buffer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

use crate::scratch::with_scratch;

/// Bytes read from the socket at once.
const READ_BYTES: usize = 128 * 1024;

/// A socket and what was read of it.
#[derive(Debug)]
pub(super) struct Buffered<S> {
    socket: S,
    read: Vec<u8>,
    /// So much of `read` was handed on.
    taken: usize,
}

impl<S> Buffered<S> {
    pub(super) const fn new(socket: S) -> Self {
        Self {
            socket,
            read: Vec::new(),
            taken: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Buffered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        wanted: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let rest = this.read.get(this.taken..).unwrap_or_default();
        if !rest.is_empty() {
            let count = hand_on(rest, wanted);
            this.taken += count;
            if this.taken == this.read.len() {
                (this.read, this.taken) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(count));
        }
        if wanted.len() >= READ_BYTES {
            return Pin::new(&mut this.socket).poll_read(cx, wanted);
        }
        with_scratch(READ_BYTES, |scratch| {
            let count = ready!(Pin::new(&mut this.socket).poll_read(cx, scratch))?;
            let read = scratch.get(..count).unwrap_or_default();
            let taken = hand_on(read, wanted);
            this.read
                .extend_from_slice(read.get(taken..).unwrap_or_default());
            Poll::Ready(Ok(taken))
        })
    }
}

/// Copies what fits; how much.
fn hand_on(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..count), to.get_mut(..count)) {
        to.copy_from_slice(from);
    }
    count
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Buffered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::AsyncReadExt;
    use futures::executor::block_on;

    use super::*;

    /// Gives all that fits at each read, and counts the reads.
    struct Socket {
        bytes: Vec<u8>,
        reads: usize,
    }

    impl AsyncRead for Socket {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            wanted: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.reads += 1;
            let count = hand_on(&self.bytes, wanted);
            self.bytes.drain(..count);
            Poll::Ready(Ok(count))
        }
    }

    #[test]
    fn small_reads_are_served_from_large_ones_and_nothing_is_kept_at_the_end() {
        let sent: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let bytes = sent.clone();
        let mut buffered = Buffered::new(Socket { bytes, reads: 0 });
        let mut received = Vec::new();
        loop {
            let mut piece = [0; 1_000];
            let count = block_on(buffered.read(&mut piece)).unwrap();
            if count == 0 {
                break;
            }
            received.extend_from_slice(&piece[..count]);
        }
        assert_eq!(received, sent);
        assert_eq!(buffered.read.capacity(), 0);
        // 200,000 bytes in pieces of 128 KiB, and the end.
        assert_eq!(buffered.socket.reads, 3);
    }
}
