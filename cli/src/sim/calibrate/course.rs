//! What is done to the cluster, live and simulated: the same steps with the same pauses.
//!
//! ```text
//!  start all ── form ── rest ── one more joins, again and again ── streams across groups, one by one
//!      ── a member stopped and continued, again and again ── members killed
//! ```

use std::time::Duration;

/// From the first start until what forming cost is counted.
pub(super) const FORMING: Duration = Duration::from_secs(5);
/// How long the one that joined stays, and until the next one comes.
pub(super) const STAY: Duration = Duration::from_millis(500);
pub(super) const GONE: Duration = Duration::from_millis(1_500);
/// After the streams, until their sessions have closed.
pub(super) const CLOSING: Duration = Duration::from_secs(4);
/// After a member is back, until it is stopped again; and up to so much more, by chance, so that
/// stops fall on any phase of the heartbeats.
pub(super) const BACK: Duration = Duration::from_secs(2);
pub(super) const PHASE: Duration = Duration::from_secs(1);
/// After a kill was known.
pub(super) const KILLED: Duration = Duration::from_secs(1);
/// Longest wait for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// A stream across groups: its messages, their distance and their size, as the demo sends them.
pub(super) const STREAM: (u64, Duration, usize) = (25, Duration::from_millis(10), 48);

/// How often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// How long the formed cluster is counted at rest.
    pub(super) rest: Duration,
    /// Nodes that join, one after the other.
    pub(super) joins: usize,
    /// Streams across groups.
    pub(super) streams: usize,
    /// Stops of one member.
    pub(super) stops: usize,
    /// Members killed.
    pub(super) kills: usize,
}

/// What the live run drew by chance, and the simulated ones do again.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// Who writes to whom.
    pub(super) streams: Vec<(usize, usize)>,
    /// Who is killed.
    pub(super) kills: Vec<usize>,
}
