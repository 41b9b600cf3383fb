//! A claim on a name, as its owner says it in its own log.
//!
//! The key of the entry is the name; whose claim it is and in which start follow from the log, so
//! nobody can claim for another node. Some 16 bytes, and what the user adds.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::up::{from_bytes, to_bytes};
use super::{StatementError, bounded};
use crate::LocalId;

/// What the owner of a claim says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameClaim {
    /// Which mailbox of the owner.
    pub local: LocalId,
    /// The higher wins, whenever it was claimed. Default 0.
    pub priority: i32,
    /// How often the name was moved on purpose; of equal priorities the higher wins.
    pub moves: u32,
    /// When it was claimed, by the group's logical clock; the earlier wins.
    pub lamport: u64,
    /// Whether nodes outside of the group find the name, where the group's policy lets them in.
    pub is_exported: bool,
    /// The user's own; at most [`NameClaim::METADATA_BYTES_MAX`] bytes.
    #[serde(
        serialize_with = "bounded::put_bytes::<{ NameClaim::METADATA_BYTES_MAX }, _>",
        deserialize_with = "bounded::bytes::<{ NameClaim::METADATA_BYTES_MAX }, _>"
    )]
    pub metadata: Bytes,
}

impl NameClaim {
    /// Longest metadata in bytes.
    pub const METADATA_BYTES_MAX: usize = 1_024;

    /// The value of a log entry.
    ///
    /// # Panics
    /// With more metadata than may be.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }

    /// The reverse.
    ///
    /// # Errors
    /// [`StatementError`] for anything but exactly one claim.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim(metadata_bytes: usize) -> NameClaim {
        NameClaim {
            local: LocalId(u64::MAX),
            priority: -1,
            moves: 1,
            lamport: 300,
            is_exported: true,
            metadata: vec![7; metadata_bytes].into(),
        }
    }

    #[test]
    fn a_claim_is_read_back_with_the_most_metadata_and_no_byte_more() {
        for bytes in [0, 1, NameClaim::METADATA_BYTES_MAX] {
            let claim = claim(bytes);
            assert_eq!(NameClaim::from_bytes(&claim.to_bytes()), Ok(claim));
        }
        let mut long = claim(1).to_bytes();
        long.push(0);
        assert_eq!(NameClaim::from_bytes(&long), Err(StatementError));
    }

    proptest! {
        /// A6, A7: arbitrary bytes neither panic nor decode to anything beyond the limits.
        #[test]
        fn a7_arbitrary_bytes_are_a_bounded_claim_or_none(bytes: Vec<u8>) {
            if let Ok(claim) = NameClaim::from_bytes(&bytes) {
                prop_assert!(claim.metadata.len() <= NameClaim::METADATA_BYTES_MAX);
                prop_assert_eq!(NameClaim::from_bytes(&claim.to_bytes()), Ok(claim));
            }
        }
    }
}
