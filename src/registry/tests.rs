//! What watchers hear, and that they miss nothing silently.

use archipelago_core::{Boot, LocalId, NodeId, Pid};
use archipelago_sgroup::registry::Entry;
use bytes::Bytes;

use super::*;

const GROUP: GroupId = GroupId([1; 16]);

fn change(boot: u64, entries: Vec<Entry>) -> RegistryChange {
    RegistryChange {
        owner: NodeId([7; 32]),
        boot: Boot(boot),
        entries,
    }
}

fn joined(name: &'static [u8], times: u16) -> Entry {
    Entry::ProcessGroup {
        name: Bytes::from_static(name),
        local: LocalId(5),
        times,
    }
}

fn pid(boot: u64) -> Pid {
    Pid {
        node: NodeId([7; 32]),
        boot: Boot(boot),
        local: LocalId(5),
        home: Some(GROUP),
    }
}

/// U4: a watcher gets the state, then each change; who is gone is named by the start it was of.
#[test]
fn u4_a_watcher_hears_of_its_group_and_of_no_other() {
    let tables = Tables::new([0; 32]);
    tables.apply(GROUP, &change(1, vec![joined(b"g", 1)]));
    let topic = Topic::ProcessGroup(Bytes::from_static(b"g"));
    let read = |table: &Table| table.process_group(b"g", None).count();
    let (count, mut events) = tables.watch(GROUP, topic, read);
    assert_eq!(count, 1);
    tables.apply(GROUP, &change(1, vec![joined(b"g", 2), joined(b"h", 1)]));
    // A start that is over takes its entries along; the new one speaks for itself.
    tables.apply(GROUP, &change(2, vec![joined(b"g", 0), joined(b"g", 1)]));
    tables.apply(GROUP, &change(0, vec![joined(b"other", 0)]));
    let expected = [
        RegistryEvent::Joined {
            pid: pid(1),
            times: 2,
        },
        RegistryEvent::Left { pid: pid(1) },
        RegistryEvent::Joined {
            pid: pid(2),
            times: 1,
        },
    ];
    for event in expected {
        assert_eq!(events.try_next(), Some(event));
    }
    assert_eq!(events.try_next(), None);
    tables.forget(GROUP);
    assert!(tables.read(GROUP, Table::is_empty));
    assert!(futures::executor::block_on(events.next()).is_none());
}

#[test]
fn a_slow_watcher_is_told_how_much_it_missed() {
    let tables = Tables::new([0; 32]);
    let topic = Topic::ProcessGroup(Bytes::from_static(b"g"));
    let ((), mut events) = tables.watch(GROUP, topic, |_| ());
    for times in 1..=1_030 {
        tables.apply(GROUP, &change(1, vec![joined(b"g", times)]));
    }
    for _ in 0..1_024 {
        assert!(matches!(events.try_next(), Some(RegistryEvent::Joined { .. })));
    }
    assert_eq!(events.try_next(), None);
    tables.apply(GROUP, &change(1, vec![joined(b"g", 1)]));
    assert_eq!(events.try_next(), Some(RegistryEvent::Lagged { missed: 6 }));
    assert!(events.try_next().is_some());
}
