//! One session's control stream: a task that writes what is queued and reads what arrives.
//!
//! Many messages go out in one write; what arrives goes to the node's task in batches. An idle
//! session holds no buffer and no timer.

mod outbox;
mod pump;
mod quota;

pub(crate) use outbox::{Outbox, PushError};
pub(crate) use pump::{Pump, PumpEnd};
pub(crate) use quota::Quota;

use std::cell::RefCell;

/// Bytes read from a stream at once.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Runs `read` with a buffer that the thread lends, so that no idle stream keeps one.
pub(crate) fn with_scratch<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|buffer| {
        buffer.resize(READ_BYTES, 0);
        read(buffer)
    })
}
