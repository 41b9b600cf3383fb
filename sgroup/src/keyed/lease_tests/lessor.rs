//! What a lessor answers, one application after the other.

use archipelago_core::wire::KeyedWord;
use archipelago_core::{LocalId, Time};

use super::super::lessor::{Application, Lessor};
use super::{Deed, LEASE, Shard, node};
use crate::shards::ShardSet;

/// What a lessor of this life, past its quiet time, answers to applications for one shard, at these
/// times in ms: by whom, whether it wants it, and whom it left its states to; the answers are
/// whether it is leased, and whether as somebody else's.
fn answers(applications: &[(u64, u8, bool, Option<u8>)]) -> Vec<(u8, bool, bool)> {
    let at = |ms: u64| Time::from_micros(ms * 1_000);
    let shard = Shard::new(7).unwrap();
    let mut lessor = Lessor::new(1, at(60_000), LEASE, at(0));
    let (mut out, mut told) = (Vec::new(), Vec::new());
    for (number, &(ms, by, wants, heir)) in (1..).zip(applications) {
        let wanted: ShardSet = wants.then_some(shard).into_iter().collect();
        let application = Application {
            number,
            seen: u64::MAX,
            wanted,
            held: ShardSet::default(),
            heirs: heir.map(|to| (shard, node(to))).into_iter().collect(),
        };
        let who = (node(by), LocalId(by.into()));
        lessor.apply(who, application, at(ms), &mut out);
        for deed in out.drain(..) {
            let Deed::Send(to, KeyedWord::Lease { refused, fresh, .. }, _) = deed else {
                panic!("{deed:?} is no answer");
            };
            let [refused, fresh] = [refused, fresh].map(|bits| ShardSet::from_bits(&bits));
            let wanted = wants || to != node(by);
            let is_leased = wanted && !refused.contains(shard);
            told.push((to.0[0] - 1, is_leased, fresh.contains(shard)));
        }
    }
    told
}

/// Who got the states of whoever had the lease last goes on from them; who got older ones does not.
#[test]
fn a_lease_is_fresh_unless_the_last_holder_left_its_states() {
    let (leased, fresh) = (true, true);
    let first = (0, leased, fresh);
    let given_back = (0, false, false);
    let in_order = [
        (2_000, 0, true, None),
        (2_010, 0, false, Some(1)),
        (2_020, 1, true, None),
    ];
    assert_eq!(answers(&in_order), [first, given_back, (1, leased, false)]);
    let no_states = [
        (2_000, 0, true, None),
        (2_010, 0, false, None),
        (2_020, 1, true, None),
    ];
    assert_eq!(answers(&no_states), [first, given_back, (1, leased, fresh)]);
    let meanwhile = [
        (2_000, 0, true, None),
        (2_010, 0, false, Some(1)),
        (2_020, 2, true, None),
        (3_200, 1, true, None),
    ];
    let another = (2, leased, fresh);
    assert_eq!(
        answers(&meanwhile),
        [first, given_back, another, (1, leased, fresh)]
    );
}

/// Nothing is leased in the quiet time, nor what another one holds until its life has passed with a
/// tenth; then whoever waits has it.
#[test]
fn a_lease_is_waited_for() {
    let quiet = [(1_000, 0, true, None), (1_099, 1, true, None)];
    assert_eq!(answers(&quiet), [(0, false, false), (1, false, false)]);
    let held = [
        (2_000, 0, true, None),
        (3_099, 1, true, None),
        (3_101, 1, true, None),
    ];
    let (first, waits) = ((0, true, true), (1, false, false));
    assert_eq!(answers(&held), [first, waits, (1, true, true)]);
}
