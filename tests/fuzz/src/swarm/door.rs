//! One end of a connection over a socket in memory, and its streams, for whoever is outside.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite, FutureExt};
use libp2p::core::muxing::StreamMuxer;
use libp2p::core::upgrade::{InboundConnectionUpgrade, UpgradeInfo};

use super::mux::{Mux, Muxer};

type Substream = <Muxer<Socket> as StreamMuxer>::Substream;

/// Streams of the connection at most.
pub(crate) const STREAMS_MAX: usize = 8;

/// What lies between this end and the peer.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    /// What the peer wrote and this end has not read.
    pub(crate) incoming: VecDeque<u8>,
    /// What this end wrote.
    pub(crate) outgoing: Vec<u8>,
    /// How much more it may write before the peer reads.
    pub(crate) room: usize,
}

/// A socket in memory, and the other hold on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Socket(Arc<Mutex<Wires>>);

impl Socket {
    pub(crate) fn wires(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        wanted: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut wires = self.wires();
        let count = wires.incoming.len().min(wanted.len());
        if count == 0 {
            return Poll::Pending;
        }
        for (to, from) in wanted.iter_mut().zip(wires.incoming.drain(..count)) {
            *to = from;
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wires = self.wires();
        let count = bytes.len().min(wires.room);
        if count == 0 {
            return Poll::Pending;
        }
        wires.room -= count;
        wires.outgoing.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The listener's end of a connection, polled by hand.
pub(crate) struct Door {
    /// `None`: it is over.
    muxer: Option<Muxer<Socket>>,
    streams: Vec<Substream>,
}

impl Door {
    pub(crate) fn new(socket: Socket) -> Self {
        let mux = Mux::new(STREAMS_MAX);
        let info = mux.protocol_info().next().unwrap_or_default();
        let started = mux.upgrade_inbound(socket, info).now_or_never();
        Self {
            muxer: started.and_then(Result::ok),
            streams: Vec::new(),
        }
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.muxer.is_none()
    }

    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// The connection's task has its turn. An error is its end, as in the field.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        let polled = Pin::new(self.muxer.as_mut()?).poll(cx);
        match polled {
            Poll::Ready(Err(error)) => {
                self.muxer = None;
                Some(error)
            }
            _ => None,
        }
    }

    pub(crate) fn open(&mut self, cx: &mut Context<'_>) {
        if let Some(muxer) = &mut self.muxer
            && let Poll::Ready(Ok(stream)) = Pin::new(muxer).poll_outbound(cx)
        {
            self.streams.push(stream);
        }
    }

    pub(crate) fn accept(&mut self, cx: &mut Context<'_>) {
        if let Some(muxer) = &mut self.muxer
            && let Poll::Ready(Ok(stream)) = Pin::new(muxer).poll_inbound(cx)
        {
            self.streams.push(stream);
        }
    }

    /// Reads at most `len` bytes of a stream; how many.
    pub(crate) fn read(
        &mut self,
        number: usize,
        len: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut wanted = vec![0; len];
        self.stream(number, |stream| stream.poll_read(cx, &mut wanted))
    }

    pub(crate) fn write(
        &mut self,
        number: usize,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.stream(number, |stream| stream.poll_write(cx, bytes))
    }

    pub(crate) fn flush(&mut self, number: usize, cx: &mut Context<'_>) {
        let _ = self.stream(number, |stream| stream.poll_flush(cx).map_ok(|()| 0));
    }

    pub(crate) fn close(&mut self, number: usize, cx: &mut Context<'_>) {
        let _ = self.stream(number, |stream| stream.poll_close(cx).map_ok(|()| 0));
    }

    pub(crate) fn forget(&mut self, number: usize) {
        if !self.streams.is_empty() {
            let number = number % self.streams.len();
            self.streams.swap_remove(number);
        }
    }

    fn stream(
        &mut self,
        number: usize,
        act: impl FnOnce(Pin<&mut Substream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match self.streams.len() {
            0 => Poll::Pending,
            len => act(Pin::new(&mut self.streams[number % len])),
        }
    }
}
