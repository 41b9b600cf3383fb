//! What is written, what is read back, and what a table makes of it.

use archipelago_core::wire::{Offer, Value, number_to_bytes};
use archipelago_core::{Boot, Era, Pid};
use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use std::sync::Arc;

use super::*;
use crate::Timing;
use crate::testing::{TestNode, node};

const MAILBOX: LocalId = LocalId(7);

/// A registry with its log, and the table that a driver keeps.
struct One {
    node: TestNode,
    logs: Logs,
    registry: Registry,
    table: Table,
}

impl One {
    fn new() -> Self {
        Self {
            node: TestNode::new(1),
            logs: Logs::new(Boot(1), Era(0), Arc::new(Timing::default())),
            registry: Registry::default(),
            table: Table::default(),
        }
    }

    fn say(&mut self, command: RegistryCommand) -> Result<Vec<Entry>, RegistryError> {
        let cx = self.node.cx();
        let entries = self.registry.handle(command, &mut self.logs, &cx)?;
        self.table.apply(&change(1, entries.clone()));
        Ok(entries)
    }

    fn end(&mut self, local: LocalId) -> Vec<Entry> {
        let cx = self.node.cx();
        let entries = self
            .registry
            .handle_process_ended(local, &mut self.logs, &cx);
        self.table.apply(&change(1, entries.clone()));
        entries
    }

    /// The log's entries as another member reads them.
    fn as_read(&self) -> Table {
        let mut table = Table::default();
        let log = self.logs.own().into_iter().flat_map(|own| own.range(&[]));
        let (entries, malformed) = read(log.map(|(key, value)| (key, Some(value))));
        assert_eq!(malformed, 0);
        table.apply(&change(1, entries));
        table
    }
}

fn change(owner: u8, entries: Vec<Entry>) -> RegistryChange {
    RegistryChange {
        owner: node(owner),
        boot: Boot(1),
        entries,
    }
}

fn name(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn join(text: &'static str, local: LocalId) -> RegistryCommand {
    let name = name(text);
    RegistryCommand::JoinProcessGroup { name, local }
}

fn leave(text: &'static str, local: LocalId) -> RegistryCommand {
    let name = name(text);
    RegistryCommand::LeaveProcessGroup { name, local }
}

fn pid(owner: u8, local: LocalId) -> Pid {
    Pid {
        node: node(owner),
        boot: Boot(1),
        local,
        home: None,
    }
}

/// U4: who joins several times has to leave as often.
#[test]
fn u4_joins_are_counted() {
    let mut one = One::new();
    let in_it = |one: &One| one.table.process_group(b"g", None).collect::<Vec<_>>();
    one.say(join("g", MAILBOX)).unwrap();
    let said = one.say(join("g", MAILBOX));
    let entry = Entry::ProcessGroup {
        name: name("g"),
        local: MAILBOX,
        times: 2,
    };
    assert_eq!(said, Ok(vec![entry]));
    assert_eq!(in_it(&one), [(pid(1, MAILBOX), 2)]);
    one.say(leave("g", MAILBOX)).unwrap();
    one.say(leave("g", MAILBOX)).unwrap();
    assert_eq!(in_it(&one), []);
    assert_eq!(one.say(leave("g", MAILBOX)), Err(RegistryError::NotThere));
    assert!(one.table.is_empty());
}

/// L1: with a mailbox goes everything that was said of it, and nothing else.
#[test]
fn l1_a_mailbox_takes_its_entries_along() {
    let mut one = One::new();
    let other = LocalId(8);
    for local in [MAILBOX, other] {
        one.say(join("g", local)).unwrap();
        for entry in of(local) {
            one.say(RegistryCommand::Say(entry)).unwrap();
        }
    }
    assert_eq!(one.end(MAILBOX).len(), 4);
    let mut expected = One::new();
    expected.say(join("g", other)).unwrap();
    for entry in of(other) {
        expected.say(RegistryCommand::Say(entry)).unwrap();
    }
    assert_eq!(one.table, expected.table);
    assert_eq!(one.as_read(), expected.table);
    assert_eq!(one.end(MAILBOX), []);
}

fn of(local: LocalId) -> [Entry; 5] {
    let key = name("k");
    let offer = Some(Offer::default());
    [
        Entry::Service {
            service: key.clone(),
            local,
            offer,
        },
        Entry::Property {
            key: key.clone(),
            local,
            value: Some(Value::from("v")),
        },
        Entry::Counter {
            key: key.clone(),
            local,
            value: Some(3),
        },
        Entry::Property {
            key: key.clone(),
            local: LocalId::default(),
            value: Some(Value::from(true)),
        },
        Entry::Shared {
            key,
            value: Some(name("own")),
        },
    ]
}

#[test]
fn counters_are_summed_over_the_group() {
    let mut one = One::new();
    let add = |local, by| RegistryCommand::AddToCounter {
        key: name("c"),
        local,
        by,
    };
    one.say(add(MAILBOX, 5)).unwrap();
    one.say(add(MAILBOX, -2)).unwrap();
    one.say(add(LocalId(9), i64::MAX)).unwrap();
    assert_eq!(one.table.counter(pid(1, MAILBOX), b"c"), Some(3));
    assert_eq!(one.table.counter_total(b"c"), i64::MAX);
    let later = Pid {
        boot: Boot(2),
        ..pid(1, MAILBOX)
    };
    assert_eq!(one.table.counter(later, b"c"), None);
}

/// U30: what a member shares is bounded, and a refusal changes nothing.
#[test]
fn u30_shared_keys_have_bounds() {
    let mut one = One::new();
    let put = |number: u32, bytes: usize| {
        RegistryCommand::Say(Entry::Shared {
            key: number.to_be_bytes().to_vec().into(),
            value: Some(vec![0; bytes].into()),
        })
    };
    for number in 0..SHARED_KEYS_MAX as u32 {
        one.say(put(number, 1)).unwrap();
    }
    assert_eq!(one.say(put(9_999, 0)), Err(RegistryError::SharedFull));
    one.say(put(0, 9)).unwrap();
    let mut one = One::new();
    let fitting = SHARED_BYTES_MAX / (4_000 + 5);
    for number in 0..fitting as u32 {
        one.say(put(number, 4_000)).unwrap();
    }
    assert_eq!(one.say(put(9_999, 4_000)), Err(RegistryError::SharedFull));
    let delete = RegistryCommand::Say(Entry::Shared {
        key: 0_u32.to_be_bytes().to_vec().into(),
        value: None,
    });
    one.say(delete).unwrap();
    one.say(put(9_999, 4_000)).unwrap();
}

#[test]
fn names_have_1_to_255_bytes() {
    let mut one = One::new();
    for (bytes, is_fine) in [(0, false), (1, true), (255, true), (256, false)] {
        let name = Bytes::from(vec![0xff; bytes]);
        for entry in [
            Entry::ProcessGroup {
                name: name.clone(),
                local: MAILBOX,
                times: 1,
            },
            Entry::Counter {
                key: name.clone(),
                local: MAILBOX,
                value: Some(1),
            },
            Entry::Shared {
                key: name.clone(),
                value: Some(Bytes::new()),
            },
        ] {
            let said = one.say(RegistryCommand::Say(entry));
            assert_eq!(said.is_ok(), is_fine, "{bytes}: {said:?}");
        }
    }
}

/// A6: a peer's log may hold anything: what cannot be read is no entry, or one that is gone.
#[test]
fn a6_a_value_that_cannot_be_read_counts_as_gone() {
    let key = entry::mailbox_key(keys::PROCESS_GROUP, b"g", MAILBOX);
    let gone = Entry::ProcessGroup {
        name: name("g"),
        local: MAILBOX,
        times: 0,
    };
    for value in [number_to_bytes(0), number_to_bytes(-1), vec![], vec![1, 1]] {
        let value = Bytes::from(value);
        assert_eq!(Entry::read(&key, Some(&value)), Err(Some(gone.clone())));
    }
    assert_eq!(Entry::read(&key, None), Ok(gone));
    let long = keys::key(keys::USER, &[0; 256]);
    assert_eq!(Entry::read(&long, None), Err(None));
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let text = prop_oneof![Just("a"), Just("b"), Just("ab")].prop_map(name);
    let local = (0_u64..3).prop_map(LocalId);
    (0_u8..6, text, local, prop::option::of(1_u16..4)).prop_map(|(kind, key, local, value)| {
        match kind {
            0 => Entry::ProcessGroup {
                name: key,
                local,
                times: value.unwrap_or(0),
            },
            1 => Entry::Service {
                service: key,
                local,
                offer: value.map(|value| Offer {
                    is_exported: value > 1,
                    is_leaving: value > 2,
                    is_leased: value > 3,
                }),
            },
            2 => Entry::Property {
                key,
                local,
                value: value.map(|value| Value::Int(value.into())),
            },
            3 => Entry::Counter {
                key,
                local,
                value: value.map(i64::from),
            },
            4 => Entry::Load {
                load: value.map(u32::from),
            },
            _ => Entry::Shared {
                key,
                value: value.map(|value| value.to_be_bytes().to_vec().into()),
            },
        }
    })
}

proptest! {
    /// Whatever was said and taken back, the log holds exactly what the table shows.
    #[test]
    fn the_log_reads_as_the_table(entries in prop::collection::vec(any_entry(), 0..60), ended in 0_u64..3) {
        let mut one = One::new();
        for entry in entries {
            one.say(RegistryCommand::Say(entry)).unwrap();
        }
        prop_assert_eq!(&one.as_read(), &one.table);
        if ended > 0 {
            one.end(LocalId(ended));
            prop_assert_eq!(&one.as_read(), &one.table);
            prop_assert!(one.table.process_group(b"a", None).all(|(pid, _)| pid.local.0 != ended));
        }
    }

    /// An entry is read back from its key and value, and no two have one key.
    #[test]
    fn an_entry_is_read_back(a in any_entry(), b in any_entry()) {
        let (key, value) = (a.key().unwrap(), a.value().unwrap());
        prop_assert_eq!(Entry::read(&key, value.as_ref()), Ok(a.clone()));
        let gone = |entry: &Entry| Entry::read(&entry.key().unwrap(), None).unwrap();
        prop_assert_eq!(gone(&a) == gone(&b), key == b.key().unwrap());
    }

    #[test]
    fn a6_arbitrary_entries_never_panic(key in prop::collection::vec(any::<u8>(), 0..24), first in 3_u8..7, value in prop::collection::vec(any::<u8>(), 0..24)) {
        let key = keys::key(first, &key);
        let _ = Entry::read(&key, Some(&value.into()));
    }
}
