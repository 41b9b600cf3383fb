//! What became of an entry's requests, and what a host's workers saw.

use std::time::Duration;

/// Counts of one node, or of many summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyedReport {
    /// Requests begun.
    pub asked: u64,
    /// Answered by a worker.
    pub answered: u64,
    /// Given up at the deadline before anything was done.
    pub refused: u64,
    /// Without an answer by the deadline: they may have been done.
    pub unanswered: u64,
    /// Attempts that a host refused, and that were made again.
    pub redirected: u64,
    /// Of those, for want of a lease.
    pub unleased: u64,
    /// Requests done by workers of this node.
    pub done: u64,
    /// Workers that started with nothing: new keys, or states lost with a host.
    pub fresh: u64,
    /// Workers that started with what they left elsewhere, or when they were put to rest.
    pub resumed: u64,
    /// Requests of one entry and key done out of order or twice; there must be none.
    pub disordered: u64,
    /// The longest time to an answer.
    pub latency_max: Duration,
}

impl KeyedReport {
    /// Adds another node's counts.
    pub fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.redirected += other.redirected;
        self.unleased += other.unleased;
        self.done += other.done;
        self.fresh += other.fresh;
        self.resumed += other.resumed;
        self.disordered += other.disordered;
        self.latency_max = self.latency_max.max(other.latency_max);
    }

    /// Requests that have ended, in whatever way.
    pub const fn ended(&self) -> u64 {
        self.answered + self.refused + self.unanswered
    }
}
