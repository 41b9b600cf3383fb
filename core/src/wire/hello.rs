//! The first message in each direction of a session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bounded;
use crate::{Boot, SignedRecord};

/// Lowest wire version this build speaks.
pub const WIRE_MIN: u16 = 1;
/// Highest wire version this build speaks.
pub const WIRE_MAX: u16 = 1;

/// 256 random bits, fresh for each session and direction; admission proofs bind both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nonce(pub [u8; 32]);

/// Who opens the conversation, and in which versions it can be held.
///
/// It is read before a version is agreed on, so what stands here stands so in every version. A
/// later one says more behind it, which an earlier one passes over; and a record, which nodes of all
/// versions pass on under its signature, stays as it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Lowest and highest wire version; the session speaks the highest common one.
    pub wire: (u16, u16),
    /// The realm's name; sessions across realms are refused. At most 64 bytes.
    #[serde(
        serialize_with = "bounded::put_text::<64, _>",
        deserialize_with = "bounded::text::<64, _>"
    )]
    pub realm: Arc<str>,
    /// The sender's start.
    pub boot: Boot,
    /// Fresh for this session and direction.
    pub nonce: Nonce,
    /// The sender's own record; its key must be the session's.
    pub record: Arc<SignedRecord>,
}
