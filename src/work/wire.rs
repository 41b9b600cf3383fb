//! What is asked of another node's desk, and its answers, by postcard.
//!
//! Sizes are bounded by those of messages; what cannot be read is refused and counted by nobody:
//! only members of a group of the desk's node are listened to.

use archipelago_core::LocalId;
use serde::{Deserialize, Serialize};

/// The desk's name on its node.
pub(super) const NAME: &[u8] = b"archipelago/desk/1";

/// A request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Starts a worker; the same again gets the same answer.
    Start(Box<Order>),
    /// Has a worker of a pool end, and asks for its state, which is kept; also that it be kept on.
    Drain(LocalId),
    /// The state has arrived.
    Release(LocalId),
    /// Ends a worker; its state is of no use.
    Discard(LocalId),
    /// How a worker ended, asked by who came too late to watch it.
    Ended(LocalId),
}

/// A worker to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// Drawn at random: of one start.
    pub(super) ticket: u64,
    pub(super) factory: Vec<u8>,
    pub(super) arguments: Vec<u8>,
    pub(super) state: Option<Vec<u8>>,
    pub(super) place: Option<Place>,
}

/// Which place of which pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    /// Of the group of this name.
    pub(super) group: String,
    pub(super) pool: Vec<u8>,
    pub(super) slot: u32,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It runs, or ran, under this mailbox.
    Started(LocalId),
    /// Nothing was started.
    Refused(Refusal),
    /// It has ended, with this state.
    State(Vec<u8>),
    /// There is no such worker, or it has no state.
    Gone,
    /// Done, or nothing was left to do.
    Done,
    /// It has ended: whether it returned by itself.
    Ended(bool),
}

/// Why nothing was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refusal {
    UnknownFactory,
    Quota,
    NotAllowed,
    /// The node cannot make a mailbox, or is not in the pool's group.
    Node,
}

/// The property that says of a worker which place of a pool it has.
pub(super) fn property(pool: &[u8]) -> Vec<u8> {
    [b"archipelago/pool/", pool].concat()
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // These types have an encoding, whatever is in them.
    postcard::to_stdvec(value).unwrap_or_default()
}

pub(super) fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}
