//! What members of a group say to each other to bring a groupcast to all of them.
//!
//! A word is the payload of a message between the nodes' own mailboxes for it; what it brings, a
//! piece of the message, follows its head and is not copied to be read.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::List;
use super::codec::DecodeError;
use crate::{Boot, NodeId};

/// Most nodes below one of a tree: members of the largest group.
pub const SUBTREE_MAX: usize = 4_096;

/// A word about groupcasts within one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupcastWord {
    /// A piece of a message, and who is to get it from the receiver.
    Piece(Piece),
    /// From the origin: it sent all before this number.
    Last {
        /// The origin's start.
        boot: Boot,
        /// The number of its next message.
        next: u64,
    },
    /// To the origin: send these again, to me alone.
    Want {
        /// The origin's start.
        boot: Boot,
        /// The first that is missing.
        from: u64,
        /// The first that is not.
        until: u64,
    },
    /// From the origin: it has none before this number for the receiver.
    Gone {
        /// The origin's start.
        boot: Boot,
        /// The first that may follow.
        below: u64,
    },
}

/// The head of a piece; its bytes follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Who sent the message first.
    pub origin: NodeId,
    /// The origin's start.
    pub boot: Boot,
    /// The message's number at its origin, from 0 on.
    pub seq: u64,
    /// Which piece, from 0 on.
    pub index: u32,
    /// Of how many.
    pub count: u32,
    /// Whom the receiver brings it to.
    pub subtree: List<NodeId, SUBTREE_MAX>,
}

impl GroupcastWord {
    /// The word, and behind it the bytes that it brings.
    pub fn encode(&self, body: &[u8]) -> Bytes {
        let head = postcard::to_stdvec(self).expect("a word in memory can be written");
        let mut bytes = Vec::with_capacity(head.len() + body.len());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(body);
        bytes.into()
    }

    /// The word, and the bytes behind it, which are a slice of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] for bytes that are no word.
    pub fn decode(bytes: &Bytes) -> Result<(Self, Bytes), DecodeError> {
        let (word, rest) = postcard::take_from_bytes(bytes).map_err(|_| DecodeError::Malformed)?;
        let body = bytes.slice(bytes.len() - rest.len()..);
        Ok((word, body))
    }
}
