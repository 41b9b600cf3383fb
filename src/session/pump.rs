//! Moves the bytes of one control stream, both ways, in one task.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use archipelago_core::wire::codec::FrameReader;
use archipelago_core::wire::{Control, SessionId};
use futures::{AsyncRead, AsyncWrite};
use libp2p::Stream;
use tokio::sync::mpsc;

use super::outbox::Take;
use super::{Outbox, Quota, READ_BYTES};
use crate::actor::Request;
use crate::metrics::Counters;
use crate::node::Shared;
use crate::scratch::with_scratch;

/// Messages handed over at once, at most; then the rest waits its turn.
const BATCH_MAX: usize = 256;

/// One control stream.
#[derive(Debug)]
pub(crate) struct Pump {
    session: SessionId,
    stream: Stream,
    outbox: Arc<Outbox>,
    writing: Vec<u8>,
    written: usize,
    /// Bytes were written and not flushed.
    is_unflushed: bool,
    reader: FrameReader,
    /// What was read and is not decoded yet, because the batch was full.
    undecoded: Vec<u8>,
    quota: Quota,
}

/// Why a control stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PumpEnd {
    /// All of ours was written and flushed.
    Closed,
    /// The peer ended it, or the connection was lost.
    Lost,
    /// The peer broke the protocol, or its quota.
    Abused,
}

enum Step {
    Batch(Vec<Control>),
    End(PumpEnd),
}

impl Pump {
    pub(crate) fn new(
        session: SessionId,
        stream: Stream,
        outbox: Arc<Outbox>,
        shared: &Shared,
    ) -> Self {
        Self {
            session,
            stream,
            outbox,
            writing: Vec::new(),
            written: 0,
            is_unflushed: false,
            reader: FrameReader::new(),
            undecoded: Vec::new(),
            quota: Quota::new(shared.limits.control_burst, shared.limits.control_rate),
        }
    }

    /// Runs until the stream ends, and says so to the node's task.
    pub(crate) async fn run(mut self, requests: mpsc::Sender<Request>, shared: Arc<Shared>) {
        let session = self.session;
        let end = loop {
            match std::future::poll_fn(|cx| self.poll(cx, &shared.metrics)).await {
                Step::Batch(batch) => {
                    let request = Request::Control { session, batch };
                    if requests.send(request).await.is_err() {
                        return;
                    }
                }
                Step::End(end) => break end,
            }
        };
        // The node's task has ended if it does not want to know.
        let _ = requests.send(Request::ControlEnded { session, end }).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>, metrics: &Counters) -> Poll<Step> {
        self.outbox.waker.register(cx.waker());
        if let Poll::Ready(end) = self.poll_write(cx, metrics) {
            return Poll::Ready(Step::End(end));
        }
        self.poll_read(cx, metrics)
    }

    /// Writes all that is queued; ready when the stream is of no more use.
    fn poll_write(&mut self, cx: &mut Context<'_>, metrics: &Counters) -> Poll<PumpEnd> {
        loop {
            let rest = self.writing.get(self.written..).unwrap_or_default();
            if !rest.is_empty() {
                match Pin::new(&mut self.stream).poll_write(cx, rest) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(count)) if count > 0 => {
                        metrics.control_bytes_sent.add(count as u64);
                        self.written += count;
                        self.is_unflushed = true;
                        continue;
                    }
                    Poll::Ready(_) => return Poll::Ready(PumpEnd::Lost),
                }
            }
            self.writing.clear();
            self.written = 0;
            match self.outbox.take(&mut self.writing) {
                Take::Bytes => {}
                Take::Closing => return self.poll_close(cx),
                Take::Empty => return self.poll_flush(cx),
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<PumpEnd> {
        if self.is_unflushed {
            match Pin::new(&mut self.stream).poll_flush(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(PumpEnd::Lost),
                Poll::Ready(Ok(())) => self.is_unflushed = false,
            }
        }
        // Idle: no buffer is kept.
        self.writing = Vec::new();
        Poll::Pending
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<PumpEnd> {
        let closed = Pin::new(&mut self.stream).poll_close(cx);
        closed.map(|_| PumpEnd::Closed)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, metrics: &Counters) -> Poll<Step> {
        let mut batch = Vec::new();
        if !self.undecoded.is_empty() {
            let bytes = std::mem::take(&mut self.undecoded);
            if self.decode(&bytes, &mut batch).is_err() {
                return Poll::Ready(Step::End(PumpEnd::Abused));
            }
        }
        while batch.is_empty() {
            let read = with_scratch(READ_BYTES, |scratch| {
                let stream = Pin::new(&mut self.stream);
                let count = std::task::ready!(stream.poll_read(cx, scratch));
                let count = count.unwrap_or(0);
                let bytes = scratch.get(..count).unwrap_or_default();
                Poll::Ready((count, self.decode(bytes, &mut batch)))
            });
            match read {
                Poll::Pending => return Poll::Pending,
                Poll::Ready((0, _)) => return Poll::Ready(Step::End(PumpEnd::Lost)),
                Poll::Ready((_, Err(()))) => return Poll::Ready(Step::End(PumpEnd::Abused)),
                Poll::Ready((count, Ok(()))) => metrics.control_bytes_received.add(count as u64),
            }
        }
        metrics.control_received.add(batch.len() as u64);
        Poll::Ready(Step::Batch(batch))
    }

    fn decode(&mut self, mut bytes: &[u8], batch: &mut Vec<Control>) -> Result<(), ()> {
        while batch.len() < BATCH_MAX {
            match self.reader.read(&mut bytes) {
                Ok(Some(message)) => batch.push(message),
                Ok(None) => break,
                Err(_) => return Err(()),
            }
        }
        self.undecoded.extend_from_slice(bytes);
        let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        if self.quota.take(count) {
            Ok(())
        } else {
            Err(())
        }
    }
}
