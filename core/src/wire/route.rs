//! What reflectors say to each other, and what nodes ask of them.
//!
//! Source: route reflection, RFC 4456 (originator id, cluster list).

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{GROUP_HEIRS_MAX, Heading, List, NameClaim, bounded};
use crate::{Boot, Crypto, GroupId, NodeId, Signature, SignedRecord};

/// A message of the routing machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteBody {
    /// A reflector's row, flooded; with the cluster list of this copy.
    Row {
        /// What the originator signed.
        row: Arc<SignedRow>,
        /// The reflectors that this copy has passed, to cut loops; the originator is not listed.
        clusters: List<NodeId, 32>,
        /// How long ago the originator signed it, in seconds rounded up: what each holder adds its
        /// own time to, so that copies of a row age out together and are not revived in turn.
        age_s: u32,
    },
    /// The numbers of all rows that the sender has; the receiver sends what is newer.
    RowDigest(List<(NodeId, Boot, u64), 1_024>),
    /// Where is a node?
    Lookup(Box<Lookup>),
    /// The answer, back along the way of the question.
    LookupReply(Box<LookupReply>),
}

/// Which groups a reflector joins: its statement about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Who reflects.
    pub reflector: NodeId,
    /// In which start.
    pub boot: Boot,
    /// Rises with each change; the higher (boot, seq) wins.
    pub seq: u64,
    /// The groups it is in; empty when it withdraws.
    pub groups: List<RowGroup, 32>,
}

/// One group as a reflector in it sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowGroup {
    /// Which.
    pub group: GroupId,
    /// How many live members.
    pub size: u32,
    /// Whether nodes outside may be introduced to its members.
    pub closed: bool,
    /// The other reflectors of the group that are alive: what confirms their edges.
    pub reflectors: List<NodeId, 32>,
}

/// A row with its originator's signature, under `archipelago/row/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRow {
    /// What was signed.
    pub row: Row,
    /// By whom the row is about.
    pub signature: Signature,
}

impl SignedRow {
    const DOMAIN: &str = "archipelago/row/1";

    /// Signs `row` as this node, which must be the one that it names.
    pub fn new(row: Row, crypto: &dyn Crypto) -> Self {
        let signature = crypto.sign(Self::DOMAIN, &canonical(&row));
        Self { row, signature }
    }

    /// Whether the reflector that the row names signed it.
    pub fn verify(&self, crypto: &dyn Crypto) -> bool {
        let bytes = canonical(&self.row);
        crypto.verify(&self.row.reflector, Self::DOMAIN, &bytes, &self.signature)
    }

    /// What two rows of one reflector are compared by: the higher wins.
    pub fn version(&self) -> (Boot, u64) {
        (self.row.boot, self.row.seq)
    }
}

/// What a name in a group is sought by, where nodes are sought by their keys: a digest of both.
pub fn name_key(group: &GroupId, name: &[u8]) -> NodeId {
    let mut hash = Sha256::new();
    hash.update(b"archipelago/name/1");
    hash.update(group.0);
    hash.update(name);
    NodeId(hash.finalize().into())
}

/// The bytes of a name; at most 255.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name(
    #[serde(
        serialize_with = "bounded::put_bytes::<255, _>",
        deserialize_with = "bounded::bytes::<255, _>"
    )]
    pub Bytes,
);

/// Where is `target`?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Chosen by the sender of this hop; comes back in the reply.
    pub id: u64,
    /// Who is sought: a node, or the [`name_key`] of a name, which is no node's.
    pub target: NodeId,
    /// The name, where one is sought.
    pub name: Option<Name>,
    /// Where to ask: the target's home group.
    pub group: GroupId,
    /// Who asks in the end; the introduction is made out to it.
    pub requester: NodeId,
    /// Answers older than this (boot, seq) of the target's record will not do.
    pub version_min: (Boot, u64),
    /// How many more reflectors may be asked on; 0 answers or fails.
    pub hops: u8,
    /// Which way it may still go.
    pub heading: Heading,
}

/// The answer to a `Lookup`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupReply {
    /// Of the question on this hop.
    pub id: u64,
    /// Who was sought.
    pub target: NodeId,
    /// What was found.
    pub answer: LookupAnswer,
}

/// What became of a look-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LookupAnswer {
    /// Here it is.
    Found {
        /// The target's own record.
        record: Arc<SignedRecord>,
        /// Reflectors of its group, nearest first: what to try next without asking.
        reflectors: List<Arc<SignedRecord>, 4>,
        /// The key to its door.
        introduction: Arc<SignedIntroduction>,
    },
    /// The group knows the node as gone.
    Gone,
    /// The group exists, the node is not in it.
    NotFound,
    /// No live reflector leads to the group.
    NoRoute,
    /// The group lets nobody in from outside.
    Closed,
    /// Too many look-ups at once: try again later.
    Overloaded,
    /// The name is held.
    Named {
        /// By whom.
        holding: Arc<SignedHolding>,
        /// The holder's own record.
        record: Arc<SignedRecord>,
        /// Reflectors of its group, nearest first: what to try next without asking.
        reflectors: List<Arc<SignedRecord>, 4>,
        /// The key to the holder's door.
        introduction: Arc<SignedIntroduction>,
    },
    /// What is sought is not in the group, and may be in one of these: they were split off it, or
    /// took it in.
    Moved(List<GroupId, GROUP_HEIRS_MAX>),
}

/// A reflector's word for who holds a name in its group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The [`name_key`] of the name.
    pub key: NodeId,
    /// Who asked.
    pub requester: NodeId,
    /// The node that holds it.
    pub holder: NodeId,
    /// The holder's start.
    pub boot: Boot,
    /// What it claims.
    pub claim: NameClaim,
    /// The reflector that says so.
    pub reflector: NodeId,
}

/// A [`Holding`] with the reflector's signature, under `archipelago/holding/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHolding {
    /// What was signed.
    pub holding: Holding,
    /// By the reflector that it names.
    pub signature: Signature,
}

impl SignedHolding {
    const DOMAIN: &str = "archipelago/holding/1";

    /// Signs `holding` as this node, which must be the reflector that it names.
    pub fn new(holding: Holding, crypto: &dyn Crypto) -> Self {
        let signature = crypto.sign(Self::DOMAIN, &canonical(&holding));
        Self { holding, signature }
    }

    /// Whether the reflector that it names signed it.
    pub fn verify(&self, crypto: &dyn Crypto) -> bool {
        let bytes = canonical(&self.holding);
        crypto.verify(
            &self.holding.reflector,
            Self::DOMAIN,
            &bytes,
            &self.signature,
        )
    }
}

/// A reflector's word that two nodes may open a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// Who will dial.
    pub requester: NodeId,
    /// Whom.
    pub target: NodeId,
    /// The target's start that it was made for.
    pub target_boot: Boot,
    /// The group of the target whose reflector made it.
    pub group: GroupId,
    /// The reflector that made it; the target knows it as a member with that role.
    pub reflector: NodeId,
    /// The target accepts it for so long after it was made, by the reflector's session with it
    /// being alive at the time of use. Default 300 s.
    pub life_s: u32,
}

/// An introduction with the reflector's signature, under `archipelago/introduction/1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIntroduction {
    /// What was signed.
    pub introduction: Introduction,
    /// By the reflector that it names.
    pub signature: Signature,
}

impl SignedIntroduction {
    const DOMAIN: &str = "archipelago/introduction/1";

    /// Signs `introduction` as this node, which must be the reflector that it names.
    pub fn new(introduction: Introduction, crypto: &dyn Crypto) -> Self {
        let signature = crypto.sign(Self::DOMAIN, &canonical(&introduction));
        Self {
            introduction,
            signature,
        }
    }

    /// Whether the reflector that the introduction names signed it; whether that node reflects for
    /// the group is another question.
    pub fn verify(&self, crypto: &dyn Crypto) -> bool {
        let bytes = canonical(&self.introduction);
        let signer = &self.introduction.reflector;
        crypto.verify(signer, Self::DOMAIN, &bytes, &self.signature)
    }
}

/// The bytes that are signed: postcard has one encoding of each value.
fn canonical(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("a typed message in memory has an encoding")
}
