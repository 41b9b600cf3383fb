//! TCP, or the memory of this process for tests; Noise or TLS proves keys and encrypts, and a
//! multiplexer of our own, or else yamux, carries streams. QUIC beside it, where it is compiled in.

use std::time::Duration;

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, MemoryTransport, OrTransport, Transport};
use libp2p::core::upgrade::{SelectUpgrade, Version};
use libp2p::identity::Keypair;
use libp2p::{PeerId, swarm, tcp};

use super::buffered::Buffered;
use super::mux::Mux;
use super::muxer::Yamux;
use super::secure::Secure;
use super::{Behaviour, Swarm};
use crate::{Limits, Security};

/// A connection ends when nothing that was sent is acknowledged for so long. Without it a kernel
/// tries for a quarter of an hour, after waits that double: a link that is whole again after 15 s
/// would carry nothing for another ten. The simulator's transport has the same limit.
pub(super) const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(20);

/// Substreams of one connection: control, data each way, and some that are on their way out. A
/// peer that opens more loses the connection.
pub(super) const STREAMS_MAX: usize = 64;

/// Substreams of one connection whose protocol is being negotiated; more are dropped.
const NEGOTIATING_MAX: usize = 16;

/// The swarm of a node.
///
/// # Errors
/// Those of the handshake about the key, for people.
pub(crate) fn build(
    keys: &Keypair,
    limits: &Limits,
    security: &[Security],
) -> Result<Swarm, String> {
    let transport = transport(keys, limits.handshake_timeout, security)?;
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
    security: &[Security],
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, String> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)).map(|stream, _| {
        limit_silence(&stream.0);
        Buffered::new(stream)
    });
    let streams = OrTransport::new(tcp, MemoryTransport::new())
        .upgrade(Version::V1Lazy)
        .authenticate(Secure::new(keys, security)?)
        .multiplex(SelectUpgrade::new(
            Mux::new(STREAMS_MAX),
            Yamux::new(STREAMS_MAX),
        ))
        .timeout(handshake_timeout)
        .boxed();
    #[cfg(feature = "quic")]
    let streams = super::quic::beside(streams, keys, handshake_timeout);
    Ok(streams)
}

/// Sets the kernel's time-out for what is not acknowledged, where it has one that can be set. A
/// kernel that refuses leaves the connection as it is: sessions that are silent for a minute are
/// closed anyway.
#[cfg(target_os = "linux")]
fn limit_silence(stream: &tokio::net::TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let _refused = socket.set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN));
}

#[cfg(not(target_os = "linux"))]
fn limit_silence(_stream: &tokio::net::TcpStream) {}
