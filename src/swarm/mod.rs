//! The node's sockets: one libp2p swarm, in a room of its own.
//!
//! It dials, accepts, applies limits, and hands substreams over: one control stream per connection,
//! opened by the dialler, and data streams, one per direction, opened by the sender. What flows on
//! them never passes the swarm again. It decides nothing about who may stay.

mod behaviour;
mod buffered;
mod drowsy;
mod handler;
mod key;
mod mux;
mod muxer;
mod noise;
#[cfg(feature = "quic")]
mod quic;
mod secure;
mod transport;

pub(crate) use behaviour::{Behaviour, StreamEvent};
pub(crate) use drowsy::Drowsy;
pub(crate) use handler::{HandlerIn, HandlerOut};
pub(crate) use key::{node_id, peer_id};
pub(crate) use noise::has_fast_aes;
pub(crate) use transport::build;

use libp2p::StreamProtocol;

/// Both directions of control messages, one per connection.
const CONTROL: StreamProtocol = StreamProtocol::new("/archipelago/control/1");

/// Frames of the pair channel, in one direction.
const DATA: StreamProtocol = StreamProtocol::new("/archipelago/data/1");

/// The swarm as this library uses it.
pub(crate) type Swarm = libp2p::Swarm<Behaviour>;
