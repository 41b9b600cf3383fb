//! One member's duties by themselves: when they start, stop, are kept, and whose word holds.

use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Boot, Era};

use super::*;
use crate::Timing;
use crate::testing::{TestNode, node};

struct One {
    node: TestNode,
    logs: Logs,
    duties: Duties,
    others: Vec<u64>,
}

impl One {
    fn new() -> Self {
        Self {
            node: TestNode::new(1),
            logs: Logs::new(Boot(1), Era(0), Arc::new(Timing::default())),
            duties: Duties::default(),
            others: Vec::new(),
        }
    }

    fn settle(&mut self) -> Vec<DutyOutput> {
        let mut out = Vec::new();
        let mut around = Surroundings {
            is_up: true,
            view_hash: self.others.len() as u32,
            others: &mut self.others.iter().copied(),
        };
        self.duties
            .settle(&mut around, &mut self.logs, &self.node.cx(), &mut out);
        out
    }

    fn act(&mut self, command: DutyCommand) -> Vec<DutyOutput> {
        let done = self
            .duties
            .handle(command, &mut self.logs, &mut self.node.cx());
        done.unwrap();
        self.settle()
    }

    fn later(&mut self, pause: Duration) {
        self.node.now = self.node.now.after(pause);
    }

    fn own(&self) -> Option<Duty> {
        let key = keys::key(keys::DUTY, b"d");
        let value = self.logs.own()?.get(&key)?;
        Some(Duty::from_bytes(value).unwrap())
    }
}

fn name() -> Bytes {
    Bytes::from_static(b"d")
}

fn declare(arguments: &'static [u8]) -> DutyCommand {
    DutyCommand::Declare {
        name: name(),
        arguments: Bytes::from_static(arguments),
    }
}

fn factory() -> DutyCommand {
    DutyCommand::AddFactory { name: name() }
}

fn ended(run: u64, end: RunEnd) -> DutyCommand {
    let name = name();
    DutyCommand::Ended { name, run, end }
}

fn start(run: u64, arguments: &'static [u8]) -> DutyOutput {
    DutyOutput::Start {
        name: name(),
        run,
        arguments: Bytes::from_static(arguments),
    }
}

fn stop(run: u64) -> DutyOutput {
    DutyOutput::Stop { name: name(), run }
}

fn heard(version: u64, author: u8, is_withdrawn: bool) -> Duty {
    Duty {
        version,
        author: node(author),
        is_withdrawn,
        arguments: Bytes::from_static(b"heard"),
    }
}

/// U12: it runs where it is both declared and known, in whichever order, and once at a time.
#[test]
fn u12_a_duty_runs_where_it_is_declared_and_known() {
    let mut one = One::new();
    assert_eq!(one.act(declare(b"a")), []);
    assert_eq!(one.act(factory()), [start(1, b"a")]);
    assert_eq!(one.act(declare(b"a")), []);
    // Other arguments: the next run waits for the end of the last.
    assert_eq!(one.act(declare(b"b")), [stop(1)]);
    assert_eq!(one.act(declare(b"c")), []);
    assert_eq!(one.act(ended(1, RunEnd::Stopped)), [start(2, b"c")]);
    assert_eq!(one.act(ended(1, RunEnd::Failed)), [], "that one is over");
    assert_eq!(one.act(DutyCommand::Withdraw { name: name() }), [stop(2)]);
    assert_eq!(one.act(ended(2, RunEnd::Stopped)), []);
    assert_eq!(one.duties.declared().count(), 0);
    assert_eq!(one.act(declare(b"d")), [start(3, b"d")]);
    let gone = DutyCommand::RemoveFactory { name: name() };
    assert_eq!(one.act(gone), [stop(3)]);
}

/// U12: failures are followed by pauses that double, and begin anew after a long run; who is done
/// stays so.
#[test]
fn u12_failures_are_followed_by_growing_pauses() {
    let mut one = One::new();
    one.act(declare(b""));
    one.act(factory());
    let mut expected = BACKOFF_MIN;
    for run in 1..12 {
        assert_eq!(one.act(ended(run, RunEnd::Failed)), []);
        let pause = one.duties.next().since(one.node.now);
        assert!(pause >= expected * 4 / 5 && pause <= expected * 6 / 5, "{pause:?}");
        one.later(pause - Duration::from_micros(1));
        assert_eq!(one.settle(), []);
        one.later(Duration::from_micros(1));
        assert_eq!(one.settle(), [start(run + 1, b"")]);
        expected = (expected * 2).min(BACKOFF_MAX);
    }
    one.later(STABLE_AFTER);
    one.act(ended(12, RunEnd::Failed));
    assert!(one.duties.next().since(one.node.now) <= BACKOFF_MIN * 6 / 5);
    one.later(BACKOFF_MIN * 2);
    assert_eq!(one.settle(), [start(13, b"")]);
    assert_eq!(one.act(ended(13, RunEnd::Done)), []);
    assert_eq!(one.duties.next(), Time::NEVER);
    assert_eq!(one.act(declare(b"more")), [start(14, b"more")]);
}

/// The newest word holds, whoever says it and in whichever order it is heard.
#[test]
fn the_newest_declaration_holds_in_any_order() {
    let all = [
        heard(1, 5, false),
        heard(2, 3, false),
        heard(2, 4, false),
        heard(2, 2, true),
    ];
    for first in 0..all.len() {
        let mut duties = Duties::default();
        for offset in 0..all.len() {
            let duty = all[(first + offset) % all.len()].clone();
            assert!(duties.on_heard(name(), duty));
        }
        assert_eq!(duties.known.get(&name()), Some(&all[3]));
    }
}

/// The keepers write a copy, others do not; whoever has a copy keeps it the newest.
#[test]
fn u12_keepers_copy_what_they_hear() {
    let mut one = One::new();
    let me = one.node.me.prefix();
    let place = name_hash(b"d");
    let is_better = |&other: &u64| rendezvous(place, other) > rendezvous(place, me);
    let better: Vec<u64> = (100..10_000).filter(is_better).take(KEEPERS).collect();
    one.others = better.clone();
    one.duties.on_heard(name(), heard(4, 9, false));
    one.settle();
    assert_eq!(one.own(), None, "three others are drawn to it more");
    one.others.pop();
    one.settle();
    assert_eq!(one.own(), Some(heard(4, 9, false)));
    one.others = better;
    one.duties.on_heard(name(), heard(5, 9, true));
    one.settle();
    assert_eq!(one.own(), Some(heard(5, 9, true)));
    // What this node declares now outranks what it heard.
    one.act(declare(b"mine"));
    assert_eq!(one.own().map(|duty| duty.version), Some(6));
}

#[test]
fn limits_are_errors_that_change_nothing() {
    let mut one = One::new();
    let declare = |one: &mut One, name: Vec<u8>, bytes: usize| {
        let command = DutyCommand::Declare {
            name: name.into(),
            arguments: vec![0; bytes].into(),
        };
        one.duties
            .handle(command, &mut one.logs, &mut one.node.cx())
    };
    let too_long = Err(DutyError::Arguments { bytes: 2_049 });
    assert_eq!(declare(&mut one, vec![1], 2_049), too_long);
    assert_eq!(declare(&mut one, vec![], 0), Err(DutyError::Name { bytes: 0 }));
    assert_eq!(one.logs.head(), 0);
    for number in 0..DUTIES_MAX as u32 {
        declare(&mut one, number.to_be_bytes().to_vec(), 0).unwrap();
    }
    assert_eq!(declare(&mut one, vec![1], 0), Err(DutyError::Full));
    assert!(!one.duties.on_heard(name(), heard(1, 1, false)));
    let unknown = DutyCommand::Withdraw { name: name() };
    let refused = one
        .duties
        .handle(unknown, &mut one.logs, &mut one.node.cx());
    assert_eq!(refused, Err(DutyError::Unknown));
}

/// A6: what cannot be read is no duty.
#[test]
fn a6_what_cannot_be_read_is_counted() {
    let key = keys::key(keys::DUTY, b"d");
    let value = Bytes::from(heard(1, 1, false).to_bytes().unwrap());
    let longer = Bytes::from([&value[..], &[0]].concat());
    let bare = keys::key(keys::DUTY, b"");
    let changes = [
        (&key, Some(&value)),
        (&key, Some(&longer)),
        (&bare, Some(&value)),
        (&key, None),
    ];
    let (read, unread) = read(changes.into_iter());
    assert_eq!((read, unread), (vec![(name(), heard(1, 1, false))], 2));
}
