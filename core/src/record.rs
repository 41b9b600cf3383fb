//! What a node signs about itself: where it listens, which groups it is in, what it can do.
//!
//! Only what a node signed about itself is believed about it. A record ages at its receiver, so
//! no wall clock matters.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::wire::{List, bounded};
use crate::{Boot, Crypto, GroupId, NodeId};

/// A textual multiaddress (`/ip4/127.0.0.1/tcp/4001`), at most [`Address::LEN_MAX`] bytes.
///
/// The machines only carry it; the driver parses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address(
    #[serde(
        serialize_with = "bounded::put_text::<{ Address::LEN_MAX }, _>",
        deserialize_with = "bounded::text::<{ Address::LEN_MAX }, _>"
    )]
    pub Arc<str>,
);

impl Address {
    /// Longest address accepted, in bytes.
    pub const LEN_MAX: usize = 128;
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// What a node is willing to do for others: a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles(pub u8);

impl Roles {
    /// Reflects between the groups that it is in.
    pub const REFLECTOR: Self = Self(1);
    /// Outside the view and free of duties: a client.
    pub const HIDDEN: Self = Self(2);
    /// Cannot be dialled; stays on relay.
    pub const UNDIALABLE: Self = Self(4);

    /// Whether every role in `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The X25519 public key to which messages on relay and detour are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKey(pub [u8; 32]);

/// An Ed25519 signature, or the simulator's tag in its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As two arrays, which have no length on the wire; serde knows none of 64 bytes.
        let (halves, _) = self.0.as_chunks::<32>();
        let [left, right] = halves else {
            return Err(serde::ser::Error::custom("a signature has 64 bytes"));
        };
        (left, right).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (left, right) = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&left);
        bytes[32..].copy_from_slice(&right);
        Ok(Self(bytes))
    }
}

/// A node's own statement about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Whose record this is; also the key that signs it.
    pub node: NodeId,
    /// The start that it speaks of.
    pub boot: Boot,
    /// Rises with every change within one boot; the higher (boot, seq) wins.
    pub seq: u64,
    /// The node's name for people; at most 64 bytes, no control characters, not unique.
    #[serde(
        serialize_with = "bounded::put_text::<64, _>",
        deserialize_with = "bounded::text::<64, _>"
    )]
    pub name: Arc<str>,
    /// Groups it is in, the first one being home.
    pub groups: List<GroupId, 64>,
    /// Where it can be dialled, best first.
    pub addresses: List<Address, 8>,
    /// What it does for others.
    pub roles: Roles,
    /// Where messages on relay and detour are sealed to.
    pub sealing_key: SealingKey,
    /// Lowest and highest wire version it speaks.
    pub wire: (u16, u16),
    /// Seconds that the record stays valid at its receiver. Default 86,400.
    pub life_s: u32,
}

/// A record with its owner's signature; shared, since many tables hold the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecord {
    /// What was signed.
    pub record: NodeRecord,
    /// Over the record's canonical bytes, under the domain `archipelago/record/1`.
    pub signature: Signature,
}

impl SignedRecord {
    const DOMAIN: &str = "archipelago/record/1";

    /// Signs `record` as this node, which must be the one that it names.
    ///
    /// `None` when a text in it is beyond its limit, so that no peer would take it.
    pub fn new(record: NodeRecord, crypto: &dyn Crypto) -> Option<Self> {
        let bytes = postcard::to_stdvec(&record).ok()?;
        let signature = crypto.sign(Self::DOMAIN, &bytes);
        Some(Self { record, signature })
    }

    /// Whether the node that the record names signed it.
    pub fn verify(&self, crypto: &dyn Crypto) -> bool {
        postcard::to_stdvec(&self.record).is_ok_and(|bytes| {
            crypto.verify(&self.record.node, Self::DOMAIN, &bytes, &self.signature)
        })
    }

    /// What two records of one node are compared by: the higher wins.
    pub const fn version(&self) -> (Boot, u64) {
        (self.record.boot, self.record.seq)
    }
}
