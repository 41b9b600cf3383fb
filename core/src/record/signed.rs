//! A record under its owner's signature, and what is checked before it is believed.
//!
//! Signed are the record's bytes in postcard, which has one encoding of each value, under a domain
//! of their own. Cost: one signature and some 300 bytes.

use serde::{Deserialize, Serialize};

use super::{NodeRecord, Signature};
use crate::{Boot, Crypto};

/// A record with its owner's signature; shared, since many tables hold the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRecord {
    /// What was signed.
    pub record: NodeRecord,
    /// Over the record's canonical bytes, under the domain `archipelago/record/1`.
    pub signature: Signature,
}

/// Why a record is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The node that it names did not sign it.
    #[error("the record is not signed by the node that it names")]
    Signature,
    /// Its boot or number is so high that hardly another could follow.
    #[error("the record's boot or number is absurd")]
    Version,
    /// Its lowest wire version lies above its highest.
    #[error("the record's range of wire versions is empty")]
    WireRange,
    /// A text in it is beyond its limit.
    #[error("a text in the record is beyond its limit")]
    Text,
}

impl SignedRecord {
    const DOMAIN: &str = "archipelago/record/1";

    /// Highest number within one boot that is believed: there is always a next one.
    const SEQ_MAX: u64 = u64::MAX >> 1;

    /// Signs `record` as this node, which must be the one that it names.
    ///
    /// `None` when a text in it is beyond its limit, so that no peer would take it.
    pub fn new(record: NodeRecord, crypto: &dyn Crypto) -> Option<Self> {
        let bytes = postcard::to_stdvec(&record).ok()?;
        let signature = crypto.sign(Self::DOMAIN, &bytes);
        Some(Self { record, signature })
    }

    /// Whether the record may be believed: sane in itself, and signed by the node that it names.
    ///
    /// # Errors
    /// [`RecordError`]: whoever sent it breaks the protocol, for nobody passes on such a record.
    pub fn check(&self, crypto: &dyn Crypto) -> Result<(), RecordError> {
        let record = &self.record;
        if record.boot > Boot::MAX || record.seq > Self::SEQ_MAX {
            return Err(RecordError::Version);
        }
        if record.wire.0 > record.wire.1 {
            return Err(RecordError::WireRange);
        }
        let bytes = postcard::to_stdvec(record).map_err(|_| RecordError::Text)?;
        if crypto.verify(&record.node, Self::DOMAIN, &bytes, &self.signature) {
            Ok(())
        } else {
            Err(RecordError::Signature)
        }
    }

    /// As [`SignedRecord::check`], for those who do not ask why not.
    pub fn verify(&self, crypto: &dyn Crypto) -> bool {
        self.check(crypto).is_ok()
    }

    /// What two records of one node are compared by: the higher wins.
    pub const fn version(&self) -> (Boot, u64) {
        (self.record.boot, self.record.seq)
    }

    /// Whether this record takes the place of `other`, of the same node.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.version() > other.version()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::List;
    use crate::{Address, GroupId, NodeId, Roles, SealingKey, ToyCrypto};

    fn record(crypto: &ToyCrypto) -> NodeRecord {
        NodeRecord {
            node: crypto.id(),
            boot: Boot(5),
            seq: 7,
            name: "node".into(),
            groups: List::truncated([GroupId::new("r", "g")]),
            addresses: List::truncated([Address::from("/ip4/127.0.0.1/tcp/4001")]),
            roles: Roles::REFLECTOR,
            sealing_key: crypto.sealing_key(),
            wire: (1, 1),
            life_s: 86_400,
        }
    }

    /// Signs what `change` makes of a good record, and checks it at another node.
    fn check(change: impl FnOnce(&mut NodeRecord)) -> Result<(), RecordError> {
        let crypto = ToyCrypto::new(1);
        let mut record = record(&crypto);
        change(&mut record);
        let signed = SignedRecord::new(record, &crypto).unwrap();
        signed.check(&ToyCrypto::new(2))
    }

    #[test]
    fn a_record_is_believed_of_its_signer_only() {
        assert_eq!(check(|_| {}), Ok(()));
        let others = check(|record| record.node = ToyCrypto::new(3).id());
        assert_eq!(others, Err(RecordError::Signature));
    }

    #[test]
    fn every_field_is_signed() {
        let crypto = ToyCrypto::new(1);
        let signed = SignedRecord::new(record(&crypto), &crypto).unwrap();
        let changes: [fn(&mut NodeRecord); 10] = [
            |r| r.node = NodeId([0; 32]),
            |r| r.boot = Boot(6),
            |r| r.seq = 8,
            |r| r.name = "other".into(),
            |r| r.groups = List::new(),
            |r| r.addresses = List::new(),
            |r| r.roles = Roles::HIDDEN,
            |r| r.sealing_key = SealingKey([0; 32]),
            |r| r.wire = (1, 2),
            |r| r.life_s = 1,
        ];
        for change in changes {
            let mut forged = signed.clone();
            change(&mut forged.record);
            assert_eq!(forged.check(&crypto), Err(RecordError::Signature));
        }
        assert!(signed.verify(&crypto));
    }

    #[test]
    fn a8_numbers_at_their_ends_are_refused_or_bounded() {
        assert_eq!(check(|r| r.boot = Boot(0)), Ok(()));
        assert_eq!(check(|r| r.boot = Boot::MAX), Ok(()));
        let last = check(|r| r.boot = Boot(u64::MAX));
        assert_eq!(last, Err(RecordError::Version));
        assert_eq!(check(|r| r.seq = u64::MAX), Err(RecordError::Version));
        assert_eq!(check(|r| r.wire = (2, 1)), Err(RecordError::WireRange));
        assert_eq!(check(|r| r.wire = (0, u16::MAX)), Ok(()));
        let mut record = record(&ToyCrypto::new(1));
        record.life_s = u32::MAX;
        assert_eq!(record.life(), NodeRecord::LIFE_MAX);
        record.life_s = 0;
        assert_eq!(record.life(), std::time::Duration::ZERO);
    }

    #[test]
    fn a12_a_name_with_control_characters_is_not_signed_and_not_believed() {
        let crypto = ToyCrypto::new(1);
        let mut signed = SignedRecord::new(record(&crypto), &crypto).unwrap();
        signed.record.name = "a\nb".into();
        assert_eq!(signed.check(&crypto), Err(RecordError::Text));
        assert_eq!(SignedRecord::new(signed.record, &crypto), None);
    }

    #[test]
    fn an_address_is_sendable_exactly_when_a_record_of_it_can_be_signed() {
        let crypto = ToyCrypto::new(1);
        let long = "x".repeat(Address::LEN_MAX);
        for text in ["/memory/1", &long, &format!("{long}x"), "a\nb", "\u{202e}a"] {
            let mut record = record(&crypto);
            record.addresses = List::truncated([Address::from(text)]);
            let is_sendable = Address::from(text).is_sendable();
            assert_eq!(SignedRecord::new(record, &crypto).is_some(), is_sendable);
        }
    }

    #[test]
    fn the_higher_boot_is_newer_then_the_higher_number() {
        let crypto = ToyCrypto::new(1);
        let versions = [(5, 7), (5, 8), (6, 0)].map(|(boot, seq)| {
            let mut record = record(&crypto);
            (record.boot, record.seq) = (Boot(boot), seq);
            SignedRecord::new(record, &crypto).unwrap()
        });
        assert!(versions[1].is_newer_than(&versions[0]));
        assert!(versions[2].is_newer_than(&versions[1]));
        assert!(!versions[0].is_newer_than(&versions[0]));
    }
}
