//! The pair channel: one sequence per direction between two nodes, whatever path carries it.
//!
//! [`Channel`] is a machine of its own, one per busy peer; payloads never pass through the control
//! machine. Paths come and go ([`Channel::handle_path`]); what was sent is delivered in order,
//! once, without gaps within a channel epoch, or the sender is told.

mod frame;

pub use frame::Frame;

use std::time::Duration;

use bytes::Bytes;

use crate::wire::SessionId;
use crate::{Boot, LocalId, Time};

/// What can carry frames between two nodes; ordered from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// Over reflectors, by envelopes that the control machine forwards.
    Relay,
    /// Over other members of a common group, by envelopes likewise.
    Detour,
    /// A session between the two.
    Direct(SessionId),
}

/// A change of what carries the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathEvent {
    /// The path may be used from now on.
    Attached(Path),
    /// Nothing more arrives or leaves by this path.
    Detached(Path),
}

/// One message between two mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sender's mailbox on its node.
    pub from: LocalId,
    /// The receiver's mailbox on its node.
    pub to: LocalId,
    /// At most [`ChannelConfig::message_bytes_max`].
    pub payload: Bytes,
}

/// What a channel tells its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelOutput {
    /// A whole message arrived in order: hand it to its mailbox.
    Deliver(Message),
    /// The peer has no mailbox `to`; the message to it was discarded there.
    NoMailbox {
        /// Who sent it.
        from: LocalId,
        /// Who does not exist.
        to: LocalId,
    },
    /// Messages that were accepted but not acknowledged are lost, or may be: the peer restarted
    /// or forgot the channel. A new epoch starts with what is sent from now on.
    Reset {
        /// How many accepted messages may not have been delivered.
        unacked: usize,
    },
    /// The queue has room again after [`SendError::Full`].
    Writable,
}

/// Why a message was not accepted; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The queue is at its limit: wait for [`ChannelOutput::Writable`].
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
    /// Not a frame.
    #[error("bytes that are no frame")]
    Malformed,
    /// A frame or message beyond its limit.
    #[error("a frame or message beyond its limit")]
    TooLong,
    /// More than was granted.
    #[error("more bytes than were granted")]
    OverCredit,
}

/// Limits and times of a channel.
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// Bytes accepted from senders and not yet transmitted. Default 1 MiB; one message is always
    /// accepted into an empty queue.
    pub queue_bytes_max: usize,
    /// Bytes transmitted and not acknowledged. Default 256 KiB: what lies below the lanes cannot
    /// be overtaken.
    pub window_bytes_max: usize,
    /// Longest message in bytes. Default 16 MiB.
    pub message_bytes_max: usize,
    /// Longest payload of one frame in bytes. Default 16 KiB.
    pub chunk_bytes_max: usize,
    /// Bytes of unfinished and undelivered messages held for the receiver's mailboxes. Default
    /// 32 MiB.
    pub reassembly_bytes_max: usize,
    /// Longest wait before an acknowledgement on relay and detour. Default 100 ms.
    pub ack_delay_relay: Duration,
    /// Longest wait before an acknowledgement on a direct path. Default 1 s.
    pub ack_delay_direct: Duration,
    /// Least time before frames are sent again on relay and detour. Default 1 s.
    pub retransmit_timeout: Duration,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            queue_bytes_max: 1024 * 1024,
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

/// The machine between this node and one peer.
#[derive(Debug)]
pub struct Channel {
    peer_boot: Boot,
}

impl Channel {
    /// A channel at rest towards the peer's start `peer_boot`.
    pub const fn new(peer_boot: Boot) -> Self {
        Self { peer_boot }
    }

    /// The start of the peer that this channel speaks to.
    pub const fn peer_boot(&self) -> Boot {
        self.peer_boot
    }

    /// Accepts a message for delivery.
    ///
    /// # Errors
    /// [`SendError`]; the channel is unchanged.
    pub fn send(
        &mut self,
        _message: Message,
        _config: &ChannelConfig,
        _now: Time,
    ) -> Result<(), SendError> {
        Err(SendError::Full)
    }

    /// A path was attached or detached, to the start `peer_boot` of the peer.
    pub fn handle_path(
        &mut self,
        _event: PathEvent,
        _peer_boot: Boot,
        _config: &ChannelConfig,
        _now: Time,
        _out: &mut Vec<ChannelOutput>,
    ) {
    }

    /// Frames arrived by `path` from the start `peer_boot` of the peer; the batch is emptied.
    ///
    /// # Errors
    /// [`FrameError`]: close that session; the channel itself goes on.
    pub fn handle_frames(
        &mut self,
        _path: Path,
        _peer_boot: Boot,
        _batch: &mut Vec<Frame>,
        _config: &ChannelConfig,
        _now: Time,
        _out: &mut Vec<ChannelOutput>,
    ) -> Result<(), FrameError> {
        Ok(())
    }

    /// What to put on `path` now, at most `bytes_max` encoded bytes (but one frame always fits).
    /// Pulled when the socket has room; returns how many bytes were taken.
    pub fn poll_transmit(
        &mut self,
        _path: Path,
        _bytes_max: usize,
        _config: &ChannelConfig,
        _now: Time,
        _batch: &mut Vec<Frame>,
    ) -> usize {
        0
    }

    /// The path on which [`Channel::poll_transmit`] has something to send, if any.
    pub fn poll_path(&self) -> Option<Path> {
        None
    }

    /// Acknowledgements and retransmissions whose time has come.
    pub fn handle_timeout(
        &mut self,
        _config: &ChannelConfig,
        _now: Time,
        _out: &mut Vec<ChannelOutput>,
    ) {
    }

    /// When to call [`Channel::handle_timeout`], and why; may be early, never late.
    pub fn poll_timeout(&self) -> Option<(Time, &'static str)> {
        None
    }

    /// The receiver's mailbox `to` is full, or has room again: its flows stop, no others.
    pub fn handle_mailbox(&mut self, _to: LocalId, _is_full: bool, _now: Time) {}

    /// Whether nothing is queued, unacknowledged, half received or waiting to be said.
    pub fn is_at_rest(&self) -> bool {
        true
    }
}
