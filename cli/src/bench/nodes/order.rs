//! What the first process tells the others, one line of JSON each, and what they answer.
//!
//! Every answer is a `Result` whose error is a sentence. Times are those of
//! [`clock`](crate::machine::clock), which all processes share.

use std::path::PathBuf;

use archipelago::{GroupId, NodeId, Pid};
use serde::{Deserialize, Serialize};

use crate::live::spec::Told;

/// One order; its answer is named.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Start these, all at once: [`Started`].
    Start(Vec<NodeOrder>),
    /// Wait so long for those that have not formed: [`Formed`].
    Form { wait_ms: u64 },
    /// Look at all nodes: [`Counted`].
    Count,
    /// When the nodes here saw that one go up or down in that group since then: their times.
    Seen {
        sight: Sight,
        node: NodeId,
        group: GroupId,
        since_us: u64,
    },
    /// Deaths seen of nodes that are not among these: [`FalseDeaths`].
    FalseDeaths { dead: Vec<NodeId> },
    /// A mailbox on each of these nodes: their [`Pid`]s.
    Mailboxes(Vec<usize>),
    /// Look a name up in these groups, from these nodes, one after the other: what each took, in µs.
    LookUp(Vec<(usize, String)>),
    /// One message each, one after the other: how many could not be sent.
    First(Vec<(usize, Pid)>),
    /// Messages without a pause until then: how many were sent.
    Flood {
        pairs: Vec<(usize, Pid)>,
        until_us: u64,
    },
    /// What has arrived so far: [`Arrived`].
    Arrived,
    /// What seeds refused the nodes here: [`Refusals`].
    Refusals,
}

/// What to have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sight {
    Up,
    Dead,
}

/// A node to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NodeOrder {
    /// Its number in the whole cluster.
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) realm: String,
    pub(super) key_file: Option<PathBuf>,
    pub(super) is_reflector: bool,
    pub(super) listen: String,
    /// Observers of each member; `None` for the default.
    pub(super) observers: Option<usize>,
    /// Those that it joins by itself.
    pub(super) groups: Vec<Told>,
    pub(super) expected: Expected,
}

/// When a node has formed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Expected {
    pub(super) sessions: usize,
    pub(super) groups: Vec<ExpectedGroup>,
}

/// One of its groups, parents that it joins as a reflector among them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ExpectedGroup {
    pub(super) name: String,
    pub(super) members: usize,
    /// How many lead up, and how many groups are above and below; `None` where there are no tiers.
    pub(super) tiers: Option<(usize, usize, usize)>,
}

/// A node that was started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) index: usize,
    pub(super) id: NodeId,
    pub(super) address: String,
    /// When that began.
    pub(super) at_us: u64,
}

/// How far the nodes of one process are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Formed {
    pub(super) formed: usize,
    pub(super) of: usize,
    /// When the last of those that have formed was seen to have.
    pub(super) last_us: u64,
    /// What one that has not waits for.
    pub(super) waiting: Option<String>,
    /// Which have, and how long each took since its start, in µs.
    pub(super) who: Vec<usize>,
    pub(super) took_us: Vec<u64>,
}

/// The nodes of one process, looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counted {
    /// Of each node that runs.
    pub(super) sessions: Vec<usize>,
    /// Since their starts, of all.
    pub(super) control_sent: u64,
    pub(super) dials: u64,
    pub(super) connections_refused: u64,
    pub(super) events_missed: u64,
}

/// Living nodes that were seen to die.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct FalseDeaths {
    pub(super) count: usize,
    /// The first few, in words.
    pub(super) examples: Vec<String>,
}

/// What mailboxes took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Arrived {
    /// How long each first message was under way, in µs.
    pub(super) first_us: Vec<u64>,
    /// Messages of a flood that came before its end.
    pub(super) in_time: u64,
}

/// Nodes by the last word that they were refused with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Refusals {
    pub(super) refused: Vec<(usize, String)>,
}
