//! The words that every other part of Archipelago speaks.
//!
//! Identities, time, randomness, the wire messages and their bounded codec, signed records, the
//! table of peers, and the seam to cryptography. Nothing here opens a socket, reads a clock or
//! starts a thread; everything is a value or a state machine driven by its caller.

pub mod ahead;
pub mod calls;
pub mod channel;
mod context;
mod crypto;
pub mod footprint;
mod id;
mod peers;
mod record;
mod rng;
mod runs;
mod small_map;
pub mod streams;
mod time;

pub mod wire;

pub use context::Context;
pub use crypto::{Crypto, OpenError, ToyCrypto};
pub use id::{Boot, Era, GroupId, Incarnation, LocalId, NodeId, Pid};
pub use peers::{FormedPeer, Peer, PeerState, Peers, PeersFull};
pub use record::{Address, NodeRecord, RecordError, Roles, SealingKey, Signature, SignedRecord};
pub use rng::Rng;
pub use runs::Runs;
pub use small_map::SmallMap;
pub use time::Time;
