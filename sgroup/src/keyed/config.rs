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
    /// At most one activation of a key at any time, also in a split: a shard is run only while it is
    /// leased to this host, for so long at a time, by the word of the group's council, which there
    /// must be. Default `None`: no leases. 4 s suits most; below 3 s the death of the host that lets
    /// ends leases of others too, below 1 s they end by themselves. What a dead host ran is had
    /// again 1.1 times as long after, and it takes as long until a service runs that nobody hosted.
    /// All hosts of a service must say the same.
    pub lease: Option<Duration>,
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
            lease: None,
        }
    }
}
