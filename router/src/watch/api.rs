//! What passes between [`Watch`](super::Watch) and its caller.

use std::time::Duration;

use archipelago_core::wire::{Exit, WatchLetter};
use archipelago_core::{Boot, GroupId, LocalId, NodeId, Pid, Time};

/// A monitor, as the driver numbers it; no number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonitorRef(pub u64);

/// Whose end is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A process, with its home where it is outside this node's groups.
    Process(Pid),
    /// A node: whichever start of it is alive now.
    Node {
        /// Which.
        node: NodeId,
        /// A group of it, where it is outside this node's groups.
        home: Option<GroupId>,
    },
}

/// Why a monitor fired.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The process ended.
    Exited(Exit),
    /// There is no such process: it ended before, or its node has restarted since.
    NoProc,
    /// The node is down: its group says so, or it lives as a later start.
    NodeDown,
    /// The node does not answer, and nobody says that it is down: within
    /// [`WatchConfig::renew_period`] and [`WatchConfig::answer_timeout`] since it was last heard.
    Unreachable,
    /// This node shuts down; nothing is known of the other.
    Reset,
    /// The other node refused the watch: it serves too many already.
    Refused,
}

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(exit) => write!(f, "exited: {exit}"),
            Self::NoProc => f.write_str("no such process"),
            Self::NodeDown => f.write_str("its node is down"),
            Self::Unreachable => f.write_str("its node does not answer"),
            Self::Reset => f.write_str("this node shuts down"),
            Self::Refused => f.write_str("its node serves too many watches"),
        }
    }
}

/// A limit of this node was reached; nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many monitors: raise `monitors_max`")]
pub struct WatchRefused;

/// What is asked of the caller, or told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchOutput {
    /// Write a letter.
    Letter {
        /// To whom.
        to: NodeId,
        /// Where to look it up.
        home: Option<GroupId>,
        /// A process of this node whose messages go first.
        after: Option<LocalId>,
        /// What.
        letter: WatchLetter,
    },
    /// Say when this process of this node ends, at once if there is none: by
    /// [`handle_ended`](super::Watch::handle_ended).
    Observe(LocalId),
    /// That is not asked for any more.
    Unobserve(LocalId),
    /// A monitor fires: the only word of it.
    Down {
        /// Which.
        monitor: MonitorRef,
        /// Why.
        reason: EndReason,
    },
}

/// The caller's buffer; a machine only appends to it.
pub type WatchOutputs = Vec<WatchOutput>;

/// What a watch must know of this node's groups. Reads only.
pub trait Society {
    /// The start of a living member of any of this node's groups.
    fn member(&self, node: &NodeId) -> Option<Boot>;

    /// The start of a living member of `group`; the outer `None` where this node is not in it.
    fn member_of(&self, group: GroupId, node: &NodeId) -> Option<Option<Boot>>;

    /// This node's home group, and members of it that others can ask of its end: reflectors
    /// first. `None` for a node in no group.
    fn wardens(&self) -> Option<(GroupId, Vec<NodeId>)>;
}

/// Lent for the length of one call.
#[derive(Clone, Copy)]
pub struct WatchLent<'a> {
    /// The instant.
    pub now: Time,
    /// This node.
    pub me: NodeId,
    /// Its start.
    pub boot: Boot,
    /// Where others look it up.
    pub home: Option<GroupId>,
    /// What its groups know.
    pub society: &'a dyn Society,
    /// Times and limits.
    pub config: &'a WatchConfig,
}

/// Times and limits of monitors.
#[derive(Clone, Debug)]
pub struct WatchConfig {
    /// Between two renewals of a watch. Default 10 s.
    pub renew_period: Duration,
    /// What is not renewed for so long is forgotten. Default 35 s: three renewals may be lost.
    pub lease: Duration,
    /// A node that answers no question for so long is unreachable. Default 10 s, as long as an
    /// accepted message waits for a way.
    pub answer_timeout: Duration,
    /// The same where the node is thought gone already: it left its group, or came back as
    /// another. Default 1.5 s.
    pub doubt_timeout: Duration,
    /// After so long without an answer the question is asked again. Default 2 s.
    pub retry_pause: Duration,
    /// A warden that does not answer for so long is replaced. Default 3 s.
    pub warden_timeout: Duration,
    /// Monitors of this node at once. Default 65,536; beyond it they are refused.
    pub monitors_max: usize,
    /// Processes of this node that one other node watches at once. Default 1,024; beyond it the
    /// watch is refused.
    pub watches_per_peer_max: usize,
    /// The same of all other nodes together. Default 65,536.
    pub watches_max: usize,
    /// Nodes that this node guards for one other. Default 1,024; beyond it another warden must.
    pub guards_per_peer_max: usize,
    /// The same for all others together. Default 65,536.
    pub guards_max: usize,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            renew_period: Duration::from_secs(10),
            lease: Duration::from_secs(35),
            answer_timeout: Duration::from_secs(10),
            doubt_timeout: Duration::from_millis(1_500),
            retry_pause: Duration::from_secs(2),
            warden_timeout: Duration::from_secs(3),
            monitors_max: 65_536,
            watches_per_peer_max: 1_024,
            watches_max: 65_536,
            guards_per_peer_max: 1_024,
            guards_max: 65_536,
        }
    }
}
