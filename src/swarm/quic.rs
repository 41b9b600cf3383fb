//! QUIC beside TCP: the addresses that end in `/quic-v1`.
//!
//! One UDP socket serves all connections of a listener. QUIC encrypts by TLS 1.3 with the node's
//! own key and has streams of its own, so that neither [`super::secure`] nor [`super::mux`] is
//! asked. What it costs beside TCP is in the README.
//!
//! Source: RFC 9000; libp2p's specification *quic*.

use std::time::Duration;

use futures::future::Either;
use libp2p::PeerId;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, OrTransport, Transport};
use libp2p::identity::Keypair;
use libp2p::quic::Config;
use libp2p::quic::tokio::Transport as Quic;

use super::transport::{ACKNOWLEDGED_WITHIN, STREAMS_MAX};

/// Bytes of one stream that may be under way and unread, and of all streams of a connection. Bodies
/// go by one stream; the pair channel bounds what it has under way at a few mebibytes.
const STREAM_BYTES_MAX: u32 = 4 * 1024 * 1024;
const CONNECTION_BYTES_MAX: u32 = 8 * 1024 * 1024;

/// Dials and listens by QUIC where the address says so, else by `streams`.
pub(super) fn beside(
    streams: Boxed<(PeerId, StreamMuxerBox)>,
    keys: &Keypair,
    handshake_timeout: Duration,
) -> Boxed<(PeerId, StreamMuxerBox)> {
    let quic = Quic::new(config(keys, handshake_timeout))
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)));
    OrTransport::new(streams, quic)
        .map(|either, _| match either {
            Either::Left(opened) | Either::Right(opened) => opened,
        })
        .boxed()
}

fn config(keys: &Keypair, handshake_timeout: Duration) -> Config {
    let mut config = Config::new(keys);
    config.handshake_timeout = handshake_timeout;
    config.max_idle_timeout = u32::try_from(ACKNOWLEDGED_WITHIN.as_millis()).unwrap_or(u32::MAX);
    config.keep_alive_interval = ACKNOWLEDGED_WITHIN / 3;
    config.max_concurrent_stream_limit = u32::try_from(STREAMS_MAX).unwrap_or(u32::MAX);
    config.max_stream_data = STREAM_BYTES_MAX;
    config.max_connection_data = CONNECTION_BYTES_MAX;
    config
}
