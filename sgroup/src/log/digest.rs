//! What two members compare to find out that their logs differ.
//!
//! The hash of all marks of non-empty logs is a sum of one number per log, so that it is the same
//! in whichever order the logs came, and is kept up by one subtraction and one addition. It rides
//! on heartbeats. A peer's hash that is neither mine nor one that I had lately, for longer than
//! the digest delay, makes me send it my marks; both then ask the owners for what they miss.
//!
//! Cost: 4 bytes per heartbeat; a digest of about 46 bytes per non-empty log, at most one per peer
//! and digest delay. Equal sums of different marks (one in 2³²) hide a difference until the next
//! write; an owner's own repetition does not depend on them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use archipelago_core::wire::LogMark;
use archipelago_core::{Peer, Time};

/// Earlier hashes that are remembered.
const HISTORY_MAX: usize = 64;
/// An earlier hash counts for this many digest delays: who still has it then is not late but
/// stuck.
const HISTORY_DELAYS: u32 = 5;
/// Marks in one digest: about 46 KiB.
pub(super) const DIGEST_MARKS_MAX: usize = 850;

/// What a log at this mark adds to the hash; nothing if it is empty.
pub(super) fn contribution(mark: &LogMark) -> u32 {
    if mark.seq == 0 {
        return 0;
    }
    let mut hash = mark.owner.prefix();
    for number in [mark.boot.0, u64::from(mark.era.0), mark.seq] {
        hash = mix(hash ^ number);
    }
    // The upper half is as well mixed as the lower.
    u32::try_from(hash >> 32).unwrap_or(0)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Which peers differ since when, and which hashes were ours lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Differences {
    history: VecDeque<(Time, u32)>,
    peers: BTreeMap<Peer, Difference>,
}

#[derive(Clone, Copy, Debug)]
struct Difference {
    since: Option<Time>,
    told: Option<Time>,
}

impl Differences {
    /// Our hash was `old` until now.
    pub(super) fn on_change(&mut self, old: u32, now: Time) {
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back((now, old));
    }

    /// A peer has `theirs` where we have `ours`; whether it is time for a digest.
    pub(super) fn on_hash(
        &mut self,
        peer: Peer,
        (theirs, ours): (u32, u32),
        now: Time,
        delay: Duration,
    ) -> bool {
        let is_late = self.had(theirs, now, delay);
        if theirs == ours || is_late {
            if let Some(difference) = self.peers.get_mut(&peer) {
                difference.since = None;
            }
            return false;
        }
        let difference = self.peers.entry(peer).or_insert(Difference::NONE);
        let since = *difference.since.get_or_insert(now);
        now.since(since) >= delay && difference.may_tell(now, delay)
    }

    /// The peer's digest shows that it misses something; whether to send ours in return.
    pub(super) fn on_behind(&mut self, peer: Peer, now: Time, delay: Duration) -> bool {
        let difference = self.peers.entry(peer).or_insert(Difference::NONE);
        difference.may_tell(now, delay)
    }

    /// The peer is no member any more.
    pub(super) fn remove(&mut self, peer: Peer) {
        self.peers.remove(&peer);
    }

    fn had(&self, hash: u32, now: Time, delay: Duration) -> bool {
        let memory = delay.saturating_mul(HISTORY_DELAYS);
        let lately = |until: Time| now.since(until) <= memory;
        self.history
            .iter()
            .any(|&(until, old)| old == hash && lately(until))
    }
}

impl Difference {
    const NONE: Self = Self {
        since: None,
        told: None,
    };

    fn may_tell(&mut self, now: Time, delay: Duration) -> bool {
        let may = self.told.is_none_or(|told| now.since(told) >= delay);
        if may {
            self.told = Some(now);
        }
        may
    }
}
