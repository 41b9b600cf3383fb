//! TCP, or the memory of this process for tests; Noise proves keys and encrypts, yamux multiplexes.

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, MemoryTransport, OrTransport, Transport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, noise, swarm, tcp, yamux};

use super::{Behaviour, Swarm};
use crate::Limits;

/// Substreams of one connection: control, data each way, and some that are on their way out. A
/// peer that opens more loses the connection.
const STREAMS_MAX: usize = 64;

/// Substreams of one connection whose protocol is being negotiated; more are dropped.
const NEGOTIATING_MAX: usize = 16;

/// The swarm of a node.
///
/// # Errors
/// Those of Noise about the key, for people.
pub(crate) fn build(keys: &Keypair, limits: &Limits) -> Result<Swarm, String> {
    let transport = transport(keys, limits.handshake_timeout)?;
    let config = swarm::Config::with_tokio_executor()
        .with_max_negotiating_inbound_streams(NEGOTIATING_MAX)
        .with_per_connection_event_buffer_size(4)
        .with_idle_connection_timeout(Duration::from_secs(3_600));
    Ok(Swarm::new(
        transport,
        Behaviour::new(limits),
        keys.public().to_peer_id(),
        config,
    ))
}

fn transport(
    keys: &Keypair,
    handshake_timeout: Duration,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, String> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let noise = noise::Config::new(keys).map_err(|error| error.to_string())?;
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(STREAMS_MAX);
    Ok(OrTransport::new(tcp, MemoryTransport::new())
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(muxer)
        .timeout(handshake_timeout)
        .boxed())
}
