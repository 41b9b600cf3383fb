//! One session as the table keeps it, and the rate at which it may speak.
//!
//! A session at rest (in use, and justified) is [`Session`] alone, 24 bytes: its start and its
//! transcript are the peer's own, in the table of peers. What only a session that comes, goes or
//! is in doubt needs lies in [`Unsettled`], beside it.

use std::time::Duration;

use archipelago_core::wire::{Nonce, SessionId};
use archipelago_core::{Boot, Peer, Time};

use crate::node::SessionKind;

/// One authenticated connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// The driver's number.
    pub(crate) id: SessionId,
    /// Who is at the other end.
    pub(crate) peer: Peer,
    /// When the connection came up.
    pub(super) opened: Opened,
    /// How fast it may speak.
    pub(super) rate: Rate,
    /// Messages that fit nowhere.
    pub(super) strikes: u8,
    /// Whether this node dialled it.
    pub(super) is_ours: bool,
    /// Whether the data plane was told that it may use it.
    pub(crate) is_attached: bool,
    /// What watchers were told of it.
    pub(crate) shown: Option<SessionKind>,
}

/// What a session needs that is not at rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsettled {
    /// How far it is.
    pub(super) phase: Phase,
    /// When to look at it again; the key of its place in the table's queue.
    pub(super) due: Time,
    /// What keeps it from being closed as unwanted.
    pub(super) hold: Hold,
    /// The peer's start, as it said on this session.
    pub(super) boot: Boot,
    /// What both Hellos said, hashed.
    pub(super) transcript: [u8; 16],
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Our Hello is sent, the peer's is awaited.
    Opening(Nonce),
    /// Both Hellos were exchanged.
    Ready,
    /// Another session of the pair is better; the smaller node decides, and this one is not it.
    Spare,
    /// The other end said `Bye(Duplicate)`, and the session that it keeps is not ready here yet.
    Leaving,
    /// Our `Bye` is sent: nothing more leaves, what still arrives counts.
    Ending(crate::node::CloseReason),
}

/// Whether anything justifies a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// A group or on-demand traffic.
    Justified,
    /// Nothing, and at this instant it ends.
    Until(Time),
}

/// When a connection came up, in steps of 65.5 ms: room for eight years in four bytes. Who dialled
/// twice within a step is taken to have meant the one that was ready last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Opened(u32);

impl Opened {
    const STEP_BITS: u32 = 16;

    /// The step that `now` lies in; the last one for ever after eight years.
    pub(super) fn new(now: Time) -> Self {
        let steps = now.as_micros() >> Self::STEP_BITS;
        Self(u32::try_from(steps).unwrap_or(u32::MAX))
    }

    /// How much later than `other`, to a step; zero when it was earlier.
    pub(super) fn since(self, other: Self) -> Duration {
        let steps = u64::from(self.0.saturating_sub(other.0));
        Duration::from_micros(steps << Self::STEP_BITS)
    }
}

/// A leaky bucket: control messages are few, and a flood of them is no accident.
///
/// Kept is when the bucket will have run empty, in turns of [`Rate::TURN_US`] that wrap: a time
/// that lies further ahead than the bucket is deep lies in the past. A session that rests for ten
/// days and speaks in just the wrong four seconds finds a bucket fuller than it left it.
/// Source: the generic cell rate algorithm (ITU-T I.371) in its virtual-scheduling form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate(u32);

impl Rate {
    /// Messages at once.
    pub(super) const BURST: u32 = 20_000;
    /// What a message costs in the long run: five a millisecond.
    const TURN_US: u64 = 200;

    /// An empty bucket.
    pub(super) fn new(now: Time) -> Self {
        Self(turn(now))
    }

    /// Puts one message in; `false` when the sender is too fast.
    pub(super) fn take(&mut self, now: Time) -> bool {
        let now = turn(now);
        let ahead = self.0.wrapping_sub(now);
        let level = if ahead > Self::BURST { 0 } else { ahead };
        if level == Self::BURST {
            return false;
        }
        self.0 = now.wrapping_add(level + 1);
        true
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "turns wrap, and only their differences are read"
)]
const fn turn(now: Time) -> u32 {
    (now.as_micros() / Rate::TURN_US) as u32
}

/// The times of the table; none is configurable, since both ends must agree on the order of them.
pub(crate) mod times {
    use super::Duration;

    /// From the connection to the peer's Hello.
    pub(crate) const HELLO: Duration = Duration::from_secs(5);
    /// From the Hellos to being wanted by a group or introduced.
    pub(crate) const ADMISSION: Duration = Duration::from_secs(10);
    /// From being wanted by nobody any more to the end.
    pub(crate) const RELEASE: Duration = Duration::from_secs(2);
    /// From our `Bye` to the close, if the peer's does not come.
    pub(crate) const BYE: Duration = Duration::from_secs(5);
    /// How long a session that lost is borne without the decision of the smaller node.
    pub(crate) const SPARE: Duration = Duration::from_secs(10);
    /// How long a session that the other end gave up waits for its successor.
    pub(crate) const LEAVING: Duration = Duration::from_secs(2);
    /// Two connections whose ages differ by less crossed each other; else the older one was given
    /// up by who dialled anew.
    pub(crate) const CROSSING: Duration = Duration::from_secs(5);
    /// Silence after which a ping is sent.
    pub(crate) const QUIET: Duration = Duration::from_secs(45);
    /// Silence after which a session is closed.
    pub(crate) const SILENT: Duration = Duration::from_secs(60);
    /// Between two looks at all sessions at rest: silence is noticed so much later at most.
    pub(crate) const LOOK: Duration = Duration::from_secs(5);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_runs_dry_and_time_refills_a5() {
        let mut rate = Rate::new(Time::START);
        assert!((0..Rate::BURST).all(|_| rate.take(Time::START)));
        assert!(!rate.take(Time::START));
        let later = Time::START.after(Duration::from_millis(2));
        assert_eq!((0..20).filter(|_| rate.take(later)).count(), 10);
    }

    #[test]
    fn a_long_rest_empties_the_bucket_wherever_the_turns_wrap() {
        for days in [0, 1, 5, 9, 10, 400] {
            let start = Time::START.after(Duration::from_secs(days * 86_400));
            let mut rate = Rate::new(start);
            assert!((0..Rate::BURST).all(|_| rate.take(start)));
            let later = start.after(Duration::from_secs(5));
            assert_eq!((0..30_000).filter(|_| rate.take(later)).count(), 20_000);
        }
    }

    #[test]
    fn ages_are_told_to_a_step_for_years() {
        let year = Duration::from_secs(365 * 86_400);
        let old = Opened::new(Time::START.after(8 * year));
        let new = Opened::new(Time::START.after(8 * year + times::CROSSING));
        assert!(new > old && old.since(new) == Duration::ZERO);
        let age = new.since(old);
        assert!(age.abs_diff(times::CROSSING) <= Duration::from_millis(66));
        assert_eq!(Opened::new(Time::NEVER), Opened(u32::MAX));
    }

    #[test]
    fn a_session_at_rest_is_small() {
        assert_eq!(size_of::<Session>(), 24);
    }
}
