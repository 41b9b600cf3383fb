//! How groups stand above each other: what reflectors put into owner-logs, and which way a
//! question may go.
//!
//! Both statements ride in the owner-logs of groups, so they are repaired by the group's own
//! anti-entropy and vanish with their owner. An [`Uplink`] goes down: who leads to a parent, and
//! what lies above it (the default route). A [`GroupRecord`] goes up: one summary for each group
//! below, never anything per node or per name.
//!
//! Source: hierarchical route reflection, RFC 4456 section 7; summaries and a default route as
//! between the areas of OSPF (RFC 2328 section 3).

use serde::{Deserialize, Serialize};

use super::List;
use crate::{Boot, Crypto, GroupId, NodeId, Signature};

/// Which way a question or an envelope may still go, so that none circles however groups are
/// wired: tiers rise on the way up and fall on the way down, and nothing climbs twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Heading {
    /// Between overlapping groups of the lowest tier only.
    Sideways,
    /// Handed over in a group of this tier on the way up: it goes on in higher ones, or turns.
    Up(u8),
    /// Handed over in a group of this tier on the way down: it goes on in lower ones only.
    Down(u8),
}

/// What a member says in its own log of the parents of the group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink {
    /// The parents that it is configured for; it can be elected to join these.
    pub parents: List<UplinkParent, 4>,
}

/// One parent, as a member that can join it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkParent {
    /// Which.
    pub group: GroupId,
    /// Others are configured to find the parent through this very node.
    pub is_seed: bool,
    /// The parent and everything above it that this member leads to: the default route. Empty
    /// where it is not up in the parent.
    pub ancestors: List<Ancestor, 16>,
}

/// A group above another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ancestor {
    /// Which.
    pub group: GroupId,
    /// Its tier.
    pub tier: u8,
}

/// What a reflector of a group says of it to the group's parents: all that is known of it above.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// Which.
    pub group: GroupId,
    /// Of the group's charter.
    pub epoch: u64,
    /// The group's tier.
    pub tier: u8,
    /// Who says so, a reflector of the group.
    pub reflector: NodeId,
    /// In which start.
    pub boot: Boot,
    /// Rises with each change; the higher (boot, seq) of one reflector wins.
    pub seq: u64,
    /// The reflectors that lead into the group, `reflector` included. Their own records are known
    /// wherever they are members.
    pub reflectors: List<NodeId, 8>,
    /// How many live members.
    pub size: u32,
    /// Whether nodes outside may be introduced to its members.
    pub closed: bool,
}

/// A record with its reflector's signature, under `archipelago/group-record/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedGroupRecord {
    /// What was signed.
    pub record: GroupRecord,
    /// By the reflector that it names.
    pub signature: Signature,
}

/// Bytes that are no statement of this kind, or too many of them: their owner speaks a later
/// version, or lies; nobody but its own log is the worse for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no statement of a hierarchy: malformed, or beyond a limit")]
pub struct StatementError;

impl SignedGroupRecord {
    const DOMAIN: &str = "archipelago/group-record/1";

    /// Signs `record` as this node, which must be the reflector that it names.
    pub fn new(record: GroupRecord, crypto: &dyn Crypto) -> Self {
        let signature = crypto.sign(Self::DOMAIN, &to_bytes(&record));
        Self { record, signature }
    }

    /// Whether the reflector that the record names signed it.
    pub fn verify(&self, crypto: &dyn Crypto) -> bool {
        let bytes = to_bytes(&self.record);
        let signer = &self.record.reflector;
        crypto.verify(signer, Self::DOMAIN, &bytes, &self.signature)
    }

    /// The value of a log entry.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }

    /// The reverse.
    ///
    /// # Errors
    /// [`StatementError`] for anything but exactly one record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        from_bytes(bytes)
    }
}

impl Uplink {
    /// The value of a log entry.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }

    /// The reverse.
    ///
    /// # Errors
    /// [`StatementError`] for anything but exactly one statement.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        from_bytes(bytes)
    }
}

impl super::Charter {
    /// The value of a log entry.
    ///
    /// # Errors
    /// [`StatementError`] for a name beyond its limit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StatementError> {
        postcard::to_stdvec(self).map_err(|_| StatementError)
    }

    /// The reverse.
    ///
    /// # Errors
    /// [`StatementError`] for anything but exactly one charter.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        from_bytes(bytes)
    }
}

/// Postcard has one encoding of each value.
pub(super) fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("a typed statement in memory has an encoding")
}

pub(super) fn from_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StatementError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(StatementError),
    }
}

#[cfg(test)]
mod tests;
