//! yamux in frames of up to 128 KiB: as on the wire as libp2p's own, which cuts at 16 KiB.
//!
//! Each frame is a buffer, an encryption and a write to the socket, so that few large ones carry
//! several times as much as many small ones. What may be received unread is bounded for all
//! streams of a connection together.
//!
//! Source: the yamux specification (hashicorp/yamux, `spec.md`), which bounds no frame; `yamux`
//! takes frames of up to 1 MiB.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use yamux::{Connection, ConnectionError, Mode, Stream};

/// Longest payload of a frame that is sent: twice the burst of a data stream.
const FRAME_BYTES: usize = 128 * 1024;

/// What a stream may receive unread from its start on, by the specification.
const WINDOW_BYTES: usize = 256 * 1024;

/// What the streams of a connection may receive unread beyond that, all together, as their
/// throughput asks for it.
const WINDOW_BYTES_EXTRA: usize = 16 * 1024 * 1024;

/// Makes connections into [`Muxer`]s.
#[derive(Clone, Debug)]
pub(super) struct Yamux(yamux::Config);

impl Yamux {
    /// For at most `streams_max` substreams of a connection.
    pub(super) fn new(streams_max: usize) -> Self {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(streams_max);
        config.set_max_connection_receive_window(Some(
            streams_max * WINDOW_BYTES + WINDOW_BYTES_EXTRA,
        ));
        config.set_split_send_size(FRAME_BYTES);
        Self(config)
    }

    fn start<C>(self, socket: C, mode: Mode) -> Ready<Result<Muxer<C>, Infallible>>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        ready(Ok(Muxer {
            connection: Connection::new(socket, self.0, mode),
            inbound: VecDeque::new(),
            waker: None,
        }))
    }
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/yamux/1.0.0")
    }
}

impl<C> InboundConnectionUpgrade<C> for Yamux
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    type Output = Muxer<C>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        self.start(socket, Mode::Server)
    }
}

impl<C> OutboundConnectionUpgrade<C> for Yamux
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    type Output = Muxer<C>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        self.start(socket, Mode::Client)
    }
}

/// One connection and its substreams.
#[derive(Debug)]
pub(super) struct Muxer<C> {
    connection: Connection<C>,
    /// Streams of the peer that arrived while nobody asked for them; as many as a connection may
    /// have at most.
    inbound: VecDeque<Stream>,
    waker: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        let next = self.connection.poll_next_inbound(cx);
        next.map(|stream| stream.unwrap_or(Err(ConnectionError::Closed)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        if let Some(stream) = self.inbound.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let next = self.poll_next(cx);
        if next.is_pending() {
            self.waker = Some(cx.waker().clone());
        }
        next
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        self.connection.poll_new_outbound(cx)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        self.connection.poll_close(cx)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        let stream = std::task::ready!(self.poll_next(cx))?;
        self.inbound.push_back(stream);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        // There may be more to do; others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
