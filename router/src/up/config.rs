//! Limits and times of the hierarchy, and what was counted against them.

use std::time::Duration;

/// Limits and times of [`Up`](super::Up).
#[derive(Clone, Debug)]
pub struct UpConfig {
    /// Elected for so long, a member joins the parent. Default 500 ms: while a group forms, the
    /// first ones there would all join.
    pub settle: Duration,
    /// Least time between two changes of one statement or record, but for withdrawals. Default
    /// 1 s.
    pub damping: Duration,
    /// No longer elected for so long, and replaced, a member leaves the parent. Default 3 s.
    pub linger: Duration,
    /// It leaves after this, replaced or not. Default 30 s.
    pub linger_max: Duration,
    /// Sizes are looked at this often by who exports them. Default 10 s.
    pub refresh: Duration,
    /// A parent that was cut off as mis-wired is tried again after this. Default 60 s.
    pub cut: Duration,
    /// How many of a group's reflectors tell of it in each parent. Default 2.
    pub exporters: usize,
    /// Groups below any one group that are remembered. Default 65,536, some 40 MB, as many as an
    /// owner's log holds; what is beyond is ignored and counted.
    pub records_max: usize,
}

impl Default for UpConfig {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(500),
            damping: Duration::from_secs(1),
            linger: Duration::from_secs(3),
            linger_max: Duration::from_secs(30),
            refresh: Duration::from_secs(10),
            cut: Duration::from_secs(60),
            exporters: 2,
            records_max: 65_536,
        }
    }
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpCounters {
    /// Parents joined.
    pub joined: u64,
    /// Parents left.
    pub left: u64,
    /// Edges cut: the parent is no higher than the group, or the group is above itself.
    pub cut: u64,
    /// Records written into logs of parents, renewals included.
    pub exported: u64,
    /// Records taken out of them.
    pub withdrawn: u64,
    /// Statements of members that are malformed, or forged.
    pub malformed: u64,
    /// Records beyond the limit.
    pub full: u64,
}
