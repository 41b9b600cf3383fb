//! What changes a group while it runs: who was put out of it, that it is over, a new secret.
//!
//! Marks and deletions say how long they still hold, in seconds: a receiver counts from its own
//! clock, so no two clocks are compared, and a mark that is handed round does not live for ever.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Charter, List, Proof, bounded};
use crate::{Address, GroupId, NodeId, SignedRecord};

/// A member was put out of its group, or may come back after that: per node the higher
/// (version, out) wins, so that members agree whatever they heard first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// Of whom.
    pub node: NodeId,
    /// Rises with each change about this node.
    pub version: u32,
    /// It is out; else it was added anew.
    pub is_out: bool,
    /// Who said so.
    pub by: NodeId,
    /// How long it still holds, in seconds.
    pub left_s: u32,
}

impl Mark {
    /// Most marks of one group; beyond it nobody else is put out before some have run out.
    pub const COUNT_MAX: usize = 256;
}

/// A group is over. Who knows its secret proves it by that, to whomever it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// Charters up to this epoch are over; a later one is another life of the group.
    pub epoch: u64,
    /// Who deleted it.
    pub by: NodeId,
    /// By the group's secret, over group, epoch and `by`.
    pub proof: Proof,
    /// How long it still holds, in seconds.
    pub left_s: u32,
}

/// A group's secret, sealed to one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret {
    /// Never twice for a pair of nodes.
    pub nonce: [u8; 24],
    /// The secret under seal; bound to the group, its sender and its receiver.
    #[serde(
        serialize_with = "bounded::put_bytes::<{ SealedSecret::BYTES_MAX }, _>",
        deserialize_with = "bounded::bytes::<{ SealedSecret::BYTES_MAX }, _>"
    )]
    pub sealed: Bytes,
}

impl SealedSecret {
    /// Longest secret under seal: two cookies of 4 KiB, and what goes with them.
    pub const BYTES_MAX: usize = 8 * 1024 + 256;
}

/// Asks a node to enter a group, and hands it what it needs for that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Comes back in the answer; 0 where nobody waits for one.
    pub ticket: u64,
    /// What the group is.
    pub charter: Charter,
    /// Nodes outside may not be introduced to its members.
    pub closed: bool,
    /// Where the inviter listens: it lets the invited in.
    pub addresses: List<Address, 8>,
    /// The group's secret, sealed to the invited.
    pub admission: Admittance,
}

/// How the invited is to be admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admittance {
    /// The group is open.
    Open,
    /// By this secret.
    Secret(SealedSecret),
    /// The inviter does not know the invited's sealing key yet: whoever is willing answers with
    /// its record, and is invited with a secret then.
    Ask,
}

/// The answer to an `Invite`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteReply {
    /// Of the question.
    pub ticket: u64,
    /// To which group.
    pub group: GroupId,
    /// What becomes of it.
    pub answer: InviteAnswer,
}

/// What a node answers to an `Invite`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InviteAnswer {
    /// It enters; the group tells when it is up.
    Accepted,
    /// It is in the group already.
    Member,
    /// It would enter, and says where to seal the secret to.
    Willing(Box<SignedRecord>),
    /// It does not enter.
    Declined(DeclineReason),
}

/// Why a node does not enter a group that it was invited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DeclineReason {
    /// Its policy lets nobody like the inviter invite it.
    Policy,
    /// It is in as many groups as it can be.
    TooManyGroups,
    /// It knows that the group was deleted in this epoch of its charter: a later one may be.
    Deleted {
        /// The last epoch that is over.
        epoch: u64,
    },
    /// The secret does not open, or the charter cannot be used.
    Unusable,
    /// It is about to join the group by other means, or to stop.
    Busy,
    /// It is in the group, and the inviter was put out of it: one of its members may add it anew.
    Removed,
}
