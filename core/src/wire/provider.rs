//! Who offers a service, as a reflector tells nodes outside of the group.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::up::{from_bytes, to_bytes};
use super::{List, StatementError};
use crate::{Boot, GroupId, LocalId, NodeId};

/// Most providers in one answer: enough to choose from, and below the bounds of a name's metadata.
pub const PROVIDERS_MAX: usize = 16;

/// A process that offers a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Provider {
    /// How busy its node says that it is, in thousandths of its own measure; 0 if it does not say.
    pub load: u32,
    /// Its node.
    pub node: NodeId,
    /// Its node's start.
    pub boot: Boot,
    /// Which mailbox of it.
    pub local: LocalId,
}

/// Providers of one service, as they lie in the metadata of an answer.
pub type Providers = List<Provider, PROVIDERS_MAX>;

/// Under which key a service is sought: of group and service, and never that of a name.
pub fn service_key(group: &GroupId, service: &[u8]) -> NodeId {
    let mut hash = Sha256::new();
    hash.update(b"archipelago/service/1");
    hash.update(group.0);
    hash.update(service);
    NodeId(hash.finalize().into())
}

impl Providers {
    /// As bytes; at most some 900.
    pub fn to_bytes(&self) -> Bytes {
        to_bytes(self).into()
    }

    /// The reverse.
    ///
    /// # Errors
    /// [`StatementError`] for anything but exactly one list within its limit.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StatementError> {
        from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{NameClaim, name_key};
    use proptest::prelude::*;

    #[test]
    fn a_full_answer_fits_and_is_read_back() {
        let provider = Provider {
            load: u32::MAX,
            node: NodeId([7; 32]),
            boot: Boot(u64::MAX),
            local: LocalId(u64::MAX),
        };
        let all = Providers::truncated([provider; PROVIDERS_MAX + 1]);
        let bytes = all.to_bytes();
        assert!(
            bytes.len() <= NameClaim::METADATA_BYTES_MAX,
            "{}",
            bytes.len()
        );
        assert_eq!(Providers::from_bytes(&bytes), Ok(all));
    }

    #[test]
    fn a_service_is_sought_under_no_name() {
        let group = GroupId([1; 16]);
        assert_ne!(service_key(&group, b"a"), name_key(&group, b"a"));
        assert_ne!(service_key(&group, b"a"), service_key(&group, b"b"));
    }

    proptest! {
        #[test]
        fn a6_arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
            if let Ok(all) = Providers::from_bytes(&bytes) {
                prop_assert!(all.len() <= PROVIDERS_MAX);
            }
        }
    }
}
