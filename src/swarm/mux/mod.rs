//! A multiplexer for few long-lived streams: whoever writes to a stream writes to the socket.
//!
//! With yamux a write is a message to the connection's task, a buffer, an encryption and a flush
//! for each 16 KiB. Here a write goes through the cipher's buffer at once, and one flush sends what
//! was written since the last. So a message changes tasks once less, and a burst is one encryption
//! and one system call. What the socket has no room for waits, bounded, for the connection's task,
//! which alone reads.
//!
//! Negotiated as `/archipelago/mux/1`. It never reads ahead of a stream's window, and never
//! allocates for what a frame only announces. A peer that breaks the protocol loses the connection.

mod frame;
mod stream;
mod streams;
#[cfg(test)]
mod tests;
mod wire;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};

use stream::Substream;
use streams::Streams;
use wire::Wire;

use crate::lent::Lent;
use crate::scratch::with_scratch;

/// Bytes read from the cipher at once: one message of Noise.
const READ_BYTES: usize = 64 * 1024;

/// What a read counts for, at least, towards a turn, in bytes.
const READ_COST: usize = 1024;

/// Bytes read before other tasks have their turn.
const TURN_BYTES: usize = 1024 * 1024;

/// Makes connections into [`Muxer`]s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mux {
    streams_max: usize,
}

impl Mux {
    /// For at most `streams_max` streams of a connection, both ends' together.
    pub(super) const fn new(streams_max: usize) -> Self {
        Self { streams_max }
    }

    fn start<C>(self, socket: C, is_dialler: bool) -> Ready<Result<Muxer<C>, Infallible>>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let task = Arc::new(Task(AtomicWaker::new()));
        ready(Ok(Muxer(Arc::new(Shared {
            wire: Lent::new(Wire::new(socket)),
            streams: Mutex::new(Streams::new(is_dialler, self.streams_max)),
            waker: task.clone().into(),
            task,
        }))))
    }
}

impl UpgradeInfo for Mux {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/archipelago/mux/1")
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> InboundConnectionUpgrade<C> for Mux {
    type Output = Muxer<C>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        self.start(socket, false)
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for Mux {
    type Output = Muxer<C>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        self.start(socket, true)
    }
}

/// The task of a connection, whichever of its polls comes last.
#[derive(Debug)]
struct Task(AtomicWaker);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.wake();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

/// What a connection's task and its streams share. Who has both locks took that of the wire first.
#[derive(Debug)]
struct Shared<C> {
    wire: Lent<Wire<C>>,
    streams: Mutex<Streams>,
    task: Arc<Task>,
    /// Wakes the connection's task: what the socket is polled with, whoever does it.
    waker: Waker,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Shared<C> {
    /// Does something with the streams. Who is to be woken by it is woken after.
    fn streams<T>(&self, act: impl FnOnce(&mut Streams) -> T) -> T {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(&mut streams);
        let woken = std::mem::take(&mut streams.woken);
        drop(streams);
        woken.into_iter().for_each(Waker::wake);
        done
    }

    /// For a stream: does something with the wire.
    fn wire<T>(&self, act: impl FnOnce(&mut Wire<C>, &mut Context<'_>) -> T) -> T {
        let mut cx = Context::from_waker(&self.waker);
        self.wire
            .with(|wire| act(wire, &mut cx), || self.wake_task())
    }

    /// For the connection's task: the same, unless a stream is at it, which wakes the task then.
    fn poll_wire<T>(&self, act: impl FnOnce(&mut Wire<C>, &mut Context<'_>) -> Poll<T>) -> Poll<T> {
        match self.wire.own() {
            Some(mut wire) => act(&mut wire, &mut Context::from_waker(&self.waker)),
            None => Poll::Pending,
        }
    }

    /// Writes what there is to write, as far as the socket takes it.
    fn poll_outgoing(&self, wire: &mut Wire<C>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.streams(|streams| wire.take_said(streams));
        wire.poll_outgoing(cx)
    }

    /// Reads once, and hands it to the streams; how many bytes it was.
    fn poll_incoming(&self) -> Poll<io::Result<usize>> {
        with_scratch(READ_BYTES, |scratch| {
            self.poll_wire(|wire, cx| {
                let count = std::task::ready!(wire.poll_read(cx, scratch))?;
                let bytes = scratch.get(..count).unwrap_or_default();
                self.streams(|streams| wire.on_bytes(bytes, streams))?;
                Poll::Ready(Ok(count))
            })
        })
    }

    fn wake_task(&self) {
        self.task.0.wake();
    }
}

/// One connection and its streams.
#[derive(Debug)]
pub(super) struct Muxer<C>(Arc<Shared<C>>)
where
    C: AsyncRead + AsyncWrite + Unpin;

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Substream<C>;
    type Error = io::Error;

    fn poll_inbound(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        // What comes is read by `poll`, after which this is asked again.
        self.0.task.0.register(cx.waker());
        match self.0.streams(Streams::accept) {
            Some(stream) => Poll::Ready(Ok(Substream::new(self.0.clone(), stream))),
            None => Poll::Pending,
        }
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        // It is said with the first bytes of the stream.
        let opened = self.0.streams(Streams::open);
        Poll::Ready(opened.map(|stream| Substream::new(self.0.clone(), stream)))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.task.0.register(cx.waker());
        self.0.poll_wire(|wire, cx| {
            self.0.streams(|streams| wire.take_said(streams));
            wire.poll_close(cx)
        })
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        self.0.task.0.register(cx.waker());
        let written = self.0.poll_wire(|wire, cx| self.0.poll_outgoing(wire, cx));
        if let Poll::Ready(Err(error)) = written {
            return Poll::Ready(Err(error));
        }
        let mut turn = 0;
        while turn < TURN_BYTES {
            // Each read has its price, however little it brings.
            turn += std::task::ready!(self.0.poll_incoming())?.max(READ_COST);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> Drop for Muxer<C> {
    fn drop(&mut self) {
        self.0.wire(|wire, _| wire.end());
        self.0.streams(Streams::end);
    }
}
