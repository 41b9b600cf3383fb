//! Handler tests of reflection: one call, the whole list of outputs.

use std::sync::Arc;

use archipelago_core::wire::{List, RouteBody, Row, RowGroup, SignedRow};
use archipelago_core::{Boot, Peer, Roles, Time, ToyCrypto};
use archipelago_router::reflect::{
    GroupChange, MemberChange, Reflect, ReflectConfig, ReflectCounters, ReflectOutput,
};
use archipelago_router::{Membership, Routes};

use super::kit::{Bench, group, node};

const UP: GroupChange = GroupChange::Up { is_closed: false };
const REFLECTS: MemberChange = MemberChange::Up(Roles::REFLECTOR);

/// Node 0, a reflector in groups 1 and 2, with reflector 1 in group 1 that sent its digest.
fn bridge() -> (Bench, Reflect, Peer) {
    let mut bench = Bench::new(0);
    let mut reflect = Reflect::new(
        Arc::new(ReflectConfig::default()),
        node(0),
        Roles::REFLECTOR,
        Boot(1),
    );
    let peer = bench.connect(1);
    let out = &mut Vec::new();
    reflect.handle_group(group(1), UP, &mut bench.cx(), out);
    reflect.handle_group(group(2), UP, &mut bench.cx(), out);
    reflect.handle_member(group(1), peer, REFLECTS, &mut bench.cx(), out);
    reflect.handle_digest(peer, &[], &mut bench.cx(), out);
    bench.pass(1_000);
    reflect.handle_timeout(&mut bench.cx(), out);
    bench.pass(1_000);
    (bench, reflect, peer)
}

fn row(number: u64, seq: u64, groups: &[(u64, &[u64])]) -> Arc<SignedRow> {
    let groups = groups.iter().map(|&(id, reflectors)| RowGroup {
        group: group(id),
        size: 1,
        closed: false,
        reflectors: List::truncated(reflectors.iter().map(|&number| node(number))),
    });
    let row = Row {
        reflector: node(number),
        boot: Boot(1),
        seq,
        groups: List::truncated(groups),
    };
    Arc::new(SignedRow::new(row, &ToyCrypto::new(number)))
}

fn sent_rows(out: &[ReflectOutput]) -> Vec<(Peer, Vec<(usize, usize)>)> {
    let rows = out.iter().filter_map(|output| match output {
        ReflectOutput::Send {
            to,
            body: RouteBody::Row { row, .. },
        } => {
            let groups = row.row.groups.iter();
            let shape = groups.map(|g| (g.size as usize, g.reflectors.len()));
            Some((*to, shape.collect()))
        }
        _ => None,
    });
    rows.collect()
}

#[test]
fn a_plain_member_knows_its_reflectors_and_sends_nothing() {
    let mut bench = Bench::new(0);
    let config = Arc::new(ReflectConfig::default());
    let mut reflect = Reflect::new(config, node(0), Roles::default(), Boot(1));
    let (far, near, plain) = (bench.connect(1), bench.connect(2), bench.connect(3));
    bench.peers.get_mut(far).unwrap().srtt_us = 50_000;
    bench.peers.get_mut(near).unwrap().srtt_us = 900;
    let mut out = Vec::new();
    reflect.handle_group(group(1), UP, &mut bench.cx(), &mut out);
    reflect.handle_member(group(1), far, REFLECTS, &mut bench.cx(), &mut out);
    reflect.handle_member(group(1), near, REFLECTS, &mut bench.cx(), &mut out);
    let change = MemberChange::Up(Roles::default());
    reflect.handle_member(group(1), plain, change, &mut bench.cx(), &mut out);
    assert_eq!(out, []);
    assert_eq!(reflect.next_hops(group(9), &bench.peers), [near, far]);
    bench.disconnect(near);
    assert_eq!(reflect.next_hops(group(9), &bench.peers), [far]);
    reflect.handle_member(
        group(1),
        plain,
        MemberChange::Gone,
        &mut bench.cx(),
        &mut out,
    );
    let membership = |number| reflect.membership(group(1), &node(number), &bench.peers);
    assert_eq!(membership(3), Membership::Gone);
    assert_eq!(membership(4), Membership::Unknown);
    assert_eq!(membership(1), Membership::Up(far));
    assert_eq!(out, []);
}

#[test]
fn changes_are_damped_and_withdrawals_are_not() {
    let (mut bench, mut reflect, peer) = bridge();
    let mut out = Vec::new();
    let second = bench.connect(2);
    reflect.handle_member(group(1), second, REFLECTS, &mut bench.cx(), &mut out);
    assert_eq!(sent_rows(&out), [(peer, vec![(3, 2), (1, 0)])]);
    out.clear();
    bench.pass(50);
    let third = bench.connect(3);
    reflect.handle_member(group(1), third, REFLECTS, &mut bench.cx(), &mut out);
    assert_eq!(sent_rows(&out), [], "within 200 ms of the last");
    let due = bench.now.after(std::time::Duration::from_millis(150));
    assert!(reflect.poll_timeout().is_some_and(|(at, _)| at <= due));
    bench.pass(150);
    reflect.handle_timeout(&mut bench.cx(), &mut out);
    assert_eq!(sent_rows(&out), [(peer, vec![(4, 3), (1, 0)])]);
    out.clear();
    bench.disconnect(third);
    reflect.handle_session_closed(third, &mut bench.cx(), &mut out);
    assert_eq!(sent_rows(&out), [(peer, vec![(4, 2), (1, 0)])], "at once");
}

#[test]
fn watchers_look_again_soon_after_a_change_and_then_at_their_pace() {
    let (mut bench, mut reflect, near) = bridge();
    let mut out = Vec::new();
    let mut looks = Vec::new();
    let start = bench.now;
    for seq in 2..62 {
        let heard = row(1, seq, &[(1, &[0]), (100 + seq, &[])]);
        reflect.handle_row(near, heard, List::new(), 0, &mut bench.cx(), &mut out);
        let before = reflect.changes();
        bench.pass(10);
        reflect.handle_timeout(&mut bench.cx(), &mut out);
        if reflect.changes() != before {
            looks.push(bench.now.since(start).as_millis());
        }
    }
    assert_eq!(looks, [10, 210, 410]);
    let ups = |group| out.contains(&ReflectOutput::RouteUp(group));
    assert!(ups(group(102)) && ups(group(122)) && !ups(group(103)));
}

#[test]
fn a_newer_row_is_passed_on_once_and_not_back_into_its_group() {
    let (mut bench, mut reflect, near) = bridge();
    let mut out = Vec::new();
    let (beside, beyond) = (bench.connect(2), bench.connect(3));
    reflect.handle_member(group(1), beside, REFLECTS, &mut bench.cx(), &mut out);
    reflect.handle_member(group(2), beyond, REFLECTS, &mut bench.cx(), &mut out);
    reflect.handle_digest(beside, &[], &mut bench.cx(), &mut out);
    reflect.handle_digest(beyond, &[], &mut bench.cx(), &mut out);
    out.clear();
    let heard = row(1, 5, &[(1, &[0, 2]), (7, &[])]);
    let mut hear = |row: &Arc<SignedRow>, out: &mut Vec<ReflectOutput>| {
        let clusters = List::truncated([node(8)]);
        reflect.handle_row(near, row.clone(), clusters, 3, &mut bench.cx(), out);
    };
    hear(&heard, &mut out);
    let copy = RouteBody::Row {
        row: heard.clone(),
        clusters: List::truncated([node(8), node(0)]),
        age_s: 3,
    };
    assert_eq!(
        out,
        [ReflectOutput::Send {
            to: beyond,
            body: copy
        }]
    );
    out.clear();
    hear(&heard, &mut out);
    hear(&row(1, 4, &[(1, &[0])]), &mut out);
    assert_eq!(out, [], "known, and older");
    assert_eq!(reflect.next_hops(group(7), &bench.peers), [near]);
    assert_eq!(reflect.counters().old, 2);
}

#[test]
fn loops_strangers_forgeries_and_old_age_are_counted_and_stop_here() {
    let (mut bench, mut reflect, near) = bridge();
    let stranger = bench.connect(9);
    let before = reflect.counters();
    let good = row(5, 1, &[(7, &[])]);
    let mut forged = (*row(6, 1, &[(7, &[])])).clone();
    forged.row.seq = u64::MAX;
    let mut out = Vec::new();
    let mut hear = |from, row: &Arc<SignedRow>, clusters: &[u64], age_s| {
        let clusters = List::truncated(clusters.iter().map(|&number| node(number)));
        reflect.handle_row(
            from,
            row.clone(),
            clusters,
            age_s,
            &mut bench.cx(),
            &mut out,
        );
    };
    hear(stranger, &good, &[], 0);
    hear(near, &good, &[4, 0], 0);
    hear(near, &good, &[], 180);
    hear(near, &good, &[], u32::MAX);
    hear(near, &row(0, 1, &[]), &[], 0);
    hear(near, &Arc::new(forged), &[], 0);
    let full: Vec<u64> = (20..52).collect();
    hear(near, &good, &full, 0);
    assert_eq!(out, [ReflectOutput::Broken(near)]);
    let expected = ReflectCounters {
        accepted: before.accepted + 1,
        looped: before.looped + 2,
        expired: before.expired + 2,
        forged: before.forged + 1,
        strangers: before.strangers + 1,
        too_far: before.too_far + 1,
        ..before
    };
    assert_eq!(reflect.counters(), expected);
}

#[test]
fn an_edge_that_nobody_confirms_does_not_count() {
    let (mut bench, mut reflect, near) = bridge();
    let mut out = Vec::new();
    let mut hear = |row: Arc<SignedRow>| {
        reflect.handle_row(near, row, List::new(), 0, &mut bench.cx(), &mut out);
    };
    // 1 says that 5 is with it in group 7; 5 says no more than that it is.
    hear(row(1, 9, &[(1, &[0]), (7, &[5])]));
    hear(row(5, 9, &[(7, &[1]), (8, &[6])]));
    // 6 is in group 8, and does not list 5 there.
    hear(row(6, 9, &[(8, &[])]));
    assert_eq!(reflect.next_hops(group(7), &bench.peers), [near]);
    assert_eq!(reflect.next_hops(group(8), &bench.peers), []);
}

#[test]
fn rows_of_the_silent_run_out_whatever_way_they_came() {
    let (mut bench, mut reflect, near) = bridge();
    let mut out = Vec::new();
    let far = row(5, 1, &[(1, &[]), (7, &[])]);
    reflect.handle_row(near, far, List::new(), 100, &mut bench.cx(), &mut out);
    assert_eq!(reflect.rows_len(), 2);
    let end = bench.now.after(std::time::Duration::from_secs(95));
    while let Some((due_at, _)) = reflect.poll_timeout().filter(|&(at, _)| at <= end) {
        bench.now = due_at;
        reflect.handle_timeout(&mut bench.cx(), &mut out);
    }
    assert_eq!(
        reflect.rows_len(),
        1,
        "100 s old when heard, and 80 s to live"
    );
}

#[test]
fn a_later_number_of_our_own_is_outbid() {
    let (mut bench, mut reflect, near) = bridge();
    let mut out = Vec::new();
    let past = row(0, 1_000, &[(1, &[])]);
    reflect.handle_row(near, past, List::new(), 0, &mut bench.cx(), &mut out);
    let sent = out.iter().find_map(|output| match output {
        ReflectOutput::Send {
            body: RouteBody::Row { row, .. },
            ..
        } => Some(row.version()),
        _ => None,
    });
    assert_eq!(sent, Some((Boot(1), 1_001)));
}

#[test]
fn a_shutdown_withdraws_everything() {
    let (mut bench, mut reflect, near) = bridge();
    let mut out = Vec::new();
    reflect.handle_shutdown(&mut bench.cx(), &mut out);
    assert_eq!(sent_rows(&out), [(near, vec![])]);
    assert_eq!(reflect.rows_len(), 0);
}

#[test]
fn timers_may_be_early_and_change_nothing_then() {
    let (mut bench, mut reflect, _) = bridge();
    let mut out = Vec::new();
    let due: Option<(Time, &str)> = reflect.poll_timeout();
    reflect.handle_timeout(&mut bench.cx(), &mut out);
    assert_eq!((out, reflect.poll_timeout()), (vec![], due));
}
