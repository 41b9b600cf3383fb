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

/// Bytes read from a stream at once.
pub(crate) const READ_BYTES: usize = 64 * 1024;
