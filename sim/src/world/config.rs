//! What a world is made from: the seed, the links, and the transport's habits.

use std::time::Duration;

use archipelago_core::channel::ChannelConfig;

use crate::link::LinkProfile;
use crate::underlay::Underlay;

/// Everything that a run depends on, beside the verbs.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// All chance comes from here.
    pub seed: u64,
    /// Every link that has no profile of its own.
    pub link: LinkProfile,
    /// What every link that has no profile of its own lies on, in place of `link`. Default none.
    pub underlay: Option<Underlay>,
    /// A timer fires up to this late. Default 1 ms, as operating systems do.
    pub timer_slack: Duration,
    /// What a handshake takes a node's processor at each end; a node's handshakes are done one
    /// after the other. Default nothing: only latency counts, as between machines.
    pub handshake_time: Duration,
    /// What each packet that arrives takes the node's one processor, its answers and all that
    /// follows from it included; packets wait for each other and for handshakes. Default nothing.
    pub packet_time: Duration,
    /// A dial that gets no answer fails after this. Default 3 s.
    pub dial_timeout: Duration,
    /// A session that gets no acknowledgement breaks after this. Default 20 s.
    pub transport_timeout: Duration,
    /// Whether control messages pass through their bytes on the way, as live. Default true;
    /// false is faster and keeps what receivers share shared.
    pub codec: bool,
    /// Whether the trace covers messages' contents, not only their times. Default true.
    pub trace: bool,
    /// Whether what nodes report is kept for tests and checkers. Default true.
    pub log: bool,
    /// Threads that run the world. Default 1. No result depends on it.
    pub threads: usize,
    /// Parts of the world that may run side by side, at least as many as threads. Default 1. No
    /// result depends on it.
    pub shards: usize,
    /// So many nodes of neighbouring numbers are in one shard. Default 64: groups that were added
    /// together stay together. No result depends on it.
    pub stripe_len: u32,
    /// Limits and times of every channel.
    pub channel: ChannelConfig,
}

impl WorldConfig {
    /// The defaults, with this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            link: LinkProfile::default(),
            underlay: None,
            timer_slack: Duration::from_millis(1),
            handshake_time: Duration::ZERO,
            packet_time: Duration::ZERO,
            dial_timeout: Duration::from_secs(3),
            transport_timeout: Duration::from_secs(20),
            codec: true,
            trace: true,
            log: true,
            threads: 1,
            shards: 1,
            stripe_len: 64,
            channel: ChannelConfig::default(),
        }
    }

    /// For worlds of very many nodes: nothing is kept, copied or hashed that need not be.
    pub fn large(seed: u64) -> Self {
        Self {
            codec: false,
            trace: false,
            log: false,
            ..Self::new(seed)
        }
    }
}
