//! Control messages on their way out: encoded by the node's task, written by the session's.
//!
//! Bounded in bytes. A peer that reads too slowly fills it, and loses its session; the node never
//! waits for it.

use std::sync::{Mutex, PoisonError};

use archipelago_core::wire::Control;
use archipelago_core::wire::codec::encode_frame;
use futures::task::AtomicWaker;

/// What one session has to write.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    pub(crate) waker: AtomicWaker,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    is_closing: bool,
}

/// A message that was not queued.
#[derive(Debug)]
pub(crate) enum PushError {
    /// The peer is too slow.
    Full,
    /// The message is longer than a frame may be: a mistake of ours.
    TooLong,
}

/// What there is to write.
pub(crate) enum Take {
    /// The buffer has more.
    Bytes,
    /// Nothing now.
    Empty,
    /// Nothing, ever: flush, and close.
    Closing,
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            waker: AtomicWaker::new(),
            bytes_max,
        }
    }

    /// Queues a message and returns its length in bytes; [`Outbox::wake`] has it written.
    pub(crate) fn push(&self, message: &Control) -> Result<usize, PushError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.bytes.len();
        if before > self.bytes_max {
            return Err(PushError::Full);
        }
        if state.is_closing {
            return Ok(0);
        }
        encode_frame(message, &mut state.bytes).map_err(|_| PushError::TooLong)?;
        Ok(state.bytes.len() - before)
    }

    /// Nothing follows: what is queued is written, and the stream closed.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_closing = true;
        drop(state);
        self.wake();
    }

    /// Whether nothing is taken any more.
    pub(crate) fn is_closing(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_closing
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Swaps what is queued into `buffer`, which must be empty.
    pub(super) fn take(&self, buffer: &mut Vec<u8>) -> Take {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.bytes.is_empty() {
            std::mem::swap(buffer, &mut state.bytes);
            Take::Bytes
        } else if state.is_closing {
            Take::Closing
        } else {
            Take::Empty
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_outbox_refuses_and_a_closing_one_swallows() {
        let outbox = Outbox::new(4);
        assert!(outbox.push(&Control::Ping(1)).is_ok());
        assert!(matches!(
            outbox.push(&Control::Ping(2)),
            Err(PushError::Full)
        ));
        let mut buffer = Vec::new();
        assert!(matches!(outbox.take(&mut buffer), Take::Bytes));
        outbox.close();
        assert_eq!(outbox.push(&Control::Ping(3)).unwrap(), 0);
        buffer.clear();
        assert!(matches!(outbox.take(&mut buffer), Take::Closing));
    }
}
