//! One call, the entire list of outputs.

use archipelago_core::wire::Proof;

use super::*;

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

fn group() -> GroupId {
    GroupId::new("realm", "group")
}

fn ask(number: u8) -> Ask {
    Ask {
        node: node(number),
        home: None,
        address: None,
    }
}

const DUE: Time = Time::from_micros(5_000_000);

fn begun(kind: ChangeKind, numbers: &[u8]) -> Changes {
    let mut changes = Changes::default();
    let mut out = Vec::new();
    let asked = numbers.iter().copied().map(ask).collect();
    changes.begin((7, kind, group()), asked, Vec::new(), DUE, &mut out);
    assert_eq!(out, []);
    changes
}

fn done(kind: ChangeKind, results: &[(u8, Result<Changed, ChangeFault>)]) -> Vec<ChangeOutput> {
    let results = results.iter().map(|&(number, result)| NodeChange {
        node: node(number),
        result,
    });
    vec![ChangeOutput::Done {
        ticket: 7,
        group: group(),
        kind,
        results: results.collect(),
    }]
}

#[test]
fn d9_a_change_is_through_when_every_node_has_a_result() {
    let mut changes = begun(ChangeKind::Create, &[1, 2, 3]);
    let mut out = Vec::new();
    changes.handle_up(group(), node(2), &mut out);
    changes.handle_gone(group(), node(1), &mut out);
    changes.handle_up(GroupId::new("realm", "other"), node(1), &mut out);
    let declined = Err(ChangeFault::NotAdmitted(DeclineReasonForTest));
    changes.settle(7, node(3), declined, &mut out);
    assert_eq!(out, []);
    assert_eq!(changes.poll_timeout(), Some((DUE, "change of a group")));
    assert!(changes.handle_timeout(DUE, &mut out).is_empty());
    let results = [
        (1, Err(ChangeFault::TimedOut)),
        (2, Ok(Changed::Joined)),
        (3, declined),
    ];
    assert_eq!(out, done(ChangeKind::Create, &results));
    assert_eq!(changes.poll_timeout(), None);
}

use archipelago_core::wire::DeclineReason::Policy as DeclineReasonForTest;

#[test]
fn a_change_of_nobody_is_through_at_once() {
    let mut changes = Changes::default();
    let mut out = Vec::new();
    let what = (7, ChangeKind::Add, group());
    changes.begin(what, Vec::new(), Vec::new(), DUE, &mut out);
    assert_eq!(out, done(ChangeKind::Add, &[]));
}

#[test]
fn e6_who_leaves_settles_a_deletion_and_who_comes_does_not() {
    let mut changes = begun(ChangeKind::Delete, &[1, 2]);
    let mut out = Vec::new();
    changes.handle_up(group(), node(1), &mut out);
    changes.handle_gone(group(), node(1), &mut out);
    assert_eq!(out, []);
    changes.handle_left(group(), &mut out);
    let results = [(1, Ok(Changed::Left)), (2, Err(ChangeFault::GroupLeft))];
    assert_eq!(out, done(ChangeKind::Delete, &results));
}

#[test]
fn a7_changes_and_graves_are_bounded() {
    let mut changes = Changes::default();
    let mut out = Vec::new();
    for ticket in 0..OPS_MAX as u64 {
        assert!(changes.may_begin(ticket));
        let what = (ticket, ChangeKind::Add, group());
        changes.begin(what, vec![ask(1)], Vec::new(), DUE, &mut out);
    }
    assert!(!changes.may_begin(OPS_MAX as u64));
    for number in 0..2 * GRAVES_MAX {
        let deletion = Deletion {
            epoch: 0,
            by: node(1),
            proof: Proof::Open,
            left_s: 10 + u32::try_from(number).unwrap(),
        };
        let group = GroupId::new("realm", &number.to_string());
        changes.bury(group, deletion, Time::START);
    }
    assert_eq!(changes.graves.len(), GRAVES_MAX);
}

/// A deletion is remembered for its time, by what is left of it.
#[test]
fn e6_a_grave_is_shown_until_it_runs_out_and_a_later_epoch_replaces_it() {
    let mut changes = Changes::default();
    let of = |epoch| Deletion {
        epoch,
        by: node(1),
        proof: Proof::Open,
        left_s: 100,
    };
    changes.bury(group(), of(3), Time::START);
    changes.bury(group(), of(2), Time::START);
    let later = Time::START.after(Duration::from_secs(40));
    let shown = changes.grave(&group(), later).unwrap();
    assert_eq!((shown.epoch, shown.left_s), (3, 60));
    let end = Time::START.after(Duration::from_secs(100));
    assert_eq!(changes.grave(&group(), end), None);
    changes.handle_timeout(end, &mut Vec::new());
    assert_eq!(changes.poll_timeout(), None);
}

#[test]
fn d2_who_forgot_a_group_is_not_invited_again_and_again() {
    let mut changes = Changes::default();
    assert!(changes.may_recall(group(), node(1), Time::START));
    assert!(!changes.may_recall(group(), node(1), Time::START));
    let later = Time::START.after(RECALL_PERIOD);
    assert!(changes.may_recall(group(), node(1), later));
}
