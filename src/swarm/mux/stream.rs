//! One stream of a connection, at this end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

use super::Shared;

/// One end of a stream. Dropped, it is forgotten, and the peer told if it has more to say or hear.
#[derive(Debug)]
pub(in crate::swarm) struct Substream<C>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    shared: Arc<Shared<C>>,
    number: u32,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Substream<C> {
    pub(super) const fn new(shared: Arc<Shared<C>>, number: u32) -> Self {
        Self { shared, number }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncRead for Substream<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        wanted: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = self
            .shared
            .streams(|streams| streams.poll_read(self.number, wanted, cx.waker()));
        read.map(|(count, has_news)| {
            if has_news {
                self.shared.wake_task();
            }
            Ok(count)
        })
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Substream<C> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let shared = &self.shared;
        shared.wire(|wire, task| {
            ready!(wire.poll_room(cx.waker(), task))?;
            let granted = shared.streams(|streams| {
                wire.take_said(streams);
                streams.poll_credit(self.number, bytes.len(), cx.waker())
            });
            let count = ready!(granted)?;
            if count > 0 {
                wire.put_data(self.number, bytes.get(..count).unwrap_or_default(), task)?;
            }
            Poll::Ready(Ok(count))
        })
    }

    /// What the socket does not take now, the connection's task writes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shared = &self.shared;
        match shared.wire(|wire, task| shared.poll_outgoing(wire, task)) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.streams(|streams| streams.finish(self.number));
        self.poll_flush(cx)
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> Drop for Substream<C> {
    fn drop(&mut self) {
        if self.shared.streams(|streams| streams.forget(self.number)) {
            self.shared.wake_task();
        }
    }
}
