//! What both ends say after the handshake: long writes are sealed from where they lie, short ones
//! together; what comes is opened into the reader's own buffer. An idle channel keeps no buffer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};
use snow::TransportState;

use crate::scratch::with_scratch;

/// Bytes by which a sealed message is longer than what it says.
pub(super) const TAG_LEN: usize = 16;

/// Bytes of the length before each message.
const HEAD_LEN: usize = 2;

/// Longest Noise message.
const SEALED_MAX: usize = 65_535;

/// Most that one message says.
pub(super) const PLAIN_MAX: usize = SEALED_MAX - TAG_LEN;

/// Messages under one key, each way: then both ends derive the next one from it. AES-GCM loses some
/// of its margin with what a key has sealed (RFC 8446, section 5.5), and connections live for long.
const REKEY_EVERY: u64 = 1 << 20;

/// Writes from here on are sealed by themselves, without a copy.
const LONG_BYTES: usize = 8 * 1024;

/// Sealed bytes that wait for the socket, from which on writers wait.
const OUT_MAX: usize = 128 * 1024;

/// Bytes read from the socket at once.
const READ_BYTES: usize = 128 * 1024;

/// Capacity that an empty buffer keeps.
const KEPT_BYTES: usize = 4 * 1024;

/// A socket, and all that is said over it sealed.
pub(crate) struct Channel<S> {
    socket: S,
    noise: TransportState,
    /// Read and not opened yet; less than a message, but between two reads.
    sealed: Vec<u8>,
    /// So much of `sealed` was opened.
    used: usize,
    /// Opened and not asked for yet, where the reader's buffer is short.
    opened: Vec<u8>,
    /// So much of `opened` was handed on.
    taken: usize,
    /// Written and not sealed yet.
    plain: Vec<u8>,
    /// Sealed and not written yet.
    out: Vec<u8>,
    /// So much of `out` was written.
    written: usize,
}

impl<S> Channel<S> {
    pub(super) const fn new(socket: S, noise: TransportState) -> Self {
        Self {
            socket,
            noise,
            sealed: Vec::new(),
            used: 0,
            opened: Vec::new(),
            taken: 0,
            plain: Vec::new(),
            out: Vec::new(),
            written: 0,
        }
    }

    /// For tests: the socket below.
    #[cfg(test)]
    pub(super) const fn socket(&mut self) -> &mut S {
        &mut self.socket
    }

    /// For tests: the same over another socket.
    #[cfg(test)]
    pub(super) fn over<T>(self, socket: T) -> Channel<T> {
        Channel::new(socket, self.noise)
    }

    /// For tests: a message, as it would go over the socket.
    #[cfg(test)]
    pub(super) fn sealed(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        seal(&mut self.noise, plain, &mut out).unwrap_or_default();
        out
    }

    /// For tests: bytes of large buffers that are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let buffers = [&self.sealed, &self.opened, &self.plain, &self.out];
        let large = buffers.map(Vec::capacity).into_iter();
        large.filter(|bytes| *bytes > KEPT_BYTES).sum()
    }

    /// Seals what waits for it.
    fn seal_plain(&mut self) -> io::Result<()> {
        if self.plain.is_empty() {
            return Ok(());
        }
        seal(&mut self.noise, &self.plain, &mut self.out)?;
        forget(&mut self.plain);
        Ok(())
    }

    /// Opens the next message of those that were read before; `None` if there is no whole one.
    fn open_next(&mut self, wanted: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(message) = first(self.sealed.get(self.used..).unwrap_or_default()) else {
            return Ok(None);
        };
        self.used += HEAD_LEN + message.len();
        let opened = open(&mut self.noise, message, wanted, &mut self.opened)?;
        if self.used == self.sealed.len() {
            forget(&mut self.sealed);
            self.used = 0;
        }
        Ok(Some(opened))
    }

    /// Keeps what was read beyond the messages that were opened.
    fn keep(&mut self, read: &[u8]) {
        self.sealed.drain(..self.used);
        self.used = 0;
        self.sealed.extend_from_slice(read);
        if self.sealed.is_empty() {
            forget(&mut self.sealed);
        }
    }
}

impl<S: AsyncRead + Unpin> Channel<S> {
    /// Reads once and opens the first message of it, into `wanted` or into `opened`; how much is
    /// in `wanted`. `None` at the end of the socket.
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        wanted: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>> {
        with_scratch(READ_BYTES, |scratch| {
            let count = ready!(Pin::new(&mut self.socket).poll_read(cx, scratch))?;
            if count == 0 {
                let is_whole = self.sealed.len() == self.used;
                let ended = is_whole.then_some(None);
                return Poll::Ready(ended.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()));
            }
            let read = scratch.get(..count).unwrap_or_default();
            if self.sealed.len() > self.used {
                self.keep(read);
                return Poll::Ready(self.open_next(wanted).map(|opened| opened.or(Some(0))));
            }
            let Some(message) = first(read) else {
                self.keep(read);
                return Poll::Ready(Ok(Some(0)));
            };
            let opened = open(&mut self.noise, message, wanted, &mut self.opened)?;
            self.keep(read.get(HEAD_LEN + message.len()..).unwrap_or_default());
            Poll::Ready(Ok(Some(opened)))
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Channel<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        wanted: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if wanted.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let rest = this.opened.get(this.taken..).unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.len().min(wanted.len());
                let (piece, _) = rest.split_at(count);
                wanted
                    .get_mut(..count)
                    .unwrap_or_default()
                    .copy_from_slice(piece);
                this.taken += count;
                if this.taken == this.opened.len() {
                    forget(&mut this.opened);
                    this.taken = 0;
                }
                return Poll::Ready(Ok(count));
            }
            let opened = match this.open_next(wanted)? {
                Some(opened) => opened,
                None => match ready!(this.poll_open(cx, wanted))? {
                    Some(opened) => opened,
                    None => return Poll::Ready(Ok(0)),
                },
            };
            if opened > 0 {
                return Poll::Ready(Ok(opened));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Channel<S> {
    /// Writes what is sealed, as far as the socket takes it.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.out.get(self.written..)
            && !rest.is_empty()
        {
            match Pin::new(&mut self.socket).poll_write(cx, rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(count) => self.written += count,
                Poll::Pending => {
                    // A socket that never takes all must not keep all that it took.
                    if self.written >= OUT_MAX {
                        self.out.drain(..self.written);
                        self.written = 0;
                    }
                    return Poll::Pending;
                }
            }
        }
        forget(&mut self.out);
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Channel<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.out.len() - this.written >= OUT_MAX {
            ready!(this.poll_drain(cx))?;
        }
        if bytes.len() >= LONG_BYTES {
            this.seal_plain()?;
            let (piece, _) = bytes.split_at(bytes.len().min(PLAIN_MAX));
            seal(&mut this.noise, piece, &mut this.out)?;
            // What the socket does not take now waits with the rest.
            if let Poll::Ready(Err(error)) = this.poll_drain(cx) {
                return Poll::Ready(Err(error));
            }
            return Poll::Ready(Ok(piece.len()));
        }
        if this.plain.len() + bytes.len() > PLAIN_MAX {
            this.seal_plain()?;
        }
        this.plain.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.seal_plain()?;
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

/// The first whole message of what was read, without its length.
fn first(read: &[u8]) -> Option<&[u8]> {
    let (head, rest) = read.split_first_chunk::<HEAD_LEN>()?;
    rest.get(..usize::from(u16::from_be_bytes(*head)))
}

/// Opens a message into `wanted`, or into `opened` where that is too short for it; how much is in
/// `wanted`. A message that says nothing is none that a peer sends.
fn open(
    noise: &mut TransportState,
    message: &[u8],
    wanted: &mut [u8],
    opened: &mut Vec<u8>,
) -> io::Result<usize> {
    if message.len() <= TAG_LEN {
        return Err(broken("a message that says nothing"));
    }
    let is_direct = wanted.len() >= message.len();
    if !is_direct {
        opened.resize(message.len(), 0);
    }
    let to = if is_direct { wanted } else { &mut **opened };
    let len = noise.read_message(message, to).map_err(broken)?;
    if noise.receiving_nonce().is_multiple_of(REKEY_EVERY) {
        noise.rekey_incoming();
    }
    if is_direct {
        return Ok(len);
    }
    opened.truncate(len);
    Ok(0)
}

/// Appends `plain` as a message, its length before it.
fn seal(noise: &mut TransportState, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let (start, len) = (out.len(), plain.len() + TAG_LEN);
    let head = u16::try_from(len).map_err(broken)?.to_be_bytes();
    out.reserve(HEAD_LEN + len);
    out.extend_from_slice(&head);
    out.resize(start + HEAD_LEN + len, 0);
    let sealed = out.get_mut(start + HEAD_LEN..).unwrap_or_default();
    noise.write_message(plain, sealed).map_err(broken)?;
    if noise.sending_nonce().is_multiple_of(REKEY_EVERY) {
        noise.rekey_outgoing();
    }
    Ok(())
}

/// Empties a buffer, and lets go of it if it is large.
fn forget(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT_BYTES {
        *buffer = Vec::new();
    }
}

fn broken(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
