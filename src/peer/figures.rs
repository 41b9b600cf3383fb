//! What is held for one peer, in bytes, beside the bound of each: for people and for tests.
//!
//! The peer's task writes them down as often as it runs; whoever asks reads what was written last.

use std::sync::atomic::{AtomicUsize, Ordering};

use archipelago_core::NodeId;
use archipelago_core::channel::{ChannelConfig, ChannelStats};
use archipelago_router::LETTERS_BYTES_MAX;

use crate::Limits;
use crate::stream::QUEUE_BYTES;

/// Memory that one peer takes of this node, as its task saw it last; a peer without traffic takes
/// none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// Which peer.
    pub peer: NodeId,
    /// Bytes on their way to it: in queues, in streams' writers, in the channel, and there not
    /// acknowledged.
    pub outgoing_bytes: usize,
    /// The most that these may be: from [`Limits`] and the longest message.
    pub outgoing_bytes_max: usize,
    /// Bytes that came from it and nobody took: parts of messages, messages for full mailboxes,
    /// and what streams' readers have not read. Mailboxes are bounded by themselves.
    pub incoming_bytes: usize,
    /// The most that these may be.
    pub incoming_bytes_max: usize,
    /// Streams of bytes to it.
    pub streams_out: usize,
    /// Streams of bytes from it.
    pub streams_in: usize,
}

/// The figures of one peer, as its task wrote them down.
#[derive(Debug, Default)]
pub(super) struct Figures {
    outgoing: AtomicUsize,
    incoming: AtomicUsize,
    streams_out: AtomicUsize,
    streams_in: AtomicUsize,
}

/// What a peer's task counts beside its channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) writers_bytes: usize,
    pub(super) readers_bytes: usize,
    /// What waits for full mailboxes.
    pub(super) waiting_bytes: usize,
    pub(super) streams: (usize, usize),
}

impl Figures {
    pub(super) fn set(&self, channel: ChannelStats, counted: Counted) {
        let held = usize::try_from(channel.held_bytes).unwrap_or(usize::MAX);
        let outgoing = channel.queued_bytes + channel.unacked_bytes + counted.writers_bytes;
        let incoming = held.saturating_add(counted.readers_bytes + counted.waiting_bytes);
        let (streams_out, streams_in) = counted.streams;
        for (figure, value) in [
            (&self.outgoing, outgoing),
            (&self.incoming, incoming),
            (&self.streams_out, streams_out),
            (&self.streams_in, streams_in),
        ] {
            figure.store(value, Ordering::Relaxed);
        }
    }

    /// With what waits before the channel.
    pub(super) fn read(
        &self,
        peer: NodeId,
        queued: usize,
        limits: &Limits,
        config: &ChannelConfig,
    ) -> PeerInfo {
        let read = |figure: &AtomicUsize| figure.load(Ordering::Relaxed);
        PeerInfo {
            peer,
            outgoing_bytes: queued + read(&self.outgoing),
            outgoing_bytes_max: outgoing_max(limits, config),
            incoming_bytes: read(&self.incoming),
            incoming_bytes_max: incoming_max(limits, config),
            streams_out: read(&self.streams_out),
            streams_in: read(&self.streams_in),
        }
    }
}

/// Two queues before the channel, whose own holds what waits for full mailboxes besides; one of
/// them may hold one message that is longer than itself, and each writer one write.
fn outgoing_max(limits: &Limits, config: &ChannelConfig) -> usize {
    let queues = 2 * limits.send_queue_bytes_max + LETTERS_BYTES_MAX;
    let room = limits.send_queue_bytes_max + 3 * QUEUE_BYTES;
    let channel = config.queue_bytes_max + room + config.paused_bytes_max + config.window_bytes_max;
    let streams = limits.streams_per_peer_max * limits.stream_buffer_bytes;
    queues + channel + streams + 2 * config.message_bytes_max
}

fn incoming_max(limits: &Limits, config: &ChannelConfig) -> usize {
    let streams = limits.streams().inbound_len_max() * limits.stream_window_bytes;
    let held = config.reassembly_bytes_max.max(config.message_bytes_max);
    // Up to a window may follow what fills a mailbox.
    held + streams + config.message_bytes_max + config.window_bytes_max
}
