//! The one thing that is forwarded for others: sealed end to end, so that who carries it reads and
//! forges nothing (it can only withhold).

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Control, Heading, List, bounded};
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
    /// A detour's hops, its next receiver first and the target last: each receiver takes itself
    /// off. Empty on relay, where reflectors choose.
    pub route: List<NodeId, 4>,
    /// How many more nodes may forward it.
    pub hops: u8,
    /// How often the source changed its way because nothing came back: with each, reflectors
    /// choose among equal next hops anew, and so go round one that withholds.
    pub attempt: u8,
    /// Which way a relay may still go; of no meaning on a detour.
    pub heading: Heading,
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
    /// A sealed [`Payload`], at most [`Sealed::LEN_MAX`] bytes.
    #[serde(
        serialize_with = "bounded::put_bytes::<{ Sealed::LEN_MAX }, _>",
        deserialize_with = "bounded::bytes::<{ Sealed::LEN_MAX }, _>"
    )]
    pub bytes: Bytes,
}

impl Sealed {
    /// Most sealed bytes of one envelope: a chunk of a channel with room for what goes around it.
    pub const LEN_MAX: usize = 24 * 1024;
}

/// What is inside the seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// Frames of the channel between source and target, encoded; at most 20 KiB.
    Frames(Bytes),
    /// A message of the virtual session between two members on a detour: anything but another
    /// envelope, so that nothing can be wrapped again and again.
    Control(Box<Control>),
}

/// Bytes or a message that are no payload: whoever made them breaks the protocol, or speaks a
/// later version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no payload: malformed, or beyond a limit")]
pub struct PayloadError;

impl Payload {
    /// The bytes to seal.
    ///
    /// # Errors
    /// [`PayloadError`] for a message that a peer would not take: one beyond a limit of its own.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PayloadError> {
        postcard::to_stdvec(self).map_err(|_| PayloadError)
    }

    /// The reverse, of bytes that were authenticated but not checked. Allocates no more than a
    /// few times what is there: wire types grow with what really arrives.
    ///
    /// # Errors
    /// [`PayloadError`] for anything but exactly one payload, and for an envelope in an envelope.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PayloadError> {
        match postcard::take_from_bytes(bytes) {
            Ok((Self::Control(control), [])) if matches!(*control, Control::Envelope(_)) => {
                Err(PayloadError)
            }
            Ok((payload, [])) => Ok(payload),
            Ok(_) | Err(_) => Err(PayloadError),
        }
    }
}
