//! The one thing that is forwarded for others: sealed end to end, so that who carries it reads and
//! forges nothing (it can only withhold).

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::List;
use crate::{Boot, GroupId, NodeId, SignedRecord};

/// Something on its way over other nodes: a relay through reflectors, or a detour through members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Who sealed it.
    pub source: NodeId,
    /// Whose key it is sealed to.
    pub target: NodeId,
    /// On relay, where the target is to be found; on a detour, the group that both are in.
    pub group: GroupId,
    /// A detour's next hops, the target last; empty on relay, where reflectors choose.
    pub route: List<NodeId, 4>,
    /// How many more nodes may forward it.
    pub hops: u8,
    /// What is forwarded.
    pub sealed: Sealed,
}

/// The sealed part; its context binds source, target, group and boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The source's start.
    pub source_boot: Boot,
    /// The start of the target that it is meant for.
    pub target_boot: Boot,
    /// The source's record, for a target that may not know it.
    pub record: Option<Arc<SignedRecord>>,
    /// Never twice for one pair of keys.
    pub nonce: [u8; 24],
    /// At most 20 KiB: the frames of a channel, or a control message on a detour.
    pub bytes: Bytes,
}
