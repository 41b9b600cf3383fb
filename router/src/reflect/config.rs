//! Limits and times of reflection, and what was counted against them.

use std::time::Duration;

/// Limits and times of [`Reflect`](super::Reflect).
#[derive(Clone, Debug)]
pub struct ReflectConfig {
    /// Rows held, this node's own included. Default 1,024, which is also what a digest holds and
    /// so the most; at the limit a row of a new originator is refused and counted.
    pub rows_max: usize,
    /// Reflectors that a copy of a row may have passed and still be passed on. Default 32.
    pub clusters_max: usize,
    /// Least time between two own rows, but for withdrawals. Default 200 ms.
    pub damping: Duration,
    /// The same where others need not act on it: sizes, and reflectors whom enough others
    /// confirm. Default 3 s: while a backbone of r reflectors forms, each comes up to r − 1 others
    /// that would all sign and flood a row for it.
    pub damping_slow: Duration,
    /// Reflectors of a group that tell of a newcomer after `damping`, the others after
    /// `damping_slow`. Default 2: one confirms its edge, and one may be lost.
    pub confirmers: usize,
    /// Between two own rows when nothing changed, ± 20 %. Default 60 s.
    pub refresh: Duration,
    /// A row not renewed for so long is forgotten. Default 180 s: three refreshes.
    pub expiry: Duration,
    /// Between two digests, each to one neighbour in turn. Default 10 s.
    pub digest_period: Duration,
    /// A row that was sent is sent again to a neighbour that shows it lacks it, but not before
    /// this: the first copy may still be on its way. Default 5 s.
    pub repair_after: Duration,
    /// Departed members remembered per group, to tell `Gone` from never there. Default 256; at
    /// the limit the oldest is forgotten.
    pub gone_max: usize,
    /// Routes are told to watchers this long after the map changed. Default 10 ms.
    pub settle: Duration,
    /// Least time between two tellings: each is a search of the whole map. Default 200 ms.
    pub settle_pace: Duration,
}

impl Default for ReflectConfig {
    fn default() -> Self {
        Self {
            rows_max: 1_024,
            clusters_max: 32,
            damping: Duration::from_millis(200),
            damping_slow: Duration::from_secs(3),
            confirmers: 2,
            refresh: Duration::from_secs(60),
            expiry: Duration::from_secs(180),
            digest_period: Duration::from_secs(10),
            repair_after: Duration::from_secs(5),
            gone_max: 256,
            settle: Duration::from_millis(10),
            settle_pace: Duration::from_millis(200),
        }
    }
}

/// What became of rows that arrived, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReflectCounters {
    /// Newer than what was held: applied, and passed on.
    pub accepted: u64,
    /// Known already, or older than what is known.
    pub old: u64,
    /// Back at where they came from or had passed.
    pub looped: u64,
    /// Older than rows live, by their own age.
    pub expired: u64,
    /// The table was full.
    pub full: u64,
    /// The signature is not the originator's: the session that brought it is broken off.
    pub forged: u64,
    /// From a peer that is no reflector of a common group.
    pub strangers: u64,
    /// Applied, but passed on no further: the cluster list is at its limit.
    pub too_far: u64,
}
