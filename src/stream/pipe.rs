//! What lies between a writer and a reader: on one node both are users; otherwise the peer's task
//! is one of them.
//!
//! Bounded in bytes; each side is woken by what the other one does. A user's act makes the peer's
//! task look at the pipe, once, however much is done until it looks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use archipelago_core::channel::StreamId;
use archipelago_core::streams::{Abort, Stop};
use bytes::Bytes;

use super::blocks::Blocks;
use super::error::StreamError;
use crate::peer::PeerHandle;

/// Which end of a stream a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The writer's.
    Out,
    /// The reader's.
    In,
}

/// Whose task moves the other end, and by which name it knows the pipe.
#[derive(Clone, Debug)]
pub(crate) struct Far {
    pub(crate) peer: Arc<PeerHandle>,
    pub(crate) way: Way,
    pub(crate) id: StreamId,
}

/// What users did with a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    /// Bytes written, from the beginning.
    pub(crate) written: u64,
    /// Bytes read, from the beginning.
    pub(crate) read: u64,
    /// No more is written.
    pub(crate) is_finished: bool,
    /// The writer gave up.
    pub(crate) aborted: Option<Abort>,
    /// The reader is gone.
    pub(crate) stopped: Option<Stop>,
}

/// The bytes of one stream at one node, and its end.
#[derive(Debug)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    blocks: Blocks,
    written: u64,
    read: u64,
    is_finished: bool,
    aborted: Option<Abort>,
    stopped: Option<Stop>,
    /// The last word to whoever is there still.
    end: Option<Result<(), StreamError>>,
    writer: Option<Waker>,
    reader: Option<Waker>,
    far: Option<Far>,
    /// The task was told to look, and has not yet.
    is_touched: bool,
    /// What was read when the task looked last.
    looked_read: u64,
}

impl Pipe {
    /// A pipe that holds so many bytes, and what one write goes beyond them.
    pub(crate) fn new(bytes_max: usize, far: Option<Far>) -> Arc<Self> {
        let state = State {
            far,
            ..State::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
            bytes_max: bytes_max.max(1),
        })
    }

    /// Whose task moves the other end, from now on.
    pub(crate) fn set_far(&self, far: Far) {
        self.lock().far = Some(far);
    }

    /// For the task: what users did so far; it is told of the next thing they do.
    pub(crate) fn look(&self) -> Looked {
        let mut state = self.lock();
        state.is_touched = false;
        state.looked_read = state.read;
        Looked {
            written: state.written,
            read: state.read,
            is_finished: state.is_finished,
            aborted: state.aborted.clone(),
            stopped: state.stopped,
        }
    }

    /// For whoever reads: takes some, at most `len_max`.
    pub(crate) fn take(&self, len_max: usize) -> Bytes {
        let mut state = self.lock();
        let taken = state.blocks.take(len_max);
        state.read += taken.len() as u64;
        let writer = (state.blocks.len() < self.bytes_max).then(|| state.writer.take());
        drop(state);
        wake(writer.flatten());
        taken
    }

    /// For the task: bytes that came.
    pub(crate) fn put(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.written += bytes.len() as u64;
        state.blocks.push_copied(bytes);
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    /// For the task: the stream is over. An error lets go of what was not read.
    pub(crate) fn end(&self, end: Result<(), StreamError>) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        if end.is_err() {
            state.blocks.clear();
        }
        state.end = Some(end);
        let woken = [state.reader.take(), state.writer.take()];
        drop(state);
        woken.into_iter().for_each(wake);
    }

    /// Bytes that were written and not read.
    pub(crate) fn len(&self) -> usize {
        self.lock().blocks.len()
    }

    /// Bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.lock().written
    }

    /// For the writer: how many bytes fit, at least one.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<usize, StreamError>> {
        let mut state = self.lock();
        if let Some(error) = state.writer_error() {
            return Poll::Ready(Err(error));
        }
        if state.is_finished || state.aborted.is_some() {
            return Poll::Ready(Err(StreamError::Finished));
        }
        let room = self.bytes_max.saturating_sub(state.blocks.len());
        if room == 0 {
            register(&mut state.writer, cx);
            return Poll::Pending;
        }
        Poll::Ready(Ok(room))
    }

    /// For the writer, after it found room.
    pub(super) fn push(&self, bytes: Bytes) {
        self.act(|state| {
            state.written += bytes.len() as u64;
            state.blocks.push(bytes);
            state.reader.take()
        });
    }

    /// The same for bytes that are only lent.
    pub(super) fn push_copied(&self, bytes: &[u8]) {
        self.act(|state| {
            state.written += bytes.len() as u64;
            state.blocks.push_copied(bytes);
            state.reader.take()
        });
    }

    /// For the writer: no more follows.
    pub(super) fn finish(&self) {
        self.act(|state| {
            state.is_finished = true;
            state.reader.take()
        });
    }

    /// For the writer: gives up, unless all is over or finished already.
    pub(super) fn abort(&self, why: Abort) {
        self.act(|state| {
            if state.end.is_none() && !state.is_finished && state.aborted.is_none() {
                state.aborted = Some(why);
                state.blocks.clear();
            }
            state.reader.take()
        });
    }

    /// For the writer: waits until the reader has taken all.
    pub(super) fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let mut state = self.lock();
        if let Some(error) = state.writer_error() {
            return Poll::Ready(Err(error));
        }
        if matches!(state.end, Some(Ok(()))) {
            return Poll::Ready(Ok(()));
        }
        register(&mut state.writer, cx);
        Poll::Pending
    }

    /// For the reader: the next bytes, at most `len_max`; nothing at the end.
    pub(super) fn poll_read(
        &self,
        len_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, StreamError>> {
        let mut state = self.lock();
        if let Some(error) = state.reader_error() {
            return Poll::Ready(Err(error));
        }
        if state.blocks.len() == 0 {
            if !state.is_all_written() {
                register(&mut state.reader, cx);
                return Poll::Pending;
            }
            drop(state);
            self.on_read_out();
            return Poll::Ready(Ok(Bytes::new()));
        }
        let taken = state.blocks.take(len_max);
        state.read += taken.len() as u64;
        // A peer's task need not look at each: what is left is to be read before much can come.
        let news = state.read - state.looked_read;
        let is_news = state.blocks.len() == 0 || news >= self.bytes_max as u64 / 4;
        drop(state);
        if is_news {
            self.act(|state| state.writer.take());
        }
        Poll::Ready(Ok(taken))
    }

    /// For the reader: takes no more.
    pub(super) fn stop(&self, why: Stop) {
        let is_read_out = {
            let state = self.lock();
            state.is_all_written() && state.blocks.len() == 0
        };
        if is_read_out {
            return self.on_read_out();
        }
        self.act(|state| {
            state.stopped = state.stopped.or(Some(why));
            state.blocks.clear();
            state.writer.take()
        });
    }

    /// On one node the writer hears from the reader itself that all was read.
    fn on_read_out(&self) {
        let is_local = self.lock().far.is_none();
        if is_local {
            self.end(Ok(()));
        }
    }

    /// Does something that the other side is to hear of; who is returned is woken.
    fn act(&self, act: impl FnOnce(&mut State) -> Option<Waker>) {
        let mut state = self.lock();
        let woken = act(&mut state);
        let is_first = !std::mem::replace(&mut state.is_touched, true);
        let far = state.far.clone().filter(|_| is_first);
        drop(state);
        wake(woken);
        if let Some(far) = far {
            far.peer.touch(far.way, far.id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Why the writer cannot go on.
    fn writer_error(&self) -> Option<StreamError> {
        if let Some(Err(error)) = &self.end {
            return Some(error.clone());
        }
        self.stopped.map(StreamError::from)
    }

    /// Why the reader cannot go on.
    fn reader_error(&self) -> Option<StreamError> {
        if let Some(Err(error)) = &self.end {
            return Some(error.clone());
        }
        self.aborted.clone().map(StreamError::from)
    }

    /// Whether nothing more is put in.
    const fn is_all_written(&self) -> bool {
        self.is_finished || matches!(self.end, Some(Ok(())))
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(known) => known.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
}
