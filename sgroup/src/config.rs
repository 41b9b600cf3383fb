//! How a group is configured at one node, and the times that it runs by.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::Standard;
use archipelago_core::{Address, GroupId, NodeId};

use crate::log::{LogConfig, PAGE_ENTRIES_MAX};
use crate::names::NamesConfig;
use crate::strict::StrictConfig;

/// Most members that a group may be configured for: a digest of the view is one message.
const MEMBERS_MAX: u32 = 1_024;
/// Most seeds; more than anybody dials in a back-off's length.
const SEEDS_MAX: usize = 256;
/// Longest cookie in bytes.
pub(crate) const COOKIE_BYTES_MAX: usize = 4_096;

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
    /// Where the group stands among others.
    pub place: Place,
}

/// Where a group stands among others: its tier and its parents. The default is a group of the
/// lowest tier with no parent.
#[derive(Clone, Debug)]
pub struct Place {
    /// Of the charter; raise it with each change. Default 0.
    pub epoch: u64,
    /// 0, the default, for groups at the bottom; a parent's is higher.
    pub tier: u8,
    /// The parents, as those of this group who join them are configured for each. At most 4.
    pub parents: Vec<Arc<GroupConfig>>,
    /// How many members join the parents, 1 to 8. Default 3: one may be lost while another is
    /// being replaced.
    pub reflectors: u8,
    /// Who joins the parents; none, the default, leaves it to an election. At most 8.
    pub pinned: Vec<NodeId>,
    /// Members whose majority says who holds a strict name: 1, 3 or 5. None, the default: the group
    /// has no strict names. A later epoch may name others, while a majority of those before is in
    /// the group: see [`strict`](crate::strict).
    pub council: Vec<NodeId>,
    /// What the program keeps the group at; none, the default: nothing. Members that are told
    /// nothing of it follow those that are.
    pub standard: Option<Arc<Standard>>,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            epoch: 0,
            tier: 0,
            parents: Vec::new(),
            reflectors: 3,
            pinned: Vec::new(),
            council: Vec::new(),
            standard: None,
        }
    }
}

/// Most parents of one group.
const PARENTS_MAX: usize = 4;
/// Most reflectors, elected or pinned.
const REFLECTORS_MAX: usize = 8;
/// Least and most members that a group can be kept at.
const SIZE_MIN: u32 = 2;
const SIZE_MAX: u32 = 1_000;

impl GroupConfig {
    /// The group's id.
    pub fn id(&self) -> GroupId {
        GroupId::new(&self.realm, &self.name)
    }

    /// Whether a group can run by this; to be asked once, before [`Group::new`](crate::Group::new).
    ///
    /// # Errors
    /// [`GroupConfigError`] says what to change.
    pub fn check(&self) -> Result<(), GroupConfigError> {
        if !is_name(&self.name, 255) {
            let name = self.name.to_string();
            return Err(GroupConfigError::Name { name });
        }
        self.check_rest()
    }

    /// Whether a node can use the group without being in it: [`GroupConfig::commons`] too.
    ///
    /// # Errors
    /// As [`GroupConfig::check`]; and nobody can use a group that it has no seeds of.
    pub fn check_client(&self) -> Result<(), GroupConfigError> {
        if self.seeds.is_empty() {
            let name = self.name.to_string();
            return Err(GroupConfigError::NoSeeds { name });
        }
        if self.is_commons() {
            return self.check_rest();
        }
        self.check()
    }

    /// Whatever open group the seeds are in: how a node uses one that it knows no name of.
    pub fn commons(realm: Arc<str>, seeds: Vec<Seed>, timing: Arc<Timing>) -> Self {
        Self {
            realm,
            name: "".into(),
            cookies: None,
            seeds,
            size: 0,
            members_max: 1,
            is_closed: false,
            timing,
            place: Place::default(),
        }
    }

    /// Whether it stands for whatever open group its seeds are in.
    pub fn is_commons(&self) -> bool {
        self.name.is_empty()
    }

    fn check_rest(&self) -> Result<(), GroupConfigError> {
        self.check_realm()?;
        self.check_cookies()?;
        if !(1..=MEMBERS_MAX).contains(&self.members_max) || self.size > self.members_max {
            return Err(GroupConfigError::Members {
                name: self.name.to_string(),
                size: self.size,
                members_max: self.members_max,
            });
        }
        if self.seeds.len() > SEEDS_MAX {
            return Err(GroupConfigError::Seeds {
                name: self.name.to_string(),
                seeds: self.seeds.len(),
            });
        }
        self.check_place()?;
        self.timing.check()
    }

    /// Tiers rise from each group to its parents, so the chain of parents ends.
    fn check_place(&self) -> Result<(), GroupConfigError> {
        let place = &self.place;
        let (parents, reflectors) = (place.parents.len(), place.pinned.len());
        let is_count = (1..=REFLECTORS_MAX).contains(&usize::from(place.reflectors));
        if parents > PARENTS_MAX || reflectors > REFLECTORS_MAX || !is_count {
            let name = self.name.to_string();
            return Err(GroupConfigError::Place { name });
        }
        if !matches!(place.council.len(), 0 | 1 | 3 | 5) {
            return Err(GroupConfigError::Council {
                name: self.name.to_string(),
                members: place.council.len(),
            });
        }
        self.check_standard()?;
        for parent in &place.parents {
            if parent.place.tier <= place.tier {
                return Err(GroupConfigError::Tier {
                    name: self.name.to_string(),
                    tier: place.tier,
                    parent: parent.name.to_string(),
                    parent_tier: parent.place.tier,
                });
            }
            parent.check()?;
        }
        Ok(())
    }

    /// Whether groups can be kept at what it says, if it says anything.
    fn check_standard(&self) -> Result<(), GroupConfigError> {
        let Some(standard) = &self.place.standard else {
            return Ok(());
        };
        let reflectors = u32::from(standard.reflectors);
        let reason = if !(SIZE_MIN..=SIZE_MAX).contains(&standard.size) {
            "a size of 2 to 1,000"
        } else if standard
            .span
            .is_some_and(|(min, max)| min < 1 || max > SIZE_MAX || max.saturating_add(1) / 2 < min)
        {
            "1 to 1,000 members, at least twice the fewest, less one, at most"
        } else if standard.parent_size < 2 * reflectors {
            "parents of at least twice as many members as reflectors"
        } else if !(1..=REFLECTORS_MAX).contains(&usize::from(standard.reflectors)) {
            "1 to 8 reflectors"
        } else if !self.place.council.is_empty() {
            "no council: its members may not move"
        } else {
            return Ok(());
        };
        let name = self.name.to_string();
        Err(GroupConfigError::Standard { name, reason })
    }

    fn check_realm(&self) -> Result<(), GroupConfigError> {
        if !is_name(&self.realm, 64) {
            let realm = self.realm.to_string();
            return Err(GroupConfigError::Realm { realm });
        }
        Ok(())
    }

    fn check_cookies(&self) -> Result<(), GroupConfigError> {
        let Some(cookies) = &self.cookies else {
            return Ok(());
        };
        let name = || self.name.to_string();
        let mut lengths = [Some(&cookies.current), cookies.previous.as_ref()]
            .into_iter()
            .flatten()
            .map(|cookie| cookie.len());
        if lengths.clone().any(|bytes| bytes == 0) {
            return Err(GroupConfigError::EmptyCookie { name: name() });
        }
        match lengths.find(|&bytes| bytes > COOKIE_BYTES_MAX) {
            None => Ok(()),
            Some(bytes) => Err(GroupConfigError::LongCookie {
                name: name(),
                bytes,
            }),
        }
    }
}

/// The secrets of a group: the current one proves, both are accepted.
#[derive(Clone, PartialEq, Eq)]
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
    /// The realm is empty, too long, or has control characters.
    #[error("realm {realm:?}: give it 1 to 64 bytes without control characters")]
    Realm {
        /// The realm, escaped when shown.
        realm: String,
    },
    /// A cookie that is no secret but a file given by mistake.
    #[error("group {name:?} has a cookie of {bytes} bytes: at most {COOKIE_BYTES_MAX} are allowed")]
    LongCookie {
        /// The group's name.
        name: String,
        /// The cookie's length.
        bytes: usize,
    },
    /// Sizes that contradict each other.
    #[error(
        "group {name:?} is meant for {size} and limited to {members_max} members: \
         the limit must be 1 to {MEMBERS_MAX}, and no less than the size"
    )]
    Members {
        /// The group's name.
        name: String,
        /// What it is meant for.
        size: u32,
        /// Its limit.
        members_max: u32,
    },
    /// More seeds than anybody dials.
    #[error("group {name:?} has {seeds} seeds: a few are enough, at most {SEEDS_MAX} are allowed")]
    Seeds {
        /// The group's name.
        name: String,
        /// How many.
        seeds: usize,
    },
    /// None, of a group that is to be used from outside.
    #[error("group {name:?} has no seeds: who uses it without being in it needs one")]
    NoSeeds {
        /// The group's name.
        name: String,
    },
    /// A parent that does not stand above its child.
    #[error(
        "group {name:?} of tier {tier} has the parent {parent:?} of tier {parent_tier}: \
         a parent's tier must be higher"
    )]
    Tier {
        /// The group's name.
        name: String,
        /// Its tier.
        tier: u8,
        /// The parent's name.
        parent: String,
        /// The parent's tier.
        parent_tier: u8,
    },
    /// Too many parents or reflectors, or none of these.
    #[error(
        "group {name:?}: at most {PARENTS_MAX} parents, and 1 to {REFLECTORS_MAX} reflectors \
         that join them"
    )]
    Place {
        /// The group's name.
        name: String,
    },
    /// A council whose size gains nothing, or is too large.
    #[error("group {name:?} has a council of {members}: name 1, 3 or 5 members, or none")]
    Council {
        /// The group's name.
        name: String,
        /// How many it has.
        members: usize,
    },
    /// A size that no group can be kept at.
    #[error("group {name:?} is to be kept in size: it needs {reason}")]
    Standard {
        /// The group's name.
        name: String,
        /// What it needs.
        reason: &'static str,
    },
    /// A time or number of `Timing` that no group can run by.
    #[error("timing: {field} must be {remedy}")]
    Timing {
        /// Which.
        field: &'static str,
        /// What it must be.
        remedy: &'static str,
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
    /// Whether a node that is late itself, or was away, doubts its own ears before others. Default
    /// true; without it the detector is SWIM's, for experiments that compare the two.
    pub local_health: bool,
    /// Votes that declare a member dead. Default 2, or all if there are fewer.
    pub votes: usize,
    /// How long a joiner waits for members that it cannot reach. Default 5 s.
    pub join_timeout: Duration,
    /// Dials at the same time while joining. Default 16. A quarter as many, beside those, of members
    /// that were declared dead or did not answer before.
    pub dials_max: usize,
    /// How long the dead are remembered. Default 10 min, at most 4 per member.
    pub tombstone_life: Duration,
    /// Shortest and longest wait before an absent member or seed is dialled again. Default 250 ms
    /// to 8 s, with jitter. Where fewer than 32 members are present, they wait for a member no
    /// longer than their share of the longest: 1 s for 4 members.
    pub redial: (Duration, Duration),
    /// How long who was put out of a group stays out, and a deleted group is refused to members
    /// that were away. Default 7 days.
    pub removal_life: Duration,
    /// How long a member may take to prove the new cookie once the previous one counts no more.
    /// Default 3 s: a redial and a proof.
    pub rotation_grace: Duration,
    /// How long a difference of hashes is borne before it is looked into. Default 2 s.
    pub digest_delay: Duration,
    /// Limits and times of the owner-logs.
    pub log: LogConfig,
    /// Limits and times of names.
    pub names: NamesConfig,
    /// Limits and times of strict names; the same at all members.
    pub strict: Arc<StrictConfig>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat_period: Duration::from_secs(1),
            probe_timeout: (Duration::from_millis(100), Duration::from_millis(500)),
            observers: 4,
            helpers: 3,
            local_health: true,
            votes: 2,
            join_timeout: Duration::from_secs(5),
            dials_max: 16,
            tombstone_life: Duration::from_secs(600),
            redial: (Duration::from_millis(250), Duration::from_secs(8)),
            removal_life: Duration::from_secs(7 * 86_400),
            rotation_grace: Duration::from_secs(3),
            digest_delay: Duration::from_secs(2),
            log: LogConfig::default(),
            names: NamesConfig::default(),
            strict: Arc::default(),
        }
    }
}

impl Timing {
    fn check(&self) -> Result<(), GroupConfigError> {
        let zero = Duration::ZERO;
        let (probe, redial) = (self.probe_timeout, self.redial);
        let log = &self.log;
        let rules = [
            (
                self.heartbeat_period > zero,
                "heartbeat_period",
                "above zero",
            ),
            (
                probe.0 > zero && probe.0 <= probe.1,
                "probe_timeout",
                "above zero, least first",
            ),
            (self.observers > 0, "observers", "1 or more"),
            (self.votes > 0, "votes", "1 or more"),
            (self.dials_max > 0, "dials_max", "1 or more"),
            (
                redial.0 > zero && redial.0 <= redial.1,
                "redial",
                "above zero, shortest first",
            ),
            (self.digest_delay > zero, "digest_delay", "above zero"),
            (log.window > 0, "log.window", "1 or more"),
            (
                self.strict.life >= Duration::from_millis(100),
                "strict.life",
                "100 ms or more",
            ),
            (
                (1..=PAGE_ENTRIES_MAX).contains(&log.page_entries),
                "log.page_entries",
                "1 to 1,024",
            ),
            (
                log.repeat.0 > zero && log.repeat.0 <= log.repeat.1,
                "log.repeat",
                "above zero, shortest first",
            ),
        ];
        let broken = rules.into_iter().find(|(holds, _, _)| !holds);
        broken.map_or(Ok(()), |(_, field, remedy)| {
            Err(GroupConfigError::Timing { field, remedy })
        })
    }
}

fn is_name(name: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&name.len()) && archipelago_core::wire::is_plain_text(name)
}

#[cfg(test)]
mod tests;
