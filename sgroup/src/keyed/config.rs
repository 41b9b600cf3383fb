//! Limits and times of a host of keyed workers.

use std::time::Duration;

/// How one node hosts the workers of one service.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Entries outside of the group find the service, where its policy lets them in. Default `false`.
    pub is_exported: bool,
    /// A worker with nothing to do for so long is put to rest; noticed up to an eighth later.
    /// Default 60 s, at least 1 ms.
    pub idle_timeout: Duration,
    /// Requests that wait for one worker, besides the one that it is at. Default 64; beyond, the
    /// entry is told and tries again until its caller's deadline.
    pub mailbox_len_max: usize,
    /// Workers of this node, those at rest included. Default 1,048,576; beyond, no new key is
    /// taken.
    pub workers_max: usize,
    /// Requests that wait for shards which are on their way here. Default 4,096; beyond, as with a
    /// full mailbox.
    pub held_len_max: usize,
    /// Bytes of those requests. Default 64 MiB.
    pub held_bytes_max: usize,
    /// From the offer of the service to the first claim: hosts that begin at the same time have
    /// heard of each other by then. Default 500 ms, ten times what a member's word takes to all.
    pub settle: Duration,
    /// After so long without an answer a word to another host is repeated. Default 500 ms: words
    /// are lost with a path only.
    pub retry: Duration,
    /// Shards with workers that are handed over at once. Default 4: their states lie in memory
    /// twice until they have been taken.
    pub transfers_max: usize,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            is_exported: false,
            idle_timeout: Duration::from_secs(60),
            mailbox_len_max: 64,
            workers_max: 1 << 20,
            held_len_max: 4_096,
            held_bytes_max: 64 * 1024 * 1024,
            settle: Duration::from_millis(500),
            retry: Duration::from_millis(500),
            transfers_max: 4,
        }
    }
}
