//! Statements in logs: round trips, their agreed bytes, and bytes of strangers (A6, A7).

use super::*;
use crate::wire::Charter;
use crate::{Rng, ToyCrypto};

fn uplink() -> Uplink {
    let ancestors = [(7, 1), (8, 2)].map(|(id, tier)| Ancestor {
        group: GroupId([id; 16]),
        tier,
    });
    let parents = [UplinkParent {
        group: GroupId([7; 16]),
        is_seed: true,
        ancestors: List::truncated(ancestors),
    }];
    Uplink {
        parents: List::truncated(parents),
    }
}

fn record() -> SignedGroupRecord {
    let crypto = ToyCrypto::new(1);
    let record = GroupRecord {
        group: GroupId([3; 16]),
        epoch: 2,
        tier: 1,
        reflector: crypto.id(),
        boot: Boot(5),
        seq: 300,
        reflectors: List::truncated([crypto.id(), NodeId([9; 32])]),
        size: 100,
        closed: false,
    };
    SignedGroupRecord::new(record, &crypto)
}

fn charter() -> Charter {
    Charter {
        name: "rack".into(),
        epoch: 1,
        open: false,
        size: 100,
        members_max: 1_024,
        parents: List::truncated([GroupId([7; 16])]),
        tier: 0,
        hops_max: 32,
        reflectors: 3,
        pinned: List::truncated([NodeId([4; 32])]),
        council: List::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_bytes_of_statements() {
    let seven = "07".repeat(16);
    let eight = "08".repeat(16);
    let expected = format!("01{seven}0102{seven}01{eight}02");
    assert_eq!(hex(&uplink().to_bytes()), expected);
    let crypto = ToyCrypto::new(1);
    let three = "03".repeat(16);
    let id = hex(&crypto.id().0);
    let nine = "09".repeat(32);
    let signed = record();
    let expected = format!("{three}0201{id}05ac0202{id}{nine}6400");
    assert_eq!(hex(&to_bytes(&signed.record)), expected);
    let four = "04".repeat(32);
    let expected = format!("047261636b01006480080 1{seven}00200301{four}00").replace(' ', "");
    assert_eq!(hex(&charter().to_bytes().unwrap()), expected);
}

#[test]
fn a_statement_is_read_back_and_anything_behind_it_is_an_error() {
    assert_eq!(Uplink::from_bytes(&uplink().to_bytes()), Ok(uplink()));
    let bytes = record().to_bytes();
    assert_eq!(SignedGroupRecord::from_bytes(&bytes), Ok(record()));
    let charter_bytes = charter().to_bytes().unwrap();
    assert_eq!(Charter::from_bytes(&charter_bytes), Ok(charter()));
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(SignedGroupRecord::from_bytes(&longer), Err(StatementError));
}

#[test]
fn a6_a7_arbitrary_bytes_are_read_or_refused_and_never_more() {
    let mut rng = Rng::from_u64(1);
    let valid = [uplink().to_bytes(), record().to_bytes()];
    for round in 0..20_000 {
        let mut bytes = valid[round % 2].clone();
        for _ in 0..=rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.below(256) as u8;
        }
        bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
        if let Ok(read) = Uplink::from_bytes(&bytes) {
            assert_eq!(Uplink::from_bytes(&read.to_bytes()), Ok(read));
        }
        let _ = SignedGroupRecord::from_bytes(&bytes);
        let _ = Charter::from_bytes(&bytes);
    }
}

#[test]
fn a9_a_record_counts_only_under_the_signature_of_its_reflector() {
    let mut signed = record();
    assert!(signed.verify(&ToyCrypto::new(2)));
    signed.record.size += 1;
    assert!(!signed.verify(&ToyCrypto::new(2)));
}
