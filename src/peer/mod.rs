//! Traffic with one peer: a task of its own that owns the pair channel.
//!
//! Payloads go from a sender's call through [`PeerHandle`]'s bounded queue into the channel, and
//! from there onto a data stream, without passing the node's task; a message that finds nothing
//! under way is written by its sender ([`driven`]). The task starts with the first
//! message either way and ends when the channel is at rest; what must outlive it, the channel's
//! watermarks, stays in [`Registry`].

mod demand;
mod driven;
mod figures;
mod handle;
mod inbox;
mod inboxes;
mod outgoing;
mod registry;
mod streams;
mod task;

pub use figures::PeerInfo;
pub(crate) use handle::{PeerHandle, Relayed, Signal};
pub(crate) use outgoing::{Opening, Outgoing, Place, PushError};
pub(crate) use registry::{Registry, start};
