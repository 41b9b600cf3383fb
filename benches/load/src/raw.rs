//! Over bare TCP, as the floor: length-prefixed frames through one bounded queue to a task that
//! drains it, joins what there is up to 64 KiB to one write, and sets `TCP_NODELAY`.
//!
//! ```text
//! length of the rest: 4 · id of the call, 0: none: 8 · body (little-endian)
//! ```
//! No encryption, no acknowledgement, no bound on a receiver's side but the kernel's, one queue for
//! long and short: less than Archipelago does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::error::LoadError;
use super::link::Link;
use super::tally::{Received, Tally};

/// Bytes of what goes before a body.
const HEAD_LEN: usize = 12;

/// Longest body that is taken.
const BODY_MAX: usize = 1 << 20;

/// Bytes joined to one write.
const WRITE_BYTES: usize = 64 * 1024;

/// Bodies from here on are written as they are.
const COPIED_MAX: usize = 16 * 1024;

/// Frames taken from the queue at once.
const BATCH: usize = 256;

/// Bytes that the queue may hold, in messages of the workload: as many as Archipelago's.
const QUEUE_BYTES: usize = 256 * 1024;

type Frame = (u64, Bytes);

type Calls = Arc<Mutex<HashMap<u64, oneshot::Sender<Bytes>>>>;

/// The sending end.
#[derive(Clone, Debug)]
pub struct Raw {
    queue: mpsc::Sender<Frame>,
    calls: Calls,
    next: Arc<AtomicU64>,
}

impl Raw {
    /// A new connection for messages of `body_len` bytes.
    pub async fn connect(to: SocketAddr, body_len: usize) -> Result<Self, LoadError> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let queue_len = (QUEUE_BYTES / (body_len + HEAD_LEN)).max(2);
        let (queue, frames) = mpsc::channel(queue_len);
        tokio::spawn(write_all(frames, write));
        let calls = Calls::default();
        tokio::spawn(complete(FrameReader::new(read), calls.clone()));
        Ok(Self {
            queue,
            calls,
            next: Arc::new(AtomicU64::new(1)),
        })
    }

    async fn put(&self, frame: Frame) -> Result<(), LoadError> {
        self.queue.send(frame).await.map_err(|_| LoadError::Ended)
    }
}

impl Link for Raw {
    async fn send(&self, body: Bytes) -> Result<(), LoadError> {
        self.put((0, body)).await
    }

    async fn flush(&self) -> Result<Received, LoadError> {
        Ok(serde_json::from_slice(&self.call(Bytes::new()).await?)?)
    }

    async fn call(&self, body: Bytes) -> Result<Bytes, LoadError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, waiting) = oneshot::channel();
        let before = lock(&self.calls).insert(id, answer);
        debug_assert!(before.is_none(), "every call has a number of its own");
        self.put((id, body)).await?;
        waiting.await.map_err(|_| LoadError::Ended)
    }
}

fn lock(calls: &Calls) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Bytes>>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives answers to who waits for them, until the connection ends.
async fn complete(mut frames: FrameReader, calls: Calls) {
    while let Ok(Some((id, body))) = frames.next().await {
        if let Some(waiting) = lock(&calls).remove(&id) {
            let _ = waiting.send(body);
        }
    }
    lock(&calls).clear();
}

/// The receiving end: serves every connection to a new port of loopback.
pub async fn serve() -> Result<SocketAddr, LoadError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    Ok(address)
}

/// An empty call asks for what was counted; others get their bytes back; messages are counted.
async fn answer(stream: TcpStream) -> Result<(), LoadError> {
    stream.set_nodelay(true)?;
    let (read, write) = stream.into_split();
    let (queue, frames) = mpsc::channel(QUEUE_BYTES / 128);
    tokio::spawn(write_all(frames, write));
    let mut reader = FrameReader::new(read);
    let mut tally = Tally::new();
    while let Some((id, body)) = reader.next().await? {
        let answer = match (id, body.is_empty()) {
            (0, _) => {
                tally.count(&body);
                continue;
            }
            (_, true) => serde_json::to_vec(&tally.take())?.into(),
            (_, false) => body,
        };
        let sent = queue.send((id, answer)).await;
        sent.map_err(|_| LoadError::Ended)?;
    }
    Ok(())
}

/// Writes what is queued until nobody can queue anything any more.
async fn write_all(mut frames: mpsc::Receiver<Frame>, mut stream: OwnedWriteHalf) {
    let (mut batch, mut bytes) = (Vec::new(), Vec::with_capacity(WRITE_BYTES));
    while frames.recv_many(&mut batch, BATCH).await > 0 {
        if write_batch(&mut batch, &mut bytes, &mut stream)
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn write_batch(
    batch: &mut Vec<Frame>,
    bytes: &mut Vec<u8>,
    stream: &mut OwnedWriteHalf,
) -> std::io::Result<()> {
    for (id, body) in batch.drain(..) {
        let is_copied = body.len() <= COPIED_MAX;
        if bytes.len() + HEAD_LEN + body.len() > WRITE_BYTES {
            stream.write_all(bytes).await?;
            bytes.clear();
        }
        let len = u32::try_from(body.len() + 8).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
        if is_copied {
            bytes.extend_from_slice(&body);
        } else {
            stream.write_all(bytes).await?;
            bytes.clear();
            stream.write_all(&body).await?;
        }
    }
    stream.write_all(bytes).await?;
    bytes.clear();
    Ok(())
}

/// Cuts a stream into frames; bodies are slices of what was read.
#[derive(Debug)]
struct FrameReader {
    stream: OwnedReadHalf,
    buffer: BytesMut,
}

impl FrameReader {
    fn new(stream: OwnedReadHalf) -> Self {
        Self {
            stream,
            buffer: BytesMut::with_capacity(WRITE_BYTES),
        }
    }

    /// The next frame; `None` at the end of the stream.
    async fn next(&mut self) -> std::io::Result<Option<Frame>> {
        loop {
            let mut missing = HEAD_LEN;
            if let Some((head, rest)) = self.buffer.split_first_chunk::<HEAD_LEN>() {
                let [a, b, c, d, id @ ..] = *head;
                let len = (u32::from_le_bytes([a, b, c, d]) as usize).saturating_sub(8);
                if len > BODY_MAX {
                    return Err(std::io::ErrorKind::InvalidData.into());
                }
                if rest.len() >= len {
                    self.buffer.advance(HEAD_LEN);
                    let body = self.buffer.split_to(len).freeze();
                    return Ok(Some((u64::from_le_bytes(id), body)));
                }
                missing = len - rest.len();
            }
            self.buffer.reserve(missing.max(WRITE_BYTES));
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }
}
