//! How a group is configured at one node, and the times that it runs by.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Address, GroupId, NodeId};

/// One group as this node is configured for it.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// The realm's name; part of the group's id.
    pub realm: Arc<str>,
    /// The group's name, at most 255 bytes, no control characters.
    pub name: Arc<str>,
    /// Who may enter; `None` declares the group `open`, for local experiments.
    pub cookies: Option<Cookies>,
    /// Whom to ask for admission; none: this node may found the group alone.
    pub seeds: Vec<Seed>,
    /// How many members the group is meant for; quorums count against it. 0: not said.
    pub size: u32,
    /// Most members. Default 1,024.
    pub members_max: u32,
    /// Nodes outside may not be introduced to members.
    pub is_closed: bool,
    /// Times of the failure detector and of joining.
    pub timing: Arc<Timing>,
}

impl GroupConfig {
    /// The group's id.
    pub fn id(&self) -> GroupId {
        GroupId::new(&self.realm, &self.name)
    }
}

/// The secrets of a group: the current one proves, both are accepted.
#[derive(Clone)]
pub struct Cookies {
    /// Proves, and is accepted.
    pub current: Arc<[u8]>,
    /// Accepted while a rotation lasts.
    pub previous: Option<Arc<[u8]>>,
}

impl std::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookies(..)")
    }
}

/// A member to join through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Where it listens.
    pub address: Address,
    /// Who it must be, if that is known.
    pub node: Option<NodeId>,
}

/// A configuration that cannot work; says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupConfigError {
    /// The name is empty, too long, or has control characters.
    #[error("group name {name:?}: give it 1 to 255 bytes without control characters")]
    Name {
        /// The name, escaped when shown.
        name: String,
    },
    /// An empty cookie admits everybody by accident.
    #[error("group {name:?} has an empty cookie: give it one, or declare the group open")]
    EmptyCookie {
        /// The group's name.
        name: String,
    },
}

/// The times that groups run by; defaults are DESIGN's of the failure detector.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Between two heartbeats to an observer. Default 1 s.
    pub heartbeat_period: Duration,
    /// Least and most that silence is waited for beyond a period. Default 100 ms to 500 ms.
    pub probe_timeout: (Duration, Duration),
    /// Observers of each member. Default 4.
    pub observers: usize,
    /// Helpers of an indirect probe. Default 3.
    pub helpers: usize,
    /// Votes that declare a member dead. Default 2, or all if there are fewer.
    pub votes: usize,
    /// How long a joiner waits for members that it cannot reach. Default 5 s.
    pub join_timeout: Duration,
    /// Dials at the same time while joining. Default 16.
    pub dials_max: usize,
    /// How long the dead are remembered. Default 10 min, at most 4 per member.
    pub tombstone_life: Duration,
    /// Shortest and longest wait before an absent member or seed is dialled again. Default 250 ms
    /// to 8 s, with jitter.
    pub redial: (Duration, Duration),
    /// How long a difference of hashes is borne before it is looked into. Default 2 s.
    pub digest_delay: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat_period: Duration::from_secs(1),
            probe_timeout: (Duration::from_millis(100), Duration::from_millis(500)),
            observers: 4,
            helpers: 3,
            votes: 2,
            join_timeout: Duration::from_secs(5),
            dials_max: 16,
            tombstone_life: Duration::from_secs(600),
            redial: (Duration::from_millis(250), Duration::from_secs(8)),
            digest_delay: Duration::from_secs(2),
        }
    }
}
