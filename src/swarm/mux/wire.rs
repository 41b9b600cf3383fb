//! The socket of a connection: frames that come, and bytes that wait to go.
//!
//! Who writes to a stream writes to the socket itself, as far as that takes it; nobody reads but
//! the connection's task. Nothing passes what waits already. Cost: one copy of what is written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use futures::{AsyncRead, AsyncWrite};

use super::frame::{HEAD_LEN, Head, Kind};
use super::streams::{Streams, broken};

/// Bytes that wait for a socket without room; beyond it writers wait.
const OUT_MAX: usize = 64 * 1024;

/// Bytes that may wait in all: beyond data there are only answers to what the peer says, of which
/// one that reads leaves few.
const WAITING_MAX: usize = 4 * OUT_MAX;

/// Capacity that an empty buffer keeps.
const KEPT_BYTES: usize = 4 * 1024;

/// The socket `C` of a connection.
#[derive(Debug)]
pub(super) struct Wire<C> {
    /// `None`: the connection is over.
    socket: Option<C>,
    head: [u8; HEAD_LEN],
    head_len: usize,
    /// The stream of the data that is being read, and how much is left of them.
    data: Option<(u32, usize)>,
    /// What the socket had no room for.
    out: BytesMut,
    is_unflushed: bool,
    /// Writers that wait for the socket.
    blocked: Vec<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Wire<C> {
    pub(super) fn new(socket: C) -> Self {
        Self {
            socket: Some(socket),
            head: [0; HEAD_LEN],
            head_len: 0,
            data: None,
            out: BytesMut::new(),
            is_unflushed: false,
            blocked: Vec::new(),
        }
    }

    /// Reads once; how many bytes lie in `scratch`.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let socket = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        match ready!(Pin::new(socket).poll_read(cx, scratch))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            count => Poll::Ready(Ok(count)),
        }
    }

    /// Hands what was read to the streams.
    pub(super) fn on_bytes(&mut self, mut bytes: &[u8], streams: &mut Streams) -> io::Result<()> {
        while !bytes.is_empty() {
            if let Some((stream, left)) = self.data {
                let (data, rest) = bytes.split_at(left.min(bytes.len()));
                streams.on_data(stream, data)?;
                self.data = (data.len() < left).then(|| (stream, left - data.len()));
                bytes = rest;
                continue;
            }
            let missing = HEAD_LEN - self.head_len;
            let (piece, rest) = bytes.split_at(missing.min(bytes.len()));
            if let Some(head) = self
                .head
                .get_mut(self.head_len..self.head_len + piece.len())
            {
                head.copy_from_slice(piece);
            }
            self.head_len += piece.len();
            bytes = rest;
            if self.head_len < HEAD_LEN {
                break;
            }
            self.head_len = 0;
            let head = Head::decode(self.head).ok_or_else(|| broken("no frame"))?;
            match head.kind {
                Kind::Data(len) => {
                    let len = usize::try_from(len).unwrap_or(usize::MAX);
                    self.data = Some((head.stream, len));
                }
                _ => streams.on_head(head)?,
            }
        }
        Ok(())
    }

    /// Whether a writer has to wait; `own` is whose turn it is then. `cx` is the connection's.
    pub(super) fn poll_room(&mut self, own: &Waker, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.len() >= OUT_MAX && self.poll_drain(cx)?.is_pending() {
            if self.blocked.iter().all(|known| !known.will_wake(own)) {
                self.blocked.push(own.clone());
            }
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Gives the socket a frame with data, as far as it takes it; the rest waits.
    pub(super) fn put_data(
        &mut self,
        stream: u32,
        data: &[u8],
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let kind = Kind::Data(u32::try_from(data.len()).unwrap_or(0));
        self.put(&Head { stream, kind }.encode(), cx)?;
        self.put(data, cx)
    }

    /// Takes what the streams have to say, to be written before anything else.
    pub(super) fn take_said(&mut self, streams: &mut Streams) {
        let before = self.out.len();
        streams.take_said(&mut self.out);
        self.is_unflushed |= self.out.len() > before;
    }

    /// Writes and flushes what waits, as far as the socket takes it. A peer that makes this end say
    /// more and more and reads nothing of it breaks the protocol.
    pub(super) fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_drain(cx)?.is_pending() {
            let is_bounded = self.out.len() <= WAITING_MAX;
            is_bounded
                .then_some(())
                .ok_or_else(|| broken("answers that nobody reads"))?;
            return Poll::Pending;
        }
        if self.is_unflushed {
            let socket = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            ready!(Pin::new(socket).poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what waits, and closes the socket.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outgoing(cx))?;
        let socket = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Pin::new(socket).poll_close(cx)
    }

    /// The connection is over.
    pub(super) fn end(&mut self) {
        self.socket = None;
        self.out = BytesMut::new();
        self.wake_blocked();
    }

    fn put(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> io::Result<()> {
        self.is_unflushed = true;
        let mut rest = bytes;
        if self.poll_drain(cx)?.is_ready() {
            let socket = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            while !rest.is_empty() {
                let Poll::Ready(written) = Pin::new(&mut *socket).poll_write(cx, rest) else {
                    break;
                };
                rest = rest.get(some(written)?..).unwrap_or_default();
            }
        }
        self.out.extend_from_slice(rest);
        Ok(())
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut *socket).poll_write(cx, &self.out));
            self.out.advance(some(written)?);
        }
        if self.out.capacity() > KEPT_BYTES {
            self.out = BytesMut::new();
        }
        self.wake_blocked();
        Poll::Ready(Ok(()))
    }

    fn wake_blocked(&mut self) {
        for writer in self.blocked.drain(..) {
            writer.wake();
        }
    }
}

/// Bytes written; none is an error.
fn some(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        written => written,
    }
}
