//! The owner-log: a write at its owner, and the same write at another member.

use std::hint::black_box;

use archipelago_core::{Boot, Era, NodeId, Peers};
use archipelago_sgroup::log::{LogConfig, OwnLog, PeerLog};
use bytes::Bytes;

use crate::{HotPath, Operation};

/// Entries that the log has.
const ENTRIES: u32 = 1_000;

pub(super) const PUT: HotPath = HotPath {
    name: "log-put",
    per: 1,
    unit: "write, in a log of 1,000",
    make: put,
};

pub(super) const APPLY: HotPath = HotPath {
    name: "log-apply",
    per: 1,
    unit: "write of another's log",
    make: apply,
};

fn key(number: u32) -> Bytes {
    Bytes::from([&[0x80][..], &number.to_be_bytes(), &[7; 19]].concat())
}

fn value(number: u64) -> Bytes {
    Bytes::from([&number.to_be_bytes()[..], &[9; 40]].concat())
}

fn filled(config: &LogConfig) -> OwnLog {
    let mut own = OwnLog::new(Boot(1), Era(0));
    for number in 0..ENTRIES {
        own.put(key(number), value(0), config)
            .expect("there is room");
    }
    own
}

fn put() -> Operation {
    let config = LogConfig::default();
    let mut own = filled(&config);
    let mut number = 0;
    Box::new(move || {
        number += 1;
        let key = key((number % u64::from(ENTRIES)) as u32);
        let written = own.put(key, value(number), &config);
        assert!(black_box(written).is_ok());
    })
}

fn apply() -> Operation {
    let config = LogConfig::default();
    let mut own = filled(&config);
    let mut peers = Peers::new(16);
    let owner = peers.intern(NodeId([2; 32])).expect("it is the first");
    let mut theirs = PeerLog::new(owner, Boot(1), Era(0));
    let mut changes = Vec::new();
    while let Some(page) = own.page_from(theirs.applied(), &[], &config) {
        theirs
            .apply(&page, &config, &mut changes)
            .expect("it is a page");
        changes.clear();
    }
    let mut number = 0;
    Box::new(move || {
        number += 1;
        let head = own.head();
        let key = key((number % u64::from(ENTRIES)) as u32);
        own.put(key, value(number), &config).expect("there is room");
        let page = own.page_from(head, &[], &config).expect("there is news");
        theirs
            .apply(&page, &config, &mut changes)
            .expect("it is a page");
        assert_eq!(changes.len(), 1);
        changes.clear();
    })
}
