//! Who is who: nodes, their starts, groups, and processes.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A node: its Ed25519 public key, which is also what its session's handshake proves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 32]);

impl NodeId {
    /// The first eight bytes as a number: short, for hashes and logs; not unique against an enemy.
    pub fn prefix(&self) -> u64 {
        let mut low = [0; 8];
        low.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(low)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..6] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// One start of a node's process: `max(persisted + 1, clock)`, so a later start has a higher one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Boot(pub u64);

impl Boot {
    /// The highest boot that is believed of anybody: the clock reaches it in some 290,000 years.
    /// So there is always a next one, and nobody makes himself the last word by a huge number.
    pub const MAX: Self = Self(u64::MAX >> 1);

    /// In an address: whichever start of the node is alive. No node starts as this one.
    pub const ANY: Self = Self(0);

    /// Whether what is addressed to this start is for `alive` too.
    pub fn covers(self, alive: Self) -> bool {
        self == Self::ANY || self == alive
    }
}

/// Raised by a node that learns it was declared dead and comes back within the same boot.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Era(pub u32);

/// Raised by a node to refute a suspicion about itself.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Incarnation(pub u32);

/// An s-group: a hash of the realm and the group's name, never of its creator or its cookie, so
/// that two nodes may create one group at once and find that they did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupId(pub [u8; 16]);

impl GroupId {
    /// The id of the group called `name` in `realm`.
    pub fn new(realm: &str, name: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"archipelago/group/1");
        hash.update((realm.len() as u64).to_le_bytes());
        hash.update(realm.as_bytes());
        hash.update(name.as_bytes());
        let digest = hash.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in &self.0[..4] {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupId({self})")
    }
}

/// A mailbox within one boot of one node: random, so that under policy `realm` knowing it is a
/// capability.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LocalId(pub u64);

impl LocalId {
    /// The control machine of a node, which writes and gets [`Letter`](crate::wire::Letter)s; never
    /// given to a mailbox.
    pub const NODE: Self = Self(0);

    /// What moves [`streams`](crate::streams) between two nodes; never given to a mailbox.
    pub const STREAMS: Self = Self(2);

    /// Where messages to a name of one node go, whatever process has the name: a hash of it, so
    /// that a sender needs to ask nobody. Unlike a random id it can be guessed.
    pub fn named(name: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"archipelago/local-name/1");
        hash.update(name);
        let digest = hash.finalize();
        let mut low = [0; 8];
        low.copy_from_slice(&digest[..8]);
        // Far from the few low ones that are reserved.
        Self(u64::from_le_bytes(low) | 1 << 63)
    }
}

/// A process: where it lives, in which start of that node, and which of its mailboxes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Pid {
    /// The node it lives on.
    pub node: NodeId,
    /// The start of that node; a pid of an earlier start is nobody's.
    pub boot: Boot,
    /// Which mailbox of that node.
    pub local: LocalId,
    /// Where to look the node up; a hint, outside equality. `None`: only members of a common
    /// group can reach it.
    pub home: Option<GroupId>,
}

impl Pid {
    /// Whichever process of `node` has registered the name there, in whichever start of the node;
    /// `home` is where to look the node up if it shares no group with the sender. An address to
    /// send to and to call; not the pid of a process: it can be neither monitored nor registered.
    pub fn named(node: NodeId, home: Option<GroupId>, name: impl AsRef<[u8]>) -> Self {
        Self {
            node,
            boot: Boot::ANY,
            local: LocalId::named(name.as_ref()),
            home,
        }
    }

    const fn key(&self) -> (NodeId, Boot, LocalId) {
        (self.node, self.boot, self.local)
    }
}

impl PartialEq for Pid {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Pid {}

impl PartialOrd for Pid {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pid {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl std::hash::Hash for Pid {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:x}.{:x}", self.node, self.boot.0, self.local.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_its_realm_and_name_and_nothing_else() {
        assert_eq!(GroupId::new("realm", "a"), GroupId::new("realm", "a"));
        assert_ne!(GroupId::new("realm", "a"), GroupId::new("realm", "b"));
        assert_ne!(GroupId::new("ab", "c"), GroupId::new("a", "bc"));
    }

    /// Golden: another hash would send what is addressed to names nowhere while versions are mixed.
    #[test]
    fn a_local_name_has_the_same_id_on_every_platform() {
        let ids = [&b"a"[..], b"b", b""].map(|name| LocalId::named(name).0);
        assert!(ids.iter().all(|id| id >> 63 == 1));
        assert_eq!(ids, GOLDEN);
    }

    const GOLDEN: [u64; 3] = [
        17_447_425_577_375_228_388,
        14_675_785_202_738_425_219,
        14_730_761_793_246_843_211,
    ];

    #[test]
    fn any_start_covers_the_one_that_is_alive() {
        assert!(Boot::ANY.covers(Boot(7)) && Boot(7).covers(Boot(7)));
        assert!(!Boot(6).covers(Boot(7)) && !Boot(7).covers(Boot(6)));
    }

    #[test]
    fn the_home_hint_is_outside_equality() {
        let pid = Pid {
            node: NodeId([1; 32]),
            boot: Boot(1),
            local: LocalId(1),
            home: None,
        };
        let hinted = Pid {
            home: Some(GroupId::new("r", "g")),
            ..pid
        };
        assert_eq!(pid, hinted);
    }
}
