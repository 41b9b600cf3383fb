//! Limits of forwarding, and what was counted against them.

use std::time::Duration;

/// Limits of [`Forward`](super::Forward).
#[derive(Clone, Debug)]
pub struct ForwardConfig {
    /// Reflectors that one envelope may pass. Default 32.
    pub hops_max: u8,
    /// Nodes that this one exchanges envelopes with, remembered. Default 1,024; at the limit the
    /// least recently used is forgotten, and met again by its record.
    pub contacts_max: usize,
    /// Another way is taken when so many envelopes were sent since one last came back, and the
    /// first of them so long ago. Default 2 and 1.9 s: with the channel's second repetition.
    pub withheld_after: (u32, Duration),
    /// Envelopes per second that are forwarded for any one source; twice that in a burst. Default
    /// 256.
    pub quota_envelopes: u32,
    /// Sealed bytes per second likewise. Default 1 MiB.
    pub quota_bytes: u32,
    /// Sources whose use is remembered. Default 1,024; at the limit the least recent is forgotten
    /// and begins with a full burst.
    pub sources_max: usize,
    /// Broken paths between members that are remembered. Default 4,096; what is beyond is ignored.
    pub broken_max: usize,
}

impl Default for ForwardConfig {
    fn default() -> Self {
        Self {
            hops_max: 32,
            contacts_max: 1_024,
            withheld_after: (2, Duration::from_millis(1_900)),
            quota_envelopes: 256,
            quota_bytes: 1024 * 1024,
            sources_max: 1_024,
            broken_max: 4_096,
        }
    }
}

/// What became of envelopes, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwardCounters {
    /// Sealed and sent by this node.
    pub sent: u64,
    /// Passed on for others.
    pub passed_on: u64,
    /// Opened here and handed up.
    pub arrived: u64,
    /// Way changed because nothing came back.
    pub rerouted: u64,
    /// Dropped, and why.
    pub dropped: Dropped,
}

/// Envelopes that this node dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Did not open, or its record is not the source's: altered on its way, or forged.
    pub altered: u64,
    /// Opened before, or too old to tell.
    pub replayed: u64,
    /// Meant for another start of this node, or sealed by an earlier one of the source.
    pub boot: u64,
    /// From a source whose record this node neither has nor got.
    pub unknown_source: u64,
    /// Opened, but no payload; or a route that does not lead through this node.
    pub malformed: u64,
    /// From a peer that may not bring it: not the source, no reflector, or no member.
    pub impostor: u64,
    /// No hops left.
    pub hops: u64,
    /// The source is beyond its quota.
    pub quota: u64,
    /// This node does not reflect.
    pub not_reflecting: u64,
    /// Its group is closed to others.
    pub closed: u64,
    /// The target is not in the group.
    pub no_target: u64,
    /// No session with the next node.
    pub no_session: u64,
    /// No reflector leads to the group.
    pub no_route: u64,
}
