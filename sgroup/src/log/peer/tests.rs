//! What a replica takes and what it refuses.

use archipelago_core::wire::{List, LogEntry};

use super::*;
use crate::log::OwnLog;

fn replica() -> PeerLog {
    PeerLog::new(Peer(1), Boot(1), Era(0))
}

fn entry(seq: u64, key: &'static [u8], value: Option<&'static [u8]>) -> LogEntry {
    LogEntry {
        seq,
        key: Bytes::from_static(key),
        value: value.map(Bytes::from_static),
    }
}

fn delta(from_seq: u64, to_seq: u64, entries: Vec<LogEntry>) -> LogUpdate {
    LogUpdate {
        boot: Boot(1),
        era: Era(0),
        from_seq,
        to_seq,
        range_after: Bytes::new(),
        range_to: None,
        snapshot: false,
        entries: List::truncated(entries),
    }
}

fn page(
    to_seq: u64,
    (after, to): (&'static [u8], Option<&'static [u8]>),
    entries: Vec<LogEntry>,
) -> LogUpdate {
    LogUpdate {
        range_after: Bytes::from_static(after),
        range_to: to.map(Bytes::from_static),
        snapshot: true,
        ..delta(0, to_seq, entries)
    }
}

/// What became of it, and the keys that changed.
fn apply(log: &mut PeerLog, update: &LogUpdate) -> (Result<Applied, UpdateError>, Vec<LogChange>) {
    let mut changes = Vec::new();
    let applied = log.apply(update, &LogConfig::default(), &mut changes);
    (applied, changes)
}

fn change(key: &'static [u8], value: Option<&'static [u8]>) -> LogChange {
    LogChange {
        key: Bytes::from_static(key),
        value: value.map(Bytes::from_static),
    }
}

#[test]
fn of_an_overlapping_delta_only_the_news_is_applied() {
    let mut log = replica();
    assert!(
        apply(&mut log, &delta(0, 2, vec![entry(1, b"a", Some(b"1"))]))
            .0
            .is_ok()
    );
    let late = delta(
        0,
        3,
        vec![entry(2, b"b", Some(b"2")), entry(3, b"c", Some(b"3"))],
    );
    let (applied, changes) = apply(&mut log, &late);
    assert_eq!(applied, Ok(Applied::Advanced));
    assert_eq!(changes, [change(b"c", Some(b"3"))]);
    assert_eq!((log.applied(), log.get(b"b")), (3, None));
}

#[test]
fn a_page_is_authoritative_for_its_range_and_for_nothing_else() {
    let mut log = replica();
    let all = [b"a", b"b", b"m", b"z"];
    let entries = (1..).zip(all).map(|(seq, key)| entry(seq, key, Some(b"x")));
    assert!(apply(&mut log, &delta(0, 4, entries.collect())).0.is_ok());
    let first = page(9, (b"", Some(b"m")), vec![entry(2, b"b", Some(b"x"))]);
    let (applied, changes) = apply(&mut log, &first);
    assert_eq!(applied, Ok(Applied::Page));
    assert_eq!(changes, [change(b"a", None), change(b"m", None)]);
    assert!(log.get(b"z").is_some());
    assert_eq!(log.applied(), 4, "the snapshot is not complete");
    assert_eq!(log.pull(NodeId([1; 32])).after, &b"m"[..]);

    let last = page(10, (b"m", None), vec![entry(10, b"n", Some(b"y"))]);
    let (applied, changes) = apply(&mut log, &last);
    assert_eq!(applied, Ok(Applied::Advanced));
    assert_eq!(changes, [change(b"z", None), change(b"n", Some(b"y"))]);
    assert_eq!((log.applied(), log.head()), (9, 10));
}

/// A delta that was under way since before a page was made brings back nothing that the page
/// says is gone.
#[test]
fn a_late_delta_does_not_undo_a_page() {
    let mut log = replica();
    assert!(
        apply(&mut log, &page(5, (b"", Some(b"f")), Vec::new()))
            .0
            .is_ok()
    );
    assert!(
        apply(&mut log, &page(8, (b"f", None), Vec::new()))
            .0
            .is_ok()
    );
    assert_eq!(log.applied(), 5);
    let late = delta(
        5,
        6,
        vec![entry(6, b"g", Some(b"deleted as number 7 or 8"))],
    );
    assert_eq!(apply(&mut log, &late), (Ok(Applied::Advanced), Vec::new()));
    let news = delta(6, 9, vec![entry(9, b"g", Some(b"new"))]);
    let (_, changes) = apply(&mut log, &news);
    assert_eq!(changes, [change(b"g", Some(b"new"))]);
}

#[test]
fn pages_of_an_older_state_do_not_continue_a_walk() {
    let mut log = replica();
    assert!(
        apply(&mut log, &page(5, (b"", Some(b"f")), Vec::new()))
            .0
            .is_ok()
    );
    let older = page(4, (b"f", None), Vec::new());
    assert_eq!(apply(&mut log, &older), (Ok(Applied::Gap), Vec::new()));
    let elsewhere = page(6, (b"g", None), Vec::new());
    assert_eq!(apply(&mut log, &elsewhere), (Ok(Applied::Gap), Vec::new()));
}

/// A9, I11: whatever an owner sends, it takes no more than twice what an owner may have.
#[test]
fn i11_an_owner_that_sends_too_much_is_followed_no_further() {
    let narrow = LogConfig {
        bytes_max: 10_000,
        ..LogConfig::default()
    };
    let wide = LogConfig::default();
    let mut owner = OwnLog::new(Boot(1), Era(0));
    for number in 0..200_u8 {
        let value = vec![0; 1_000].into();
        owner.put(vec![number].into(), value, &wide).unwrap();
    }
    let mut log = replica();
    let mut refused = None;
    while let Some(update) = owner.page(
        &log.pull(NodeId([1; 32])),
        &LogConfig {
            page_entries: 4,
            ..wide.clone()
        },
    ) {
        if let Err(error) = log.apply(&update, &narrow, &mut Vec::new()) {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused, Some(UpdateError::TooLarge));
    let bytes = log.data.as_ref().unwrap().bytes;
    assert!((15_000..=20_000).contains(&bytes), "{bytes}");
    assert_eq!(
        log.range(b"").count(),
        usize::try_from(log.applied()).unwrap()
    );

    let fewer = delta(log.applied(), 1_000, vec![entry(999, b"\x01", None)]);
    let applied = log.apply(&fewer, &narrow, &mut Vec::new());
    assert_eq!(applied, Ok(Applied::Advanced), "shrinking is never refused");
}

#[test]
fn a9_endless_pages_of_nothing_end() {
    let mut log = replica();
    let mut after = Bytes::new();
    for number in 0_u16..=1_024 {
        let to = Bytes::copy_from_slice(&(number + 1).to_be_bytes());
        let mut update = page(5, (b"", None), Vec::new());
        update.range_after = std::mem::replace(&mut after, to.clone());
        update.range_to = Some(to);
        let expected = if number < 1_024 {
            Ok(Applied::Page)
        } else {
            Err(UpdateError::TooLarge)
        };
        assert_eq!(apply(&mut log, &update).0, expected, "page {number}");
    }
}

#[test]
fn a_contradiction_is_refused_and_changes_nothing() {
    let mut log = replica();
    assert!(
        apply(&mut log, &delta(0, 1, vec![entry(1, b"a", Some(b"1"))]))
            .0
            .is_ok()
    );
    let before = log.clone();
    let put = |seq, key| entry(seq, key, Some(b"x"));
    let lies = [
        delta(1, 2, vec![put(1, b"b")]),
        delta(1, 2, vec![put(3, b"b")]),
        delta(1, 4, vec![put(3, b"b"), put(2, b"c")]),
        delta(1, 4, vec![put(2, b"")]),
        delta(1, 4, vec![put(2, &[7; 273])]),
        delta(1, 4, vec![entry(2, b"b", Some(&[7; 4_097]))]),
        page(4, (b"", None), vec![entry(2, b"b", None)]),
        page(4, (b"", None), vec![put(5, b"b")]),
        page(4, (b"", None), vec![put(0, b"b")]),
        page(4, (b"", None), vec![put(2, b"c"), put(3, b"b")]),
        page(4, (b"c", None), vec![put(2, b"b")]),
        page(4, (b"", Some(b"a")), vec![put(2, b"b")]),
        page(4, (b"b", Some(b"a")), Vec::new()),
        page(4, (b"", Some(&[7; 273])), Vec::new()),
        page(4, (&[7; 273], None), Vec::new()),
    ];
    for lie in &lies {
        let refused = apply(&mut log, lie);
        assert_eq!(
            refused,
            (Err(UpdateError::Malformed), Vec::new()),
            "{lie:?}"
        );
        assert_eq!(log, before);
    }
}

/// A8: numbers at their end stay there and harm nobody.
#[test]
fn a8_the_highest_numbers_are_survived() {
    let mut log = replica();
    let end = delta(0, u64::MAX, vec![entry(u64::MAX, b"a", Some(b"1"))]);
    assert_eq!(apply(&mut log, &end).0, Ok(Applied::Advanced));
    assert_eq!(apply(&mut log, &end).0, Ok(Applied::Known));
    let last_start = LogUpdate {
        boot: Boot(u64::MAX),
        era: Era(u32::MAX),
        ..delta(0, 1, vec![entry(1, b"a", Some(b"2"))])
    };
    let (applied, changes) = apply(&mut log, &last_start);
    assert_eq!(applied, Ok(Applied::Advanced));
    assert_eq!(changes, [change(b"a", None), change(b"a", Some(b"2"))]);
    assert_eq!(apply(&mut log, &end).0, Ok(Applied::Ignored));
}
