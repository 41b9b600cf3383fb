#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::LocalId;

fn pid(node: u8, boot: u64) -> Pid {
    Pid {
        node: NodeId([node; 32]),
        boot: Boot(boot),
        local: LocalId(9),
        home: None,
    }
}

fn at(ms: u64) -> Time {
    Time::START.after(Duration::from_millis(ms))
}

#[test]
fn a_reply_counts_once_and_only_from_whom_was_called() {
    let mut calls = Calls::new(8);
    let id = calls.begin(&pid(1, 5), at(100), "a").unwrap();
    let (called, other) = (NodeId([1; 32]), NodeId([2; 32]));
    assert_eq!(calls.handle_reply(&other, Boot(5), id), None);
    assert_eq!(calls.handle_reply(&called, Boot(4), id), None);
    assert_eq!(calls.handle_reply(&called, Boot(5), id), Some("a"));
    assert_eq!(calls.handle_reply(&called, Boot(5), id), None);
    assert_eq!(calls.poll_timeout(), None);
}

/// U28: a call to a name of a node is answered by whichever start of it is alive.
#[test]
fn u28_a_call_to_any_start_is_answered_by_the_living_one() {
    let mut calls = Calls::new(8);
    let id = calls.begin(&pid(1, 0), at(100), "a").unwrap();
    assert_eq!(calls.handle_reply(&NodeId([2; 32]), Boot(5), id), None);
    assert_eq!(calls.handle_reply(&NodeId([1; 32]), Boot(5), id), Some("a"));
    let _lost = calls.begin(&pid(1, 0), at(100), "b").unwrap();
    let mut ended = Vec::new();
    calls.handle_node_down(&NodeId([1; 32]), Boot(5), &mut ended);
    assert_eq!(ended, [("b", CallEnd::NodeDown)]);
}

/// U9: what was not sent cannot have been done, and says so.
#[test]
fn u9_a_deadline_ends_a_call_and_says_whether_it_left() {
    let mut calls = Calls::new(8);
    let sent = calls.begin(&pid(1, 5), at(100), "sent").unwrap();
    let _kept = calls.begin(&pid(1, 5), at(100), "kept").unwrap();
    let _later = calls.begin(&pid(1, 5), at(101), "later").unwrap();
    calls.handle_sent(sent);
    let mut ended = Vec::new();
    calls.handle_timeout(at(99), &mut ended);
    assert_eq!(ended, []);
    calls.handle_timeout(at(100), &mut ended);
    let expected = [
        ("sent", CallEnd::Timeout { is_sent: true }),
        ("kept", CallEnd::Timeout { is_sent: false }),
    ];
    assert_eq!(ended, expected);
    assert!(ended[0].1.may_be_done() && !ended[1].1.may_be_done());
    assert_eq!(calls.poll_timeout().unwrap().0, at(101));
}

#[test]
fn a_lost_peer_ends_its_calls_and_no_others() {
    let mut calls = Calls::new(8);
    for (node, boot, caller) in [
        (1, 5, "old"),
        (1, 6, "new"),
        (2, 5, "other"),
        (2, 6, "later"),
    ] {
        let id = calls.begin(&pid(node, boot), at(100), caller).unwrap();
        calls.handle_sent(id);
    }
    let _unsent = calls.begin(&pid(2, 5), at(100), "unsent").unwrap();
    let mut ended = Vec::new();
    calls.handle_node_down(&NodeId([1; 32]), Boot(5), &mut ended);
    assert_eq!(ended, [("old", CallEnd::NodeDown)]);
    ended.clear();
    calls.handle_reset(&NodeId([2; 32]), Boot(5), &mut ended);
    assert_eq!(ended, [("other", CallEnd::Reset)]);
    ended.clear();
    calls.handle_stop(&mut ended);
    assert_eq!(
        ended,
        [
            ("new", CallEnd::Stopped),
            ("later", CallEnd::Stopped),
            ("unsent", CallEnd::Stopped)
        ]
    );
    assert!(calls.is_empty() && calls.deadlines.is_empty());
}

#[test]
fn the_table_is_bounded_and_a_caller_that_leaves_makes_room() {
    let mut calls = Calls::new(1);
    let id = calls.begin(&pid(1, 5), at(100), "a").unwrap();
    let refused = calls.begin(&pid(1, 5), at(100), "b");
    assert_eq!(refused, Err((TooManyCalls { calls_max: 1 }, "b")));
    assert_eq!(calls.cancel(id), Some("a"));
    assert_eq!(calls.begin(&pid(1, 5), at(100), "b"), Ok(CallId(2)));
}

#[derive(Clone, Debug)]
enum Step {
    Begin { node: u8, life: u64 },
    Sent(u64),
    Reply { node: u8, id: u64 },
    Cancel(u64),
    Reset(u8),
    Down(u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8, 0..50u64).prop_map(|(node, life)| Step::Begin { node, life }),
        2 => (0..20u64).prop_map(Step::Sent),
        3 => (0..3u8, 0..20u64).prop_map(|(node, id)| Step::Reply { node, id }),
        1 => (0..20u64).prop_map(Step::Cancel),
        1 => (0..3u8).prop_map(Step::Reset),
        1 => (0..3u8).prop_map(Step::Down),
        2 => (0..30u64).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Whatever happens, every call ends once, none outlives its deadline, and the table agrees
    /// with a list of who waits.
    #[test]
    fn every_call_ends_exactly_once(steps in prop::collection::vec(step(), 0..80)) {
        let mut calls = Calls::new(6);
        // Caller, node, deadline; a caller is named by its number.
        let mut open: Vec<(u64, u8, Time)> = Vec::new();
        let (mut begun, mut finished, mut now) = (0u64, Vec::new(), Time::START);
        for step in steps {
            let mut ended = Vec::new();
            match step {
                Step::Begin { node, life } => {
                    let deadline = now.after(Duration::from_millis(life));
                    let result = calls.begin(&pid(node, 1), deadline, begun + 1);
                    prop_assert_eq!(result.is_ok(), open.len() < 6);
                    if result.is_ok() {
                        begun += 1;
                        prop_assert_eq!(result, Ok(CallId(begun)));
                        open.push((begun, node, deadline));
                    }
                }
                Step::Sent(id) => calls.handle_sent(CallId(id)),
                Step::Reply { node, id } => {
                    let reply = calls.handle_reply(&NodeId([node; 32]), Boot(1), CallId(id));
                    let waits = open.iter().any(|known| known.0 == id && known.1 == node);
                    prop_assert_eq!(reply, waits.then_some(id));
                    ended.extend(reply.map(|id| (id, CallEnd::Replied(Outcome::Done))));
                }
                Step::Cancel(id) => {
                    let gone = calls.cancel(CallId(id));
                    ended.extend(gone.map(|id| (id, CallEnd::Stopped)));
                }
                Step::Reset(node) => calls.handle_reset(&NodeId([node; 32]), Boot(1), &mut ended),
                Step::Down(node) => calls.handle_node_down(&NodeId([node; 32]), Boot(1), &mut ended),
                Step::Pass(ms) => {
                    now = now.after(Duration::from_millis(ms));
                    calls.handle_timeout(now, &mut ended);
                }
            }
            for (id, _) in ended {
                let place = open.iter().position(|known| known.0 == id);
                prop_assert!(place.is_some(), "{} ended twice", id);
                finished.push(open.remove(place.unwrap()).0);
            }
            prop_assert_eq!(calls.len(), open.len());
            let due = calls.poll_timeout().map(|(time, _)| time);
            prop_assert_eq!(due, open.iter().map(|known| known.2).min());
        }
        let mut ended = Vec::new();
        calls.handle_timeout(Time::NEVER, &mut ended);
        prop_assert_eq!(finished.len() + ended.len(), usize::try_from(begun).unwrap());
    }
}
