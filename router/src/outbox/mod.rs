//! The outbox: a durable stream of records to a name that may be down.
//!
//! ```text
//!  send ─► accept ─► store (synced) ─► on_stored ─► Deliver ─► the holder of (group, name)
//!            │            │                            ▲             │ Marks: seen before?
//!            ▼            ▼                            │             ▼ the effect, and its mark
//!         Refused      on_lost                    back-off ◄──── Answer { done }
//! ```
//!
//! [`Outbox`] decides at the sender: what is taken, in what order it goes, when it goes again, what
//! is too old. [`Marks`] decides at the receiver: what is new. Both are machines without clock,
//! disk or socket; a driver keeps what they say in a [`Store`], which the simulator has as well as
//! the live node.
//!
//! Promises. A record is told to be accepted only after it is safe on disk, and only such a record
//! is sent: a sequence number that a crash forgot can so never have been seen by a receiver. The
//! records of one stream arrive in the order of their numbers; a number is missing only if its
//! record was dropped, expired, refused by the disk or found corrupt, all of which are counted. A
//! receiver that keeps its marks sees each record once; one that comes back without them, or
//! elsewhere, sees again what it had not yet answered.
//!
//! Never: waits for more than one answer per stream, believes a record whose checksum is wrong, or
//! depends on the wall clock.
//!
//! Source: the transactional outbox and the idempotent receiver (Hohpe and Woolf, *Enterprise
//! Integration Patterns*, 2003); a sequence per stream as in Kafka's idempotent producer (KIP-98).
//! Cost: 40 bytes of memory per record at the sender, 100 per stream at the receiver.

mod batch;
mod config;
mod marks;
mod sender;
mod store;
mod stored;
mod stream;
#[cfg(test)]
mod tests;

pub use batch::{Answer, BATCH_RECORDS_MAX, Batch, BatchError};
pub use config::{OutboxConfig, WhenFull};
pub use marks::{Arrival, Mark, Marks};
pub use sender::{Accepted, Attempt, Outbox, OutboxCounters, Output, Refused};
pub use store::{Change, Entry, Store, StoreError};
pub use stored::{
    Found, Loaded, Record, Table, forget_head, forget_mark, head, load, load_marks, mark, record,
    set_aside,
};

use std::fmt;

use archipelago_core::{GroupId, Rng};
use bytes::Bytes;

/// One stream: the records of one outbox to one name. 128 random bits, so nobody but its sender and
/// its receivers can name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub [u8; 16]);

impl StreamId {
    /// A new one.
    pub fn random(rng: &mut Rng) -> Self {
        let [low, high] = [rng.u64().to_le_bytes(), rng.u64().to_le_bytes()];
        let mut id = [0; 16];
        id[..8].copy_from_slice(&low);
        id[8..].copy_from_slice(&high);
        Self(id)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u128::from_be_bytes(self.0) >> 64)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// A record: its stream, and its number there. Numbers begin at 1 and rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    /// Which stream.
    pub stream: StreamId,
    /// Its number.
    pub seq: u64,
}

/// Whom a stream goes to: whoever holds a name of a group at the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// The group.
    pub group: GroupId,
    /// The name in it, 1 to 255 bytes.
    pub name: Bytes,
}
