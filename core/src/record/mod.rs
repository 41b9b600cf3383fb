//! What a node signs about itself: where it listens, which groups it is in, what it can do.
//!
//! Only what a node signed about itself is believed about it. A record ages at its receiver, so
//! no wall clock matters.

mod signature;
mod signed;

pub use signature::Signature;
pub use signed::{RecordError, SignedRecord};

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::wire::{List, bounded, is_plain_text};
use crate::{Boot, GroupId, NodeId};

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

    /// Whether a peer would take it in a record.
    pub fn is_sendable(&self) -> bool {
        self.0.len() <= Self::LEN_MAX && is_plain_text(&self.0)
    }
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
    /// Seconds that the record stays valid at its receiver: see [`NodeRecord::life`]. Default
    /// 86,400.
    pub life_s: u32,
}

impl NodeRecord {
    /// Longest life that a receiver grants, whatever the record asks for: a week.
    pub const LIFE_MAX: Duration = Duration::from_secs(7 * 86_400);

    /// How long a receiver keeps the record without hearing of it again.
    pub fn life(&self) -> Duration {
        Duration::from_secs(self.life_s.into()).min(Self::LIFE_MAX)
    }
}
