//! Limits and times of look-ups, and what was counted.

use std::time::Duration;

/// Limits and times of [`Lookups`](super::Lookups).
#[derive(Clone, Debug)]
pub struct LookupConfig {
    /// The next choice is asked when the last one was silent for this long. Default 100 ms.
    pub hedge: Duration,
    /// The same where this node asks on for others. Default 200 ms: longer than the hedge of who
    /// asked, so that a silent reflector is not gone round twice.
    pub hedge_on: Duration,
    /// A look-up fails after this, whoever is still silent. Default 2 s.
    pub timeout: Duration,
    /// Reflectors asked for one look-up. Default 3.
    pub tries_max: usize,
    /// Reflectors that may ask on for a look-up of this node. Default 32.
    pub hops_max: u8,
    /// Look-ups under way, others' included. Default 1,024.
    pub flights_max: usize,
    /// Of those, for any one peer. Default 64.
    pub flights_per_peer_max: usize,
    /// Answers cached, found or not. Default 1,024; the least recently used goes first.
    pub cache_max: usize,
    /// What was found is served without asking for this long. Default 120 s.
    pub fresh: Duration,
    /// And for so long while it is asked again. Default 240 s, below an introduction's life.
    pub stale: Duration,
    /// The same for who holds a name. Default 2 s.
    pub name_fresh: Duration,
    /// And while it is asked again. Default 30 s: a wrong answer costs one message that comes back.
    pub name_stale: Duration,
    /// `NotFound`, `Gone` and `Closed` are served without asking for this long. Default 1 s.
    pub negative: Duration,
    /// Life of the introductions that this node makes, in seconds. Default 300.
    pub introduction_life_s: u32,
}

impl Default for LookupConfig {
    fn default() -> Self {
        Self {
            hedge: Duration::from_millis(100),
            hedge_on: Duration::from_millis(200),
            timeout: Duration::from_secs(2),
            tries_max: 3,
            hops_max: 32,
            flights_max: 1_024,
            flights_per_peer_max: 64,
            cache_max: 1_024,
            fresh: Duration::from_secs(120),
            stale: Duration::from_secs(240),
            name_fresh: Duration::from_secs(2),
            name_stale: Duration::from_secs(30),
            negative: Duration::from_secs(1),
            introduction_life_s: 300,
        }
    }
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupCounters {
    /// Look-ups of this node that were answered from its cache.
    pub cache_hits: u64,
    /// Look-ups that joined one under way.
    pub shared: u64,
    /// Questions sent, the first of each look-up included.
    pub asked: u64,
    /// Of those, because an earlier choice was silent or lost.
    pub asked_again: u64,
    /// Questions of others answered by this node itself.
    pub answered: u64,
    /// Answers to nothing under way: late, or never asked for.
    pub unasked: u64,
    /// Answers with a wrong signature, target, group or requester.
    pub forged: u64,
    /// Questions in somebody else's name.
    pub impostors: u64,
    /// Questions refused at a limit.
    pub overloaded: u64,
}
