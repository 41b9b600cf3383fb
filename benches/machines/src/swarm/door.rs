//! Two ends of a connection over a pipe in memory, polled by hand, with one stream between them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use futures::{AsyncRead, AsyncWrite, FutureExt};
use libp2p::core::muxing::StreamMuxer;
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};

use super::mux::{Mux, Muxer};

type Substream = <Muxer<Socket> as StreamMuxer>::Substream;

/// One direction of a pipe.
type Lane = Arc<Mutex<BytesMut>>;

/// One end of a pipe.
#[derive(Debug)]
struct Socket {
    read: Lane,
    write: Lane,
}

fn lock(lane: &Lane) -> MutexGuard<'_, BytesMut> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        wanted: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut lane = lock(&self.read);
        let count = lane.len().min(wanted.len());
        if count == 0 {
            return Poll::Pending;
        }
        lane.copy_to_slice(&mut wanted[..count]);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.write).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Both ends, and the stream that was opened.
pub(crate) struct Pair {
    near: Muxer<Socket>,
    far: Muxer<Socket>,
    writer: Substream,
    reader: Substream,
    scratch: Vec<u8>,
}

impl Pair {
    /// `None` where the ends do not meet, which would be the multiplexer's fault.
    pub(crate) fn new() -> Option<Self> {
        let cx = &mut Context::from_waker(Waker::noop());
        let (one, other) = (Lane::default(), Lane::default());
        let (near, far) = (
            Socket {
                read: one.clone(),
                write: other.clone(),
            },
            Socket {
                read: other,
                write: one,
            },
        );
        let mux = Mux::new(8);
        let info = mux.protocol_info().next()?;
        let mut near = mux.upgrade_outbound(near, info).now_or_never()?.ok()?;
        let mut far = mux.upgrade_inbound(far, info).now_or_never()?.ok()?;
        let Poll::Ready(Ok(mut writer)) = Pin::new(&mut near).poll_outbound(cx) else {
            return None;
        };
        let _ = Pin::new(&mut writer).poll_write(cx, &[0]);
        let _ = Pin::new(&mut far).poll(cx);
        let Poll::Ready(Ok(reader)) = Pin::new(&mut far).poll_inbound(cx) else {
            return None;
        };
        let scratch = vec![0; 64 * 1024];
        Some(Self {
            near,
            far,
            writer,
            reader,
            scratch,
        })
    }

    /// Writes `bytes`, flushes, and reads them at the other end; how many came.
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> usize {
        let cx = &mut Context::from_waker(Waker::noop());
        let (mut sent, mut read) = (0, 0);
        while sent < bytes.len() {
            match Pin::new(&mut self.writer).poll_write(cx, &bytes[sent..]) {
                Poll::Ready(Ok(count)) => sent += count,
                _ => read += self.arrive(),
            }
        }
        let _ = Pin::new(&mut self.writer).poll_flush(cx);
        read + self.arrive()
    }

    /// Both tasks have their turn, and all that came is read.
    fn arrive(&mut self) -> usize {
        let cx = &mut Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.far).poll(cx);
        let mut read = 0;
        while let Poll::Ready(Ok(count @ 1..)) =
            Pin::new(&mut self.reader).poll_read(cx, &mut self.scratch)
        {
            read += count;
        }
        // What was granted since goes back.
        let _ = Pin::new(&mut self.far).poll(cx);
        let _ = Pin::new(&mut self.near).poll(cx);
        read
    }
}
