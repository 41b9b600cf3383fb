//! What the first process tells the others, one line of JSON each, and what they answer.
//!
//! Every answer is a `Result` whose error is a sentence. Times are those of
//! [`clock`](crate::machine::clock), which all processes share.

use std::collections::BTreeMap;

use archipelago::{GroupId, NodeId};
use serde::{Deserialize, Serialize};

use crate::live::latency::Buckets;

/// One order; its answer is named.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Start these: [`Started`] of each.
    Start(Vec<NodeOrder>),
    /// Wait until all nodes here see all members of their groups.
    Form,
    /// Host workers, and open entries to those of all these groups, where that was ordered; wait
    /// until shards are settled.
    Serve(Vec<String>),
    /// Begin to ask, at its times; what was counted before is forgotten.
    Load(LoadOrder),
    /// What was counted since: [`Tally`].
    Look,
    /// A node ends without a word: its [`NodeId`], and when; nothing if it is not here.
    Kill(usize),
    /// When the nodes here saw that one die in that group, in µs after that time.
    Seen {
        dead: NodeId,
        group: GroupId,
        since_us: u64,
    },
}

/// A node to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NodeOrder {
    pub(super) index: usize,
    pub(super) realm: String,
    pub(super) is_reflector: bool,
    /// Its home first.
    pub(super) groups: Vec<GroupOrder>,
    /// It hosts workers of its home.
    pub(super) is_host: bool,
    /// It takes requests.
    pub(super) is_entry: bool,
}

/// A group of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GroupOrder {
    pub(super) name: String,
    pub(super) seeds: Vec<String>,
    /// With how many it has formed.
    pub(super) members: usize,
}

/// A node that was started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) index: usize,
    pub(super) address: String,
}

/// What one process is to ask, of all that is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LoadOrder {
    /// When the first request is due.
    pub(super) begin_us: u64,
    pub(super) seconds: f64,
    /// Requests a second in all; 0: every key once, as fast as may be.
    pub(super) rate: u32,
    /// Of these with a large body.
    pub(super) bodies: u32,
    /// Nothing at all is asked, only looked at.
    pub(super) is_rest: bool,
    /// A name is claimed once a second meanwhile, to see how long a round of control messages takes.
    pub(super) has_rounds: bool,
    /// All workers.
    pub(super) keys: u64,
    /// This process asks every `of`th request, beginning with number `part`.
    pub(super) part: u64,
    pub(super) of: u64,
}

/// What one process counted since its load began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Requests that were due.
    pub(super) asked: u64,
    /// Never answered.
    pub(super) lost: u64,
    /// All have ended.
    pub(super) is_done: bool,
    /// When the last answer came.
    pub(super) last_us: u64,
    /// From when a request was due to its answer.
    pub(super) small: Buckets,
    pub(super) body: Buckets,
    /// From when a request was due until it was handed over: how far the load itself was behind.
    pub(super) behind: Buckets,
    /// From a claim of a name to its confirmation by all members: a round of control messages.
    pub(super) rounds: Buckets,
    /// Attempts that failed and were made again, by why.
    pub(super) repeated: BTreeMap<String, u64>,
    /// Attempts that went to a host which did not have the key.
    pub(super) misroutes: u64,
    /// Control messages that nodes sent, and their bytes.
    pub(super) control_sent: u64,
    pub(super) control_bytes: u64,
    /// Bytes of data that nodes sent.
    pub(super) data_bytes: u64,
    /// Sessions of the nodes here now.
    pub(super) sessions: Vec<usize>,
    /// Deaths that nodes here saw, of whomever.
    pub(super) deaths: Vec<NodeId>,
}
