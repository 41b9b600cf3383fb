#![allow(clippy::unwrap_used)]

use super::*;
use archipelago_core::{Boot, LocalId};

use SuperviseEvent as E;
use SuperviseOutput as O;

fn at(ms: u64) -> Time {
    Time::from_micros(ms * 1_000)
}

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

fn pid(on: u8, local: u64) -> Pid {
    Pid {
        node: node(on),
        boot: Boot(1),
        local: LocalId(local),
        home: None,
    }
}

fn nodes(supervisor: &mut Supervisor, all: &[u8], now: Time) -> SuperviseOutputs {
    let mut out = Vec::new();
    let all: Vec<NodeId> = all.iter().copied().map(node).collect();
    supervisor.handle_nodes(all.clone(), all.into_iter().collect(), now, &mut out);
    out
}

fn started(supervisor: &mut Supervisor, slot: u32, ticket: u64, pid: Pid) -> SuperviseOutputs {
    let mut out = Vec::new();
    let answer = StartAnswer::Started(pid);
    supervisor.handle_started(slot, Ticket(ticket), answer, at(1), &mut out);
    out
}

fn start(slot: u32, on: u8, ticket: u64, state: Option<&'static str>) -> SuperviseOutput {
    let (on, ticket, state) = (node(on), Ticket(ticket), state.map(Bytes::from));
    O::Start {
        slot,
        on,
        ticket,
        state,
    }
}

/// A pool with one running worker, on node 1 under ticket 1.
fn one(config: PoolConfig) -> Supervisor {
    let mut supervisor = Supervisor::new(config, 0);
    supervisor.start(at(0), &mut Vec::new());
    assert_eq!(nodes(&mut supervisor, &[1], at(0)), [start(0, 1, 1, None)]);
    let out = started(&mut supervisor, 0, 1, pid(1, 1));
    let (slot, pid) = (0, pid(1, 1));
    let event = O::Event(E::Started { slot, pid });
    assert_eq!(out, [O::Watch { slot, pid }, event]);
    supervisor
}

fn ended(supervisor: &mut Supervisor, pid: Pid, ending: Ending, now: Time) -> SuperviseOutputs {
    let mut out = Vec::new();
    supervisor.handle_ended(pid, ending, now, &mut out);
    out
}

/// U29: workers lie evenly on the nodes that qualify, the best first among equals.
#[test]
fn u29_workers_are_spread_evenly() {
    let mut supervisor = Supervisor::new(PoolConfig::new(5), 0);
    supervisor.start(at(0), &mut Vec::new());
    let out = nodes(&mut supervisor, &[3, 1, 2], at(0));
    let expected = [(0, 3, 1), (1, 1, 2), (2, 2, 3), (3, 3, 4), (4, 1, 5)];
    assert_eq!(
        out,
        expected.map(|(slot, on, ticket)| start(slot, on, ticket, None))
    );
}

/// U29: packed, the best node has as many as it may, and what has no room waits for a node.
#[test]
fn u29_workers_are_packed_up_to_the_limit() {
    let config = PoolConfig {
        spread: Spread::Packed,
        per_node_max: 2,
        ..PoolConfig::new(3)
    };
    let mut supervisor = Supervisor::new(config, 0);
    let mut out = Vec::new();
    supervisor.start(at(0), &mut out);
    let until = Time::NEVER;
    let waits = [0, 1, 2].map(|slot| O::Event(E::NoPlace { slot, until }));
    assert_eq!(out, waits);
    assert_eq!(
        nodes(&mut supervisor, &[1], at(0)),
        [start(0, 1, 1, None), start(1, 1, 2, None)]
    );
    assert_eq!(supervisor.poll_timeout(), None);
    assert_eq!(
        nodes(&mut supervisor, &[1, 2], at(0)),
        [start(2, 2, 3, None)]
    );
}

/// U31: a failed worker is started again after a pause that doubles; a lost one at once, elsewhere.
#[test]
fn u31_what_ends_is_started_again() {
    let mut supervisor = one(PoolConfig::new(1));
    let told = |pid, ending| {
        let slot = 0;
        O::Event(E::Ended { slot, pid, ending })
    };
    let out = ended(&mut supervisor, pid(1, 1), Ending::Failed, at(1_000));
    assert_eq!(out, [told(pid(1, 1), Ending::Failed)]);
    assert_eq!(supervisor.poll_timeout().unwrap().0, at(1_100));
    let mut out = Vec::new();
    supervisor.handle_timeout(at(1_099), &mut out);
    assert_eq!(out, []);
    supervisor.handle_timeout(at(1_100), &mut out);
    assert_eq!(out, [start(0, 1, 2, None)]);
    started(&mut supervisor, 0, 2, pid(1, 2));
    ended(&mut supervisor, pid(1, 2), Ending::Failed, at(2_000));
    assert_eq!(supervisor.poll_timeout().unwrap().0, at(2_200));
    supervisor.handle_timeout(at(2_200), &mut Vec::new());
    started(&mut supervisor, 0, 3, pid(1, 3));
    assert_eq!(nodes(&mut supervisor, &[2], at(3_000)), []);
    let out = ended(&mut supervisor, pid(1, 3), Ending::Lost, at(3_000));
    assert_eq!(out, [told(pid(1, 3), Ending::Lost), start(0, 2, 4, None)]);
}

/// U31: transient workers are done when they say so, temporary ones however they end.
#[test]
fn u31_policies_decide_who_is_started_again() {
    let cases = [
        (Restart::Permanent, Ending::Done, true),
        (Restart::Transient, Ending::Done, false),
        (Restart::Transient, Ending::Failed, true),
        (Restart::Transient, Ending::Lost, true),
        (Restart::Temporary, Ending::Failed, false),
        (Restart::Temporary, Ending::Lost, false),
    ];
    for (restart, ending, is_again) in cases {
        let config = PoolConfig {
            restart,
            ..PoolConfig::new(1)
        };
        let mut supervisor = one(config);
        ended(&mut supervisor, pid(1, 1), ending, at(10));
        let mut out = Vec::new();
        supervisor.handle_timeout(at(60_000), &mut out);
        let is_under_way = supervisor.slots[0].node().is_some();
        assert_eq!(is_under_way, is_again, "{restart:?} {ending:?}");
    }
}

/// U31: one restart too many within the window: it says so, and does nothing any more. Losses of
/// nodes do not count, nor what lies further back.
#[test]
fn u31_too_many_restarts_end_the_supervision() {
    let config = PoolConfig {
        restarts_max: 2,
        restarts_window: Duration::from_secs(10),
        ..PoolConfig::new(1)
    };
    let mut supervisor = one(config);
    let endings = [
        (Ending::Failed, 1),
        (Ending::Lost, 2),
        (Ending::Failed, 5),
        (Ending::Lost, 6),
        (Ending::Failed, 11),
    ];
    for (ticket, (ending, second)) in (1_u64..).zip(endings) {
        let at = at(second * 1_000);
        ended(&mut supervisor, pid(1, ticket), ending, at);
        assert!(!supervisor.has_given_up());
        supervisor.handle_timeout(at.after(PAUSE_MAX), &mut Vec::new());
        started(&mut supervisor, 0, ticket + 1, pid(1, ticket + 1));
    }
    let out = ended(&mut supervisor, pid(1, 6), Ending::Failed, at(12_000));
    let window = Duration::from_secs(10);
    let restarts = 3;
    assert_eq!(out[1..], [O::Event(E::GaveUp { restarts, window })]);
    assert!(supervisor.has_given_up());
    assert_eq!(supervisor.poll_timeout(), None);
    assert_eq!(nodes(&mut supervisor, &[2], at(99_000)), []);
}

/// U29: a node that joins gets a worker, one at a time, with its state, which is let go only when
/// the successor runs.
#[test]
fn u29_workers_move_with_their_state() {
    let mut supervisor = Supervisor::new(PoolConfig::new(2), 0);
    supervisor.start(at(0), &mut Vec::new());
    nodes(&mut supervisor, &[1], at(0));
    started(&mut supervisor, 0, 1, pid(1, 1));
    started(&mut supervisor, 1, 2, pid(1, 2));
    let (slot, from) = (0, pid(1, 1));
    let drain = O::Drain { slot, pid: from };
    assert_eq!(
        nodes(&mut supervisor, &[1, 2], at(5)),
        std::slice::from_ref(&drain)
    );
    // Its end is expected.
    assert_eq!(ended(&mut supervisor, from, Ending::Done, at(6)), []);
    let mut out = Vec::new();
    supervisor.handle_drained(0, from, HandOver::Unsure, at(7), &mut out);
    assert_eq!(out, []);
    supervisor.handle_timeout(at(507), &mut out);
    assert_eq!(out, [drain]);
    out.clear();
    let state = HandOver::State(Bytes::from("s"));
    supervisor.handle_drained(0, from, state, at(508), &mut out);
    assert_eq!(out, [start(0, 2, 3, Some("s"))]);
    out.clear();
    supervisor.handle_timeout(at(15_508), &mut out);
    assert_eq!(out, [O::Keep { pid: from }]);
    let pid = pid(2, 1);
    let moved = O::Event(E::Moved { slot, from, pid });
    let watch = O::Watch { slot, pid };
    let release = O::Release { pid: from };
    assert_eq!(started(&mut supervisor, 0, 3, pid), [watch, release, moved]);
    assert_eq!(nodes(&mut supervisor, &[2, 1], at(600)), []);
}

/// U29: who ended on its own while it was to move is started by the rules for its end.
#[test]
fn u29_what_ended_before_it_moved_is_started_by_its_policy() {
    for (ending, is_again) in [(Ending::Done, false), (Ending::Failed, true)] {
        let config = PoolConfig {
            restart: Restart::Transient,
            ..PoolConfig::new(1)
        };
        let mut supervisor = one(config);
        let mut out = Vec::new();
        let alive = [node(1), node(2)].into();
        supervisor.handle_nodes(vec![node(2)], alive, at(5), &mut out);
        assert_eq!(
            out,
            [O::Drain {
                slot: 0,
                pid: pid(1, 1)
            }]
        );
        assert_eq!(ended(&mut supervisor, pid(1, 1), ending, at(6)), []);
        out.clear();
        supervisor.handle_drained(0, pid(1, 1), HandOver::Gone, at(7), &mut out);
        let event = E::Ended {
            slot: 0,
            pid: pid(1, 1),
            ending,
        };
        assert_eq!(out, [O::Event(event)]);
        out.clear();
        supervisor.handle_timeout(at(5_000), &mut out);
        assert_eq!(!out.is_empty(), is_again);
    }
}

/// U29: whose start may have succeeded is asked for again at the same node, by the same ticket,
/// until it answers or is gone.
#[test]
fn u29_an_unsure_start_is_asked_for_again_at_the_same_node() {
    let mut supervisor = Supervisor::new(PoolConfig::new(1), 0);
    supervisor.start(at(0), &mut Vec::new());
    nodes(&mut supervisor, &[1, 2], at(0));
    let mut out = Vec::new();
    for (round, answer) in [StartAnswer::Unsure, StartAnswer::Unsent]
        .into_iter()
        .enumerate()
    {
        let now = at(1_000 * (round as u64 + 1));
        supervisor.handle_started(0, Ticket(1), answer, now, &mut out);
        assert_eq!(out, []);
        supervisor.handle_timeout(now.after(Duration::from_millis(500)), &mut out);
        assert_eq!(out, [start(0, 1, 1, None)]);
        out.clear();
    }
    assert_eq!(
        nodes(&mut supervisor, &[2], at(3_000)),
        [start(0, 2, 2, None)]
    );
    // The first one answers after all.
    let late = started(&mut supervisor, 0, 1, pid(1, 1));
    assert_eq!(late, [O::Discard { pid: pid(1, 1) }]);
}

/// U29: a node that refuses is passed over for a while.
#[test]
fn u29_a_node_that_refuses_is_passed_over() {
    let mut supervisor = Supervisor::new(PoolConfig::new(1), 0);
    supervisor.start(at(0), &mut Vec::new());
    nodes(&mut supervisor, &[1, 2], at(0));
    let mut out = Vec::new();
    for ticket in [1, 2] {
        supervisor.handle_started(0, Ticket(ticket), StartAnswer::Refused, at(10), &mut out);
    }
    let until = at(110);
    let waits = O::Event(E::NoPlace { slot: 0, until });
    assert_eq!(out, [start(0, 2, 2, None), waits]);
    assert_eq!(supervisor.poll_timeout().unwrap().0, until);
    out.clear();
    supervisor.handle_timeout(until, &mut out);
    assert_eq!(out, [start(0, 1, 3, None)]);
}

/// U13: a new supervisor takes over what runs, starts what is missing, and ends what is too much.
#[test]
fn u13_workers_are_found_again() {
    let mut supervisor = Supervisor::new(PoolConfig::new(2), 70);
    let mut out = Vec::new();
    nodes(&mut supervisor, &[1, 2], at(0));
    for (slot, pid) in [(1, pid(1, 1)), (1, pid(2, 2)), (7, pid(2, 3))] {
        supervisor.handle_adopted(slot, pid, at(0), &mut out);
    }
    let watch = O::Watch {
        slot: 1,
        pid: pid(1, 1),
    };
    let discards = [pid(2, 2), pid(2, 3)].map(|pid| O::Discard { pid });
    assert_eq!(out[0], watch);
    assert_eq!(out[1..], discards);
    out.clear();
    supervisor.start(at(0), &mut out);
    assert_eq!(out, [start(0, 2, 71, None)]);
    started(&mut supervisor, 0, 71, pid(2, 9));
    let all: Vec<Option<Pid>> = supervisor.workers().collect();
    assert_eq!(all, [Some(pid(2, 9)), Some(pid(1, 1))]);
    out.clear();
    supervisor.end(&mut out);
    assert_eq!(out, [pid(2, 9), pid(1, 1)].map(|pid| O::Discard { pid }));
    assert_eq!(supervisor.poll_timeout(), None);
}
