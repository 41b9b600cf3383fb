//! What the claimants of strict names and the acceptors of a group's council say to each other.
//!
//! Each may be lost, repeated or late. A claimant is answered by name, round and step; what answers
//! nothing it asked is ignored.
//! Source: CASPaxos (Rystsov 2018); leases with bounded drift (Gray, Cheriton 1989).

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Charter, CharterId, List, bounded};
use crate::{LocalId, NodeId, Pid};

/// A message about one strict name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Strict {
    /// The name; any bytes, 1 to 255 of them.
    #[serde(
        serialize_with = "bounded::put_bytes::<255, _>",
        deserialize_with = "bounded::bytes::<255, _>"
    )]
    pub name: Bytes,
    /// A hash of the council that the sender goes by: those who go by another do not answer.
    pub council: u64,
    /// What about it.
    pub body: StrictBody,
}

/// What is said about a strict name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StrictBody {
    /// Promise this round, unless somebody else holds the name.
    Prepare {
        /// Higher than every round the claimant has heard of.
        round: u64,
    },
    /// No lower round will be accepted from now on, and nobody holds the name.
    Promise {
        /// As asked.
        round: u64,
    },
    /// Let the sender's process hold the name for a life from now on; or, with nobody, let it go.
    Accept {
        /// As promised.
        round: u64,
        /// Rises with each message of a round; so a late one renews nothing.
        step: u32,
        /// The mailbox of the sender that holds the name; `None`: nobody.
        holder: Option<LocalId>,
        /// How long, in milliseconds of the claimant's clock from when it first sent this.
        life_ms: u32,
    },
    /// Done.
    Accepted {
        /// As asked.
        round: u64,
        /// As asked.
        step: u32,
    },
    /// Not done, and nothing changed.
    Refused {
        /// As asked.
        round: u64,
        /// Why.
        why: StrictRefusal,
    },
    /// Who holds the name?
    Ask {
        /// Comes back in the answer.
        id: u64,
    },
    /// The answer to an `Ask`.
    State {
        /// As asked.
        id: u64,
        /// Who holds it, as far as this acceptor knows.
        tenancy: Option<Tenancy>,
    },
}

/// Why an acceptor does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StrictRefusal {
    /// Somebody else holds the name.
    Held(Tenancy),
    /// A higher round was promised: ask with one above it.
    Round(u64),
    /// It may have forgotten what it promised, and says nothing for so long.
    Mute {
        /// In milliseconds of its clock.
        left_ms: u32,
    },
    /// It has as many names as it may.
    Full,
    /// It grants no life as long as that.
    Life {
        /// The longest that it grants.
        max_ms: u32,
    },
}

/// Who holds a name, in which round, and for how long yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tenancy {
    /// Whose mailbox.
    pub holder: Pid,
    /// Rises from holder to holder: what the holder shows as its fence.
    pub round: u64,
    /// Until the acceptor takes the name for free, in milliseconds of its clock.
    pub left_ms: u32,
}

/// About the councils of a group, where a charter names another one than the charter before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Council {
    /// The highest that the sender knows, and goes by.
    pub charter: Arc<Charter>,
    /// Councils of lower charters that may grant yet, as far as the sender knows.
    pub former: List<FormerCouncil, { FormerCouncil::COUNT_MAX }>,
    /// What about them.
    pub body: CouncilBody,
}

/// A council that a later charter replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerCouncil {
    /// Of the charter that the sender knew it by.
    pub charter: CharterId,
    /// Who was of it; nobody: more councils than can be named.
    pub members: List<NodeId, 5>,
}

impl FormerCouncil {
    /// Most that are named: so many changes of which not one could be completed.
    pub const COUNT_MAX: usize = 8;
}

/// What is said about councils.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CouncilBody {
    /// For who has just come in.
    Told,
    /// Go by this charter, grant nothing by a lower one from now on, and say so.
    Ask,
    /// The sender goes by this charter and grants nothing by a lower one.
    Sealed {
        /// The highest round that it promised to anybody: fences rise across councils.
        round: u64,
        /// It grants by its charter's council, and those of all charters below this one are over;
        /// `None`: it does not grant.
        open: Option<CharterId>,
    },
}

impl Strict {
    /// Longest name in bytes.
    pub const NAME_BYTES_MAX: usize = 255;

    /// A hash of a council, whatever order its members are named in.
    pub fn council_hash(council: &[NodeId]) -> u64 {
        let mut names: Vec<&NodeId> = council.iter().collect();
        names.sort_unstable();
        names.dedup();
        let bytes = names.iter().flat_map(|node| node.0);
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_council_is_the_same_in_any_order() {
        let [a, b, c] = [1, 2, 3].map(|byte| NodeId([byte; 32]));
        assert_eq!(
            Strict::council_hash(&[a, b, c]),
            Strict::council_hash(&[c, a, b, a])
        );
        assert_ne!(Strict::council_hash(&[a, b]), Strict::council_hash(&[a, c]));
    }

    #[test]
    fn a12_a_name_beyond_its_limit_is_not_read() {
        let strict = |len| Strict {
            name: vec![7; len].into(),
            council: 1,
            body: StrictBody::Ask { id: 1 },
        };
        let bytes = postcard::to_stdvec(&strict(255)).unwrap();
        assert_eq!(postcard::from_bytes(&bytes), Ok(strict(255)));
        assert!(postcard::to_stdvec(&strict(256)).is_err());
    }
}
