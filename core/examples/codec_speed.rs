//! How long it takes to decode a heartbeat, and the frames that take longest.
//!
//! `cargo run --release -p archipelago-core --example codec_speed`
//!
//! The bound is 10 ms for any frame. Prints the best of several rounds, since anything slower is
//! another program's work.

#![expect(
    clippy::disallowed_types,
    reason = "a measurement reads the clock; no machine does"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use archipelago_core::wire::codec::{decode, encode};
use archipelago_core::wire::{Control, Entry, GroupBody, Life, List, LogEntry, LogUpdate};
use archipelago_core::{
    Address, Boot, Crypto, Era, GroupId, Incarnation, NodeRecord, Roles, SignedRecord, ToyCrypto,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let heartbeat = GroupBody::Heartbeat {
        incarnation: Incarnation(3),
        view_hash: 0x1234_5678,
        log_hash: 0x9abc_def0,
    };
    report("heartbeat", heartbeat, 100_000)?;
    let digest = List::truncated((0..1_024).map(|n| entry(n, false)));
    report(
        "digest of 1,024 members",
        GroupBody::ViewDigest(Arc::new(digest)),
        200,
    )?;
    let view = List::truncated((0..200).map(|n| entry(n, true)));
    report(
        "200 members with records",
        GroupBody::View(Arc::new(view)),
        200,
    )?;
    report(
        "256 deletions of a log",
        GroupBody::Log(Arc::new(deletions())),
        200,
    )?;
    Ok(())
}

fn report(
    name: &str,
    body: GroupBody,
    times: u32,
) -> Result<(), archipelago_core::wire::codec::EncodeError> {
    let message = Control::Group(GroupId::new("realm", "group"), body);
    let mut bytes = Vec::new();
    encode(&message, &mut bytes)?;
    let best = (0..10)
        .map(|_| round(&bytes, times))
        .min()
        .unwrap_or_default();
    println!("{name:26} {:6} B   {:>10.3?}", bytes.len(), best);
    Ok(())
}

/// The mean time of one decoding.
fn round(bytes: &[u8], times: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        assert!(std::hint::black_box(decode(std::hint::black_box(bytes))).is_ok());
    }
    start.elapsed() / times
}

fn entry(number: u64, with_record: bool) -> Entry {
    let crypto = ToyCrypto::new(number);
    let record = NodeRecord {
        node: crypto.id(),
        boot: Boot(1_795_000_000_000_000),
        seq: 3,
        name: format!("node-{number}").as_str().into(),
        groups: List::truncated([GroupId::new("realm", "group")]),
        addresses: List::truncated([Address::from("/ip4/10.0.0.1/tcp/40001")]),
        roles: Roles::default(),
        sealing_key: crypto.sealing_key(),
        wire: (1, 1),
        life_s: 86_400,
    };
    Entry {
        node: record.node,
        boot: record.boot,
        era: Era(0),
        incarnation: Incarnation(0),
        life: Life::Alive,
        record: SignedRecord::new(record, &crypto)
            .filter(|_| with_record)
            .map(Arc::new),
    }
}

fn deletions() -> LogUpdate {
    let entries = (0..LogUpdate::ENTRIES_MAX as u64).map(|seq| LogEntry {
        seq,
        key: vec![1, 2, 3].into(),
        value: None,
    });
    LogUpdate {
        boot: Boot(1),
        era: Era(0),
        from_seq: 0,
        to_seq: 256,
        range_after: Default::default(),
        range_to: None,
        snapshot: false,
        entries: List::truncated(entries),
    }
}
