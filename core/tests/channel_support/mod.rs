//! Two channels and what lies between them, for the tests of the pair channel.
//!
//! The world loses, repeats and reorders what goes by relay, opens and closes sessions at each end
//! at its own time, restarts nodes and fills mailboxes. It makes no decision of the protocol: it
//! calls the product's own `Channel` as a driver would, and keeps account of what was sent and
//! delivered.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod account;
pub mod rig;
pub mod world;

use std::time::Duration;

use archipelago_core::LocalId;
use archipelago_core::channel::{ChannelConfig, Kind, Message, Path};
use archipelago_core::wire::SessionId;
use bytes::Bytes;

/// The direct path of a session.
pub const fn direct(slot: u32) -> Path {
    Path::Direct(SessionId {
        slot,
        generation: 0,
    })
}

/// A message of `payload` from mailbox `from` to mailbox `to`.
pub fn message(from: u64, to: u64, payload: impl Into<Bytes>) -> Message {
    Message {
        from: LocalId(from),
        to: LocalId(to),
        kind: Kind::Cast,
        payload: payload.into(),
    }
}

/// Limits so small that short messages are cut, windows fill and queues overflow.
pub fn small_config() -> ChannelConfig {
    ChannelConfig {
        paused_bytes_max: 64,
        queue_bytes_max: 600,
        window_bytes_max: 200,
        message_bytes_max: 100,
        chunk_bytes_max: 16,
        reassembly_bytes_max: 500,
        ack_delay_relay: Duration::from_millis(100),
        ack_delay_direct: Duration::from_secs(1),
        retransmit_timeout: Duration::from_secs(1),
    }
}
