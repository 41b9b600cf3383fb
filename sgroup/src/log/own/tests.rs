//! Writes, limits, deltas and pages at the owner.

use super::*;

fn config() -> LogConfig {
    LogConfig {
        deletions_max: 2,
        ..LogConfig::default()
    }
}

fn log() -> OwnLog {
    OwnLog::new(Boot(1), Era(0))
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn put(log: &mut OwnLog, key: &'static str, value: &'static str) -> u64 {
    log.put(bytes(key), bytes(value), &config()).unwrap()
}

fn keys_of(update: &LogUpdate) -> Vec<(u64, &str, bool)> {
    let entries = update.entries.iter();
    entries
        .map(|entry| {
            let key = std::str::from_utf8(&entry.key).unwrap();
            (entry.seq, key, entry.value.is_some())
        })
        .collect()
}

#[test]
fn writes_are_numbered_and_read_back() {
    let mut log = log();
    assert_eq!(log.page_from(0, &[], &config()), None);
    assert_eq!(put(&mut log, "b", "1"), 1);
    assert_eq!(put(&mut log, "a", "2"), 2);
    assert_eq!(put(&mut log, "b", "3"), 3);
    assert_eq!(put(&mut log, "b", "3"), 3, "the same again is no write");
    assert_eq!(log.get(b"b"), Some(&bytes("3")));
    assert_eq!(log.delete(b"x", &config()), None);
    assert_eq!(log.delete(b"a", &config()), Some(4));
    assert_eq!(log.delete(b"a", &config()), None);
    assert_eq!(log.get(b"a"), None);
    assert_eq!((log.head(), log.live(), log.floor()), (4, 1, 0));
    let all: Vec<_> = log.range(b"").collect();
    assert_eq!(all, [(&bytes("b"), &bytes("3"))]);
}

#[test]
fn a_range_is_all_keys_of_a_prefix_and_no_other() {
    let mut log = log();
    for key in ["a", "b", "b1", "b2", "c"] {
        put(&mut log, key, "x");
    }
    let found: Vec<_> = log.range(b"b").map(|(key, _)| key.clone()).collect();
    assert_eq!(found, [bytes("b"), bytes("b1"), bytes("b2")]);
}

#[test]
fn a_delta_has_the_last_write_of_each_key_since() {
    let mut log = log();
    put(&mut log, "a", "1");
    put(&mut log, "b", "2");
    put(&mut log, "a", "3");
    log.delete(b"b", &config());
    let delta = log.page_from(1, &[], &config()).unwrap();
    assert_eq!(
        (delta.from_seq, delta.to_seq, delta.snapshot),
        (1, 4, false)
    );
    assert_eq!(keys_of(&delta), [(3, "a", true), (4, "b", false)]);
    assert_eq!(log.page_from(4, &[], &config()), None);
}

#[test]
fn deletions_beyond_the_limit_are_forgotten_and_raise_the_floor() {
    let mut log = log();
    for key in ["a", "b", "c", "d"] {
        put(&mut log, key, "x");
    }
    for key in [b"a", b"b", b"c"] {
        log.delete(key, &config());
    }
    assert_eq!((log.floor(), log.live()), (5, 1));
    let delta = log.page_from(5, &[], &config()).unwrap();
    assert!(!delta.snapshot);
    let page = log.page_from(4, &[], &config()).unwrap();
    assert_eq!((page.snapshot, page.from_seq, page.to_seq), (true, 0, 7));
    assert_eq!(keys_of(&page), [(4, "d", true)]);
    assert_eq!((&page.range_after[..], page.range_to), (&b""[..], None));
}

#[test]
fn a_key_written_again_after_its_deletion_leaves_no_deletion_behind() {
    let mut log = log();
    for _ in 0..5 {
        put(&mut log, "a", "x");
        log.delete(b"a", &config());
    }
    assert_eq!((log.floor(), log.live()), (0, 0));
    put(&mut log, "a", "x");
    assert_eq!((log.floor(), log.live()), (0, 1));
}

#[test]
fn limits_are_errors_that_change_nothing() {
    let config = LogConfig {
        entries_max: 2,
        bytes_max: 5_000,
        ..config()
    };
    let mut log = log();
    let mut put = |key: &[u8], value_bytes: usize| {
        let value = vec![0; value_bytes].into();
        log.put(Bytes::copy_from_slice(key), value, &config)
    };
    assert_eq!(put(b"", 1), Err(LogError::Key { bytes: 0 }));
    assert_eq!(put(&[1; 273], 1), Err(LogError::Key { bytes: 273 }));
    assert_eq!(put(b"a", 4_097), Err(LogError::Value { bytes: 4_097 }));
    assert_eq!(put(b"a", 4_096), Ok(1));
    assert_eq!(put(b"b", 4_096), Err(LogError::Bytes { max: 5_000 }));
    assert_eq!(put(b"b", 1), Ok(2));
    assert_eq!(put(b"c", 1), Err(LogError::Entries { max: 2 }));
    assert_eq!(put(b"b", 2), Ok(3), "a key that is there is no new one");
    assert_eq!(log.head(), 3);
    log.delete(b"a", &config);
    assert_eq!(log.bytes, weight(b"b", b"xx"));
}

/// Encoded, no page exceeds 48 KiB: of the largest entries, and of the most; and together they carry
/// every entry.
#[test]
fn a_page_fits_a_frame() {
    for (count, value_bytes) in [(40, VALUE_BYTES_MAX), (3_000, 0), (3_000, 20)] {
        let mut log = log();
        for number in 0_u16..count {
            let mut key = vec![0xff; KEY_BYTES_MAX.min(3 + value_bytes)];
            key[..2].copy_from_slice(&number.to_be_bytes());
            let value = vec![0xff; value_bytes].into();
            log.put(key.into(), value, &config()).unwrap();
        }
        let (mut seq, mut pages, mut carried) = (0, 0, 0);
        while let Some(delta) = log.page_from(seq, &[], &config()) {
            assert!(encoded_len(&delta) < 48 * 1024);
            (seq, pages) = (delta.to_seq, pages + 1);
            carried += delta.entries.len();
        }
        assert_eq!(carried, usize::from(count), "in deltas");
        assert!((2..=20).contains(&pages), "{pages} pages");
        log.floor = log.head;
        let (mut after, mut carried) = (Bytes::new(), 0);
        loop {
            let page = log.page_from(0, &after, &config()).unwrap();
            assert!(encoded_len(&page) < 48 * 1024);
            carried += page.entries.len();
            let Some(to) = page.range_to else { break };
            after = to;
        }
        assert_eq!(carried, usize::from(count), "in a snapshot");
    }
}

/// A7, I11: what a peer asks with does not make the answer outgrow a frame.
#[test]
fn a_pull_after_what_is_no_key_is_not_answered() {
    let mut log = log();
    put(&mut log, "a", "1");
    let mark = archipelago_core::wire::LogMark {
        owner: archipelago_core::NodeId([1; 32]),
        boot: Boot(1),
        era: Era(0),
        seq: 0,
    };
    let after = |bytes: usize| vec![0; bytes].into();
    let pull = |bytes| LogPull {
        mark,
        after: after(bytes),
    };
    assert_eq!(log.page(&pull(273), &config()), None);
    assert!(log.page(&pull(272), &config()).is_some());
}

fn encoded_len(update: &LogUpdate) -> usize {
    use archipelago_core::wire::{Control, GroupBody};
    let group = archipelago_core::GroupId::new("realm", "group");
    let body = GroupBody::Log(std::sync::Arc::new(update.clone()));
    let mut bytes = Vec::new();
    archipelago_core::wire::codec::encode(&Control::Group(group, body), &mut bytes).unwrap();
    bytes.len()
}
