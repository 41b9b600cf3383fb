//! What members of a group that is kept in size by the program say of it: what it is to be, which
//! groups came of it, and the change that is under way.
//!
//! All of it rides in the owner-logs, so it is repaired by the group's own anti-entropy, and what a
//! member says vanishes with it: whoever goes on after it has to have heard.
//! Bounds: one statement fits into a log's value of 4 KiB.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::up::{StatementError, from_bytes, to_bytes};
use super::{List, Name, bounded};
use crate::{Address, GroupId, NodeId};

/// Groups that one group remembers to have come of it, or to have taken in; the oldest is
/// forgotten first.
pub const HEIRS_MAX: usize = 16;

/// Members, or groups below, that one change may move: what fits into one value of a log.
pub const MOVERS_MAX: usize = 500;

/// What groups are to be that the program keeps in size; the same at all groups of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Standard {
    /// Members of a group, 2 to 1,000.
    pub size: u32,
    /// The fewest and the most members that are left alone, where they are others than a half and
    /// three halves of the size; 1 to 1,000, the most at least twice the fewest, less one.
    pub span: Option<(u32, u32)>,
    /// Members of each group that join the one above it, 1 to 8.
    pub reflectors: u8,
    /// Members of a group above others, at least twice `reflectors`.
    pub parent_size: u32,
    /// Attributes of nodes that keep them together, the widest first.
    pub by: List<Name, 8>,
}

/// What became of a group so far, and what it is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// What it is to be.
    pub standard: Standard,
    /// Of the last change that is over, undone ones included; 0 before the first.
    pub generation: u64,
    /// Groups that were split off it, the latest first: what is not found here may be there.
    pub heirs: List<GroupId, HEIRS_MAX>,
    /// Groups that it took in, the latest first.
    pub taken: List<GroupId, HEIRS_MAX>,
    /// The parents that it was given: where it had none when it came apart, or where its own came
    /// apart.
    pub above: Option<Above>,
}

/// What a group does to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegroupKind {
    /// Some of its members form a group of their own.
    Split,
    /// All of its members join another group.
    Merge,
}

/// How far a change is. Of two words about one change the later stage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RegroupStage {
    /// Those who move join the other group, and stay in this one.
    Make,
    /// It took too long: they leave the other group again.
    Undo,
    /// All of them are in the other group: they leave this one.
    Break,
}

/// The change that is under way, as its keeper says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// One more than that of the last change.
    pub generation: u64,
    /// What is done.
    pub kind: RegroupKind,
    /// How far it is.
    pub stage: RegroupStage,
    /// The name of the other group.
    #[serde(
        serialize_with = "bounded::put_text::<255, _>",
        deserialize_with = "bounded::text::<255, _>"
    )]
    pub other: Arc<str>,
}

/// The parents that a group was given, instead of those that its members are configured with. Of two
/// the one of the later epoch counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Above {
    /// Of the charter that names them.
    pub epoch: u64,
    /// They: two while the group goes over from the first one to the second.
    pub parents: List<Parent, 2>,
}

/// A group that is to stand above others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Parent {
    /// Its name.
    #[serde(
        serialize_with = "bounded::put_text::<255, _>",
        deserialize_with = "bounded::text::<255, _>"
    )]
    pub name: Arc<str>,
    /// Members through whom it is joined, and where they are.
    pub seeds: List<(NodeId, Address), 3>,
}

/// Who moves in a split, by the first eight bytes of their names: nodes, or where a parent is split
/// the groups below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movers {
    /// Of the change.
    pub generation: u64,
    /// They.
    pub nodes: List<[u8; 8], MOVERS_MAX>,
}

/// The groups below that a member of a parent is there for; said in the parent's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// They.
    pub groups: List<Stand, 32>,
}

/// One group below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// Which.
    pub group: GroupId,
    /// It has no other parent and is kept in size as well: it can be given another parent.
    pub is_free: bool,
}

/// A group looks for one that takes it in; said by who leads it up, in the parent's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seek {
    /// The group that it would join.
    pub into: GroupId,
    /// How many would come.
    pub size: u32,
}

impl Movers {
    /// How a node is named here.
    pub fn short(node: &NodeId) -> [u8; 8] {
        let mut short = [0; 8];
        short.copy_from_slice(&node.0[..8]);
        short
    }

    /// How a group is named here.
    pub fn short_of(group: &GroupId) -> [u8; 8] {
        let mut short = [0; 8];
        short.copy_from_slice(&group.0[..8]);
        short
    }
}

macro_rules! statement {
    ($($kind:ty),*) => {$(
        impl $kind {
            /// The value of a log entry.
            pub fn to_bytes(&self) -> Vec<u8> {
                to_bytes(self)
            }

            /// The reverse.
            ///
            /// # Errors
            /// [`StatementError`] for anything but exactly one statement within its bounds.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
                from_bytes(bytes)
            }
        }
    )*};
}
statement!(Lineage, Intent, Movers, Seek, Stands);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_statements_fit_into_a_value_of_a_log() {
        let movers = Movers {
            generation: u64::MAX,
            nodes: List::truncated([[255; 8]; MOVERS_MAX]),
        };
        let bytes = movers.to_bytes();
        assert!(bytes.len() <= 4_096, "{}", bytes.len());
        assert_eq!(Movers::from_bytes(&bytes), Ok(movers));
        let name = || Name(bytes::Bytes::from(vec![b'x'; 255]));
        let group = GroupId::new("realm", "group");
        let lineage = Lineage {
            standard: Standard {
                size: 1_000,
                span: Some((500, 1_000)),
                reflectors: 8,
                parent_size: 1_000,
                by: List::truncated((0..8).map(|_| name())),
            },
            generation: u64::MAX,
            heirs: List::truncated([group; HEIRS_MAX]),
            taken: List::truncated([group; HEIRS_MAX]),
            above: Some(Above {
                epoch: u64::MAX,
                parents: List::truncated([parent(), parent()]),
            }),
        };
        let bytes = lineage.to_bytes();
        assert!(bytes.len() <= 4_096, "{}", bytes.len());
        assert_eq!(Lineage::from_bytes(&bytes), Ok(lineage));
    }

    fn parent() -> Parent {
        let seed = || (NodeId([255; 32]), "x".repeat(Address::LEN_MAX)[..].into());
        Parent {
            name: "x".repeat(255).into(),
            seeds: List::truncated((0..3).map(|_| seed())),
        }
    }

    #[test]
    fn what_members_of_a_parent_stand_for_is_read_back() {
        let stand = Stand {
            group: GroupId::new("realm", "group"),
            is_free: true,
        };
        let stands = Stands {
            groups: List::truncated([stand; 32]),
        };
        let bytes = stands.to_bytes();
        assert!(bytes.len() <= 4_096, "{}", bytes.len());
        assert_eq!(Stands::from_bytes(&bytes), Ok(stands));
    }

    #[test]
    fn an_intent_is_read_back_and_a_byte_more_is_none() {
        let intent = Intent {
            generation: 7,
            kind: RegroupKind::Split,
            stage: RegroupStage::Make,
            other: "north~1".into(),
        };
        let mut bytes = intent.to_bytes();
        assert_eq!(Intent::from_bytes(&bytes), Ok(intent));
        bytes.push(0);
        assert!(Intent::from_bytes(&bytes).is_err());
    }

    #[test]
    fn later_stages_of_one_change_count() {
        assert!(RegroupStage::Make < RegroupStage::Undo);
        assert!(RegroupStage::Undo < RegroupStage::Break);
    }
}
