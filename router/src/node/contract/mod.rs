//! What passes between a [`Node`](super::Node) and its driver.

mod command;
mod event;
mod output;

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::wire::SessionId;
use archipelago_core::{Address, Boot, GroupId, NodeId, Roles};
use archipelago_sgroup::{GroupConfig, GroupConfigError, SecretState};

use crate::node::InvitePolicy;
use crate::regroup::Descent;
use crate::watch::WatchConfig;

pub use command::{Command, Refused};
pub use event::Event;
pub use output::{CloseReason, LETTERS_BYTES_MAX, LETTERS_LEN_MAX, Output, Outputs};

/// Most groups that a node can be in or use at once, parents that it was elected into included: as
/// many as its signed record names.
pub const GROUPS_MAX: usize = 64;

/// Everything that a node is told once.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// This node's public key.
    pub id: NodeId,
    /// For people; at most 64 bytes.
    pub name: Arc<str>,
    /// The realm; sessions across realms are refused.
    pub realm: Arc<str>,
    /// `max(persisted + 1, clock in µs)`; the first `Welcome` may raise it.
    pub boot: Boot,
    /// What this node does for others.
    pub roles: Roles,
    /// Where it listens, as others dial it.
    pub addresses: Vec<Address>,
    /// The groups to join at start, the first one being home. Empty: a free node.
    pub groups: Vec<Arc<GroupConfig>>,
    /// Those of `groups` that it entered at run time before this start ([`Node::kept`]): should all
    /// of their members have been lost meanwhile, it begins such a group anew. Default: none.
    ///
    /// [`Node::kept`]: super::Node::kept
    pub resumed: Vec<GroupId>,
    /// How the secrets of those of `groups` stand that this node was in before this start
    /// ([`Node::secret_state`]), in the time of this start. Default: none; a previous cookie counts
    /// until somebody says otherwise then.
    ///
    /// [`Node::secret_state`]: super::Node::secret_state
    pub secrets: Vec<(GroupId, SecretState)>,
    /// What was kept of groups that keep themselves in size ([`Node::descent`]). Default: nothing.
    ///
    /// [`Node::descent`]: super::Node::descent
    pub descent: Option<Box<Descent>>,
    /// The groups to use without being in them, as a hidden node: outside the view and free of
    /// duties. Each needs seeds; [`GroupConfig::commons`] stands for whatever open group its seeds
    /// are in. Default: none. [`GROUPS_MAX`] with `groups` together.
    pub clients: Vec<Arc<GroupConfig>>,
    /// Idle on-demand sessions close after this, ± 20 %. Default 60 s.
    pub idle_timeout: Duration,
    /// On-demand sessions at once. Default 64; a reflector holds eight times as many.
    pub on_demand_max: usize,
    /// Shortest life of an on-demand session before it may be evicted. Default 5 s.
    pub on_demand_life_min: Duration,
    /// Traffic within 10 s on relay beyond which a direct session is dialled: messages and
    /// bytes. Default 2 and 4 KiB.
    pub dial_threshold: (u32, u32),
    /// Whether first messages may go by relay, sealed but without forward secrecy. Default true.
    pub relay: bool,
    /// From whom it takes invitations into groups. Default: members of groups that it is in.
    pub invites: InvitePolicy,
    /// Nodes known at once. Default 65,536.
    pub peers_max: usize,
    /// Times and limits of monitors; shared.
    pub watch: Arc<WatchConfig>,
}

impl NodeConfig {
    /// The defaults for a node `id` of `realm`, in no group.
    pub fn new(id: NodeId, name: &str, realm: &str, boot: Boot) -> Self {
        Self {
            id,
            name: name.into(),
            realm: realm.into(),
            boot,
            roles: Roles::default(),
            addresses: Vec::new(),
            groups: Vec::new(),
            resumed: Vec::new(),
            secrets: Vec::new(),
            descent: None,
            clients: Vec::new(),
            idle_timeout: Duration::from_secs(60),
            on_demand_max: 64,
            on_demand_life_min: Duration::from_secs(5),
            dial_threshold: (2, 4 * 1024),
            relay: true,
            invites: InvitePolicy::default(),
            peers_max: 65_536,
            watch: Arc::default(),
        }
    }
}

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// One of the groups.
    #[error(transparent)]
    Group(#[from] GroupConfigError),
    /// The node's or the realm's name.
    #[error("{what} {name:?}: give it 1 to 64 bytes without control characters")]
    Name {
        /// Which name.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// More groups than a node can be in.
    #[error(
        "{groups} groups: a node can be in {GROUPS_MAX} at once, those that it only uses included"
    )]
    TooManyGroups {
        /// How many are configured.
        groups: usize,
    },
    /// Two entries for one group.
    #[error("group {name:?} is configured twice")]
    DuplicateGroup {
        /// Its name.
        name: String,
    },
}

/// A dial as the node numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u32);

/// What the driver says of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// A connection is up and the peer's key is proved.
    Opened {
        /// The driver's number for it.
        session: SessionId,
        /// Who is at the other end.
        peer: NodeId,
        /// The dial that it answers; `None` if the peer dialled.
        dial: Option<DialId>,
    },
    /// It is gone.
    Closed {
        /// Which.
        session: SessionId,
    },
    /// A dial came to nothing. The reason is for people.
    OpenFailed {
        /// Which.
        dial: DialId,
        /// Why, for people.
        reason: String,
    },
}

/// Why a peer cannot be reached now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// No common group, and no home group to ask in.
    #[error("no common group and no home group: use a pid with its home, or join a group")]
    NoHome,
    /// No live reflector leads there.
    #[error("no live reflector leads to the node's group")]
    NoRoute,
    /// Its group does not know it.
    #[error("its group does not know the node")]
    NotFound,
    /// Its group says that it is gone.
    #[error("the node is gone")]
    Gone,
    /// Its group lets nobody in from outside.
    #[error("the node's group is closed to others")]
    Closed,
    /// It could be looked up, but not reached.
    #[error("the node could not be dialled, and relay is not possible")]
    DialFailed,
    /// A limit was reached.
    #[error("too many look-ups or sessions at once: try again later")]
    Overloaded,
}

/// Why a session exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionKind {
    /// The two share a group.
    Group,
    /// One uses a group of the other's as a hidden node.
    Client,
    /// They talk, and share none.
    OnDemand,
    /// Not admitted yet.
    Pending,
}

impl SessionKind {
    /// Whether a group justifies the session, so that it is not closed for being idle.
    pub const fn is_of_group(self) -> bool {
        matches!(self, Self::Group | Self::Client)
    }
}

/// A session as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// The driver's number for it.
    pub session: SessionId,
    /// With whom.
    pub peer: NodeId,
    /// Why it exists.
    pub kind: SessionKind,
    /// Smoothed round-trip time, if measured.
    pub rtt: Option<Duration>,
}

/// A group that can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// Which.
    pub group: GroupId,
    /// How many reflectors lie between.
    pub hops: u8,
    /// Reflectors to ask first, best first.
    pub next_hops: Vec<NodeId>,
}
