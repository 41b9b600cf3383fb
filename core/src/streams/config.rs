//! Limits and times of the streams between two nodes.

use std::time::Duration;

/// Limits and times of streams; one value serves all peers of a node.
#[derive(Clone, Debug)]
pub struct StreamsConfig {
    /// Bytes of one stream that its receiver holds unread, at least 1. Default 256 KiB: as much as
    /// a pair channel has under way.
    pub window_bytes: u64,
    /// Streams to one peer. Default 32; beyond it one is refused, not queued. From a peer half as
    /// many more are taken: the word that one has ended may come after the next one.
    pub len_max: usize,
    /// A stream in which nothing is written, arrives or is read for so long ends at both ends.
    /// Default 60 s.
    pub idle_max: Duration,
    /// Bytes of one piece, at least 1. Default 16 KiB: one chunk of a channel, so that no piece is
    /// put together.
    pub piece_bytes_max: usize,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        Self {
            window_bytes: 256 * 1024,
            len_max: 32,
            idle_max: Duration::from_secs(60),
            piece_bytes_max: 16 * 1024,
        }
    }
}

impl StreamsConfig {
    /// What a reader took is told at the latest after so long, since a writer waits no longer than
    /// `idle_max` for it.
    pub(super) fn grant_delay(&self) -> Duration {
        self.idle_max / 4
    }

    /// Streams from one peer at most.
    pub fn inbound_len_max(&self) -> usize {
        self.len_max.saturating_add(self.len_max.div_ceil(2))
    }

    pub(super) fn window(&self) -> u64 {
        self.window_bytes.max(1)
    }
}
