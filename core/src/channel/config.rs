//! Limits and times of a channel, and what can be wrong with what is given to it.
//!
//! Both ends of a channel should hold the same limits: a smaller one at the receiver shows as
//! [`FrameError`] there, never as memory.

use std::time::Duration;

/// Why a message was not accepted; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The queue is at its limit: wait for [`ChannelOutput::Writable`](super::ChannelOutput).
    #[error("the queue to this peer is full: wait until it is writable")]
    Full,
    /// Longer than a message may be.
    #[error("{len} bytes, but a message holds at most {max}: send it as a stream")]
    TooLong {
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
}

/// Bytes from the peer that break the protocol: close the session that brought them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Not a frame, or one that contradicts those before it.
    #[error("bytes that are no frame")]
    Malformed,
    /// A frame or message beyond its limit.
    #[error("a frame or message beyond its limit")]
    TooLong,
    /// More than was granted.
    #[error("more bytes than were granted")]
    OverCredit,
}

/// Limits and times of a channel; one value serves all channels of a node.
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// Bytes accepted from senders and not yet transmitted. Default 1 MiB; one message is always
    /// accepted into an empty queue.
    pub queue_bytes_max: usize,
    /// The same of messages that wait for full mailboxes of the peer: they take no room from the
    /// others. Default 4 MiB.
    pub paused_bytes_max: usize,
    /// Bytes transmitted and not acknowledged. Default 256 KiB: what lies below the lanes cannot
    /// be overtaken.
    pub window_bytes_max: usize,
    /// Longest message in bytes, at most 4 GiB. Default 16 MiB.
    pub message_bytes_max: usize,
    /// Longest payload of one frame in bytes, at least 1. Default 16 KiB.
    pub chunk_bytes_max: usize,
    /// Bytes of unfinished and undelivered messages held for the receiver's mailboxes. Default
    /// 32 MiB; one message of the longest length is always admitted.
    pub reassembly_bytes_max: usize,
    /// Longest wait before an acknowledgement on relay and detour. Default 100 ms.
    pub ack_delay_relay: Duration,
    /// Longest wait before an acknowledgement on a direct path. Default 1 s.
    pub ack_delay_direct: Duration,
    /// Least time before frames are sent again on relay and detour; from the second repetition on
    /// it doubles up to sixteen times this. Default 1 s.
    pub retransmit_timeout: Duration,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            queue_bytes_max: 1024 * 1024,
            paused_bytes_max: 4 * 1024 * 1024,
            window_bytes_max: 256 * 1024,
            message_bytes_max: 16 * 1024 * 1024,
            chunk_bytes_max: 16 * 1024,
            reassembly_bytes_max: 32 * 1024 * 1024,
            ack_delay_relay: Duration::from_millis(100),
            ack_delay_direct: Duration::from_secs(1),
            retransmit_timeout: Duration::from_secs(1),
        }
    }
}

impl ChannelConfig {
    /// The whole of what a receiver holds for one peer, its own bookkeeping included.
    pub(super) fn held_bytes_max(&self) -> u64 {
        let one = self.message_bytes_max.saturating_add(HELD_COST);
        to_u64(self.reassembly_bytes_max.max(one))
    }

    /// What a sender takes as granted until it is told: one message of the longest length, or half
    /// of what the receiver holds.
    pub(super) fn credit_initial(&self) -> u64 {
        let one = self.message_bytes_max.saturating_add(HELD_COST);
        to_u64(one).max(self.held_bytes_max() / 2)
    }
}

/// What a frame counts in the window besides its payload.
pub(super) const FRAME_COST: usize = 32;

/// What a held message counts besides its payload, so that many tiny ones are bounded too.
pub(super) const HELD_COST: usize = 64;

/// A length as the wire and the credit count it.
pub(super) fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
