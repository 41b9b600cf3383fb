//! One node outside our groups that we talk to, or did a while ago.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::SignedIntroduction;
use archipelago_core::{GroupId, Time};

use super::introduction::has_life;

/// Traffic on relay is summed up over so long.
const WINDOW: Duration = Duration::from_secs(10);

/// What is known of a node that is talked to.
#[derive(Debug)]
pub(crate) struct Contact {
    /// Where to look it up.
    pub(super) home: Option<GroupId>,
    /// The look-up under way, and what for.
    pub(super) search: Search,
    /// The key to its door, and since when it is held.
    pub(super) key: Option<(Arc<SignedIntroduction>, Time)>,
    /// The direct session.
    pub(super) link: Link,
    /// Whether the relay path is attached.
    pub(super) is_relayed: bool,
    /// Traffic on relay since the window began.
    pub(super) demand: Demand,
    /// When anything was last sent or received.
    pub(super) used_at: Time,
    /// When to look at it again; the key of its place in the queue.
    pub(super) due: Time,
}

/// Whether a look-up is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// None.
    Rest,
    /// For a path, any.
    Path,
    /// For an introduction to dial with; the relay serves meanwhile.
    Key,
}

/// How far the direct session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// There is none.
    None,
    /// It could not be dialled; not again before this.
    Refused(Time),
    /// Dialled.
    Dialling,
    /// In use since.
    Up(Time),
    /// In use since, and this end has proposed to close it.
    Proposed(Time),
}

/// A sum over a window of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    since: Time,
    messages: u32,
    bytes: u32,
}

impl Contact {
    /// Somebody new.
    pub(super) fn new(home: Option<GroupId>, now: Time) -> Self {
        Self {
            home,
            search: Search::Rest,
            key: None,
            link: Link::None,
            is_relayed: false,
            demand: Demand::default(),
            used_at: now,
            due: Time::NEVER,
        }
    }

    /// Whether the direct session is up.
    pub(super) const fn has_session(&self) -> bool {
        self.up_since().is_some()
    }

    /// Whether it counts against the budget.
    pub(super) const fn is_counted(&self) -> bool {
        self.has_session() || matches!(self.link, Link::Dialling)
    }

    /// Since when the session is up.
    pub(super) const fn up_since(&self) -> Option<Time> {
        match self.link {
            Link::Up(since) | Link::Proposed(since) => Some(since),
            Link::None | Link::Refused(_) | Link::Dialling => None,
        }
    }

    /// The introduction, while its target still takes it.
    pub(super) fn fresh_key(&self, now: Time) -> Option<&Arc<SignedIntroduction>> {
        let (key, held_since) = self.key.as_ref()?;
        let life_s = key.introduction.life_s;
        let life = Duration::from_secs(life_s.into());
        (has_life(life_s) && now.since(*held_since) < life).then_some(key)
    }
}

impl Demand {
    /// Adds to the sum; whether it is beyond the threshold now.
    pub(super) fn add(
        &mut self,
        (messages, bytes): (u32, u32),
        threshold: (u32, u32),
        now: Time,
    ) -> bool {
        if now.since(self.since) >= WINDOW {
            *self = Self {
                since: now,
                ..Self::default()
            };
        }
        self.messages = self.messages.saturating_add(messages);
        self.bytes = self.bytes.saturating_add(bytes);
        self.messages > threshold.0 || self.bytes > threshold.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_beyond_the_threshold_within_a_window_counts_and_old_traffic_does_not() {
        let mut demand = Demand::default();
        let start = Time::START.after(WINDOW);
        assert!(!demand.add((2, 100), (2, 4_096), start));
        assert!(demand.add((1, 100), (2, 4_096), start));
        let later = start.after(WINDOW);
        assert!(!demand.add((1, 4_096), (2, 4_096), later));
        assert!(demand.add((0, 1), (2, 4_096), later));
        assert!(demand.add((u32::MAX, u32::MAX), (2, 4_096), later));
    }
}
