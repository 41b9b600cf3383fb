//! One session as the table keeps it, and the rate at which it may speak.

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
    /// How far it is.
    pub(crate) phase: Phase,
    /// When the connection came up.
    pub(crate) opened_at: Time,
    /// When to look at it again; the key of its place in the table's queue.
    pub(crate) due: Time,
    /// Whether this node dialled it.
    pub(crate) is_ours: bool,
    /// The peer's start, as it said on this session.
    pub(crate) boot: Boot,
    /// What both Hellos said, hashed.
    pub(crate) transcript: [u8; 16],
    /// What keeps it from being closed as unwanted.
    pub(crate) hold: Hold,
    /// Whether the data plane was told that it may use it.
    pub(crate) is_attached: bool,
    /// What watchers were told of it.
    pub(crate) shown: Option<SessionKind>,
    /// Messages that fit nowhere.
    pub(crate) strikes: u8,
    /// How fast it may speak.
    pub(crate) rate: Rate,
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

/// A token bucket: control messages are few, and a flood of them is no accident.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    tokens: u32,
    filled_ms: u32,
}

impl Rate {
    /// Messages at once.
    pub(crate) const BURST: u32 = 20_000;
    /// Messages a millisecond, in the long run.
    const PER_MS: u32 = 5;

    /// A full bucket.
    pub(crate) fn new(now: Time) -> Self {
        Self {
            tokens: Self::BURST,
            filled_ms: millis(now),
        }
    }

    /// Takes one message; `false` when the sender is too fast.
    pub(crate) fn take(&mut self, now: Time) -> bool {
        let now_ms = millis(now);
        let elapsed = now_ms.wrapping_sub(self.filled_ms);
        let filled = self
            .tokens
            .saturating_add(elapsed.saturating_mul(Self::PER_MS));
        self.tokens = filled.min(Self::BURST);
        self.filled_ms = now_ms;
        match self.tokens.checked_sub(1) {
            Some(left) => self.tokens = left,
            None => return false,
        }
        true
    }
}

/// Wraps after seven weeks, which a difference does not notice.
#[allow(clippy::cast_possible_truncation)]
fn millis(now: Time) -> u32 {
    (now.as_micros() / 1_000) as u32
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
}
