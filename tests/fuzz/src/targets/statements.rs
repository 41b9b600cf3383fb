//! What others signed, and what members state in their logs.

use std::fmt::Debug;

use archipelago_core::wire::{
    Ancestor, Charter, Duty, Finite, GroupRecord, Holding, Introduction, List, NameClaim, Offer,
    Provider, Providers, Row, RowGroup, SignedGroupRecord, SignedHolding, SignedIntroduction,
    SignedRow, Uplink, UplinkParent, Value,
};
use archipelago_core::{
    Address, Boot, GroupId, LocalId, NodeId, NodeRecord, Roles, SealingKey, SignedRecord, ToyCrypto,
};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decoded;
use crate::{Seen, Target};

/// Signed records of all kinds; the first byte says which.
pub(super) const RECORDS: Target = Target {
    name: "record",
    run: records,
    corpus: record_corpus,
    len_max: 16 * 1024,
};

/// Values of log entries; the first byte says which.
pub(super) const STATEMENTS: Target = Target {
    name: "statement",
    run: statements,
    corpus: statement_corpus,
    len_max: 8 * 1024,
};

/// Decoding believes nothing: what is found to be signed is what was signed.
fn records(bytes: &[u8], seen: &mut Seen) {
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    let crypto = ToyCrypto::new(2);
    match kind {
        0 => signed::<SignedRecord>(bytes, seen, |it| {
            assert!(it.record.life() <= NodeRecord::LIFE_MAX);
            it.verify(&crypto)
        }),
        1 => signed::<SignedRow>(bytes, seen, |it| it.verify(&crypto)),
        2 => signed::<SignedHolding>(bytes, seen, |it| it.verify(&crypto)),
        3 => signed::<SignedIntroduction>(bytes, seen, |it| it.verify(&crypto)),
        _ => signed::<SignedGroupRecord>(bytes, seen, |it| it.verify(&crypto)),
    }
}

fn signed<T>(bytes: &[u8], seen: &mut Seen, verify: impl Fn(&T) -> bool)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let Some(value) = decoded(bytes, seen, exactly::<T>, |it| postcard::to_stdvec(it).ok()) else {
        return;
    };
    let is_true = verify(&value);
    seen.at(u32::from(is_true));
    if is_true {
        let canonical = bytes_of(&value);
        let mut known = record_corpus().into_iter();
        assert!(
            known.any(|known| known[1..] == canonical),
            "nobody signed it"
        );
    }
}

fn statements(bytes: &[u8], seen: &mut Seen) {
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    let owned = |bytes: Vec<u8>| Some(bytes);
    match kind {
        0 => drop(decoded(
            bytes,
            seen,
            |it| Value::from_bytes(it).ok(),
            |it| it.to_bytes().ok(),
        )),
        1 => drop(decoded(
            bytes,
            seen,
            |it| Offer::from_bytes(it).ok(),
            |it| it.to_bytes().ok(),
        )),
        2 => drop(decoded(
            bytes,
            seen,
            |it| Duty::from_bytes(it).ok(),
            |it| it.to_bytes().ok(),
        )),
        3 => drop(decoded(
            bytes,
            seen,
            |it| NameClaim::from_bytes(it).ok(),
            |it| owned(it.to_bytes()),
        )),
        4 => drop(decoded(
            bytes,
            seen,
            |it| Providers::from_bytes(it).ok(),
            |it| Some(it.to_bytes()),
        )),
        5 => drop(decoded(
            bytes,
            seen,
            |it| Uplink::from_bytes(it).ok(),
            |it| owned(it.to_bytes()),
        )),
        _ => drop(decoded(
            bytes,
            seen,
            |it| Charter::from_bytes(it).ok(),
            |it| it.to_bytes().ok(),
        )),
    }
}

fn exactly<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

/// The kind, then the value.
fn tagged(kind: u8, value: &impl Serialize) -> Vec<u8> {
    [vec![kind], bytes_of(value)].concat()
}

fn bytes_of(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("a value within its limits has bytes")
}

fn record_corpus() -> Vec<Vec<u8>> {
    let crypto = ToyCrypto::new(1);
    let (node, group) = (crypto.id(), GroupId::new("realm", "group"));
    let record = NodeRecord {
        node,
        boot: Boot(300),
        seq: 7,
        name: "node".into(),
        groups: List::truncated([group]),
        addresses: List::truncated([Address::from("/ip4/127.0.0.1/tcp/4001")]),
        roles: Roles::REFLECTOR,
        sealing_key: SealingKey([5; 32]),
        wire: (1, 1),
        life_s: 86_400,
    };
    let row = Row {
        reflector: node,
        boot: Boot(300),
        seq: 8,
        groups: List::truncated([RowGroup {
            group,
            size: 20,
            closed: false,
            reflectors: List::truncated([NodeId([9; 32])]),
        }]),
    };
    let holding = Holding {
        key: NodeId([1; 32]),
        requester: NodeId([2; 32]),
        holder: NodeId([3; 32]),
        boot: Boot(4),
        claim: claim(),
        reflector: node,
    };
    let introduction = Introduction {
        requester: NodeId([2; 32]),
        target: NodeId([3; 32]),
        target_boot: Boot(4),
        group,
        reflector: node,
        life_s: 300,
    };
    let above = GroupRecord {
        group,
        epoch: 3,
        tier: 1,
        reflector: node,
        boot: Boot(300),
        seq: 9,
        reflectors: List::truncated([node, NodeId([9; 32])]),
        size: 20,
        closed: true,
    };
    let record = SignedRecord::new(record, &crypto).expect("its texts are short");
    vec![
        tagged(0, &record),
        tagged(1, &SignedRow::new(row, &crypto)),
        tagged(2, &SignedHolding::new(holding, &crypto)),
        tagged(3, &SignedIntroduction::new(introduction, &crypto)),
        tagged(4, &SignedGroupRecord::new(above, &crypto)),
    ]
}

fn claim() -> NameClaim {
    NameClaim {
        local: LocalId(77),
        priority: -3,
        moves: 1,
        lamport: 1_000,
        is_exported: true,
        metadata: b"metadata"[..].into(),
    }
}

fn statement_corpus() -> Vec<Vec<u8>> {
    let group = GroupId::new("realm", "group");
    let duty = Duty {
        version: 2,
        author: NodeId([1; 32]),
        is_withdrawn: false,
        arguments: b"arguments"[..].into(),
    };
    let provider = Provider {
        load: 500,
        node: NodeId([1; 32]),
        boot: Boot(300),
        local: LocalId(5),
    };
    let parent = UplinkParent {
        group,
        is_seed: true,
        ancestors: List::truncated([Ancestor { group, tier: 2 }]),
    };
    let charter = Charter {
        name: "group".into(),
        epoch: 1,
        open: false,
        size: 5,
        members_max: 1_024,
        parents: List::truncated([group]),
        tier: 0,
        hops_max: 32,
        reflectors: 3,
        pinned: List::truncated([NodeId([1; 32])]),
        council: List::truncated([NodeId([1; 32])]),
    };
    let broken = Finite::new(0.5).expect("it is finite");
    let values = [
        Value::from(true),
        Value::from(-5),
        Value::from(broken),
        Value::from("text"),
        Value::from(Bytes::from_static(b"bytes")),
    ];
    let mut corpus: Vec<_> = values.iter().map(|value| tagged(0, value)).collect();
    corpus.extend([
        tagged(1, &Offer::default()),
        tagged(2, &duty),
        tagged(3, &claim()),
        tagged(4, &Providers::truncated([provider])),
        tagged(
            5,
            &Uplink {
                parents: List::truncated([parent]),
            },
        ),
        tagged(6, &charter),
    ]);
    corpus
}
