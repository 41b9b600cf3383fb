//! The view against a naive model, whatever the order in which things are heard.

use std::time::Duration;

use archipelago_core::wire::Life;
use archipelago_core::{Boot, Era, Incarnation, NodeId, Peer, Time};
use proptest::prelude::*;

use super::{Member, Standing, View};

const LIFE: Duration = Duration::from_secs(600);

fn empty() -> View {
    let own = Standing::new(Boot(1), Era(0), Incarnation(0), Life::Alive);
    View::new(NodeId([9; 32]), own, LIFE)
}

fn any_standing() -> impl Strategy<Value = Standing> {
    let life = prop_oneof![
        Just(Life::Joining),
        Just(Life::Alive),
        Just(Life::Down),
        Just(Life::Left)
    ];
    (0u64..3, 0u32..3, 0u32..3, life).prop_map(|(boot, era, incarnation, life)| {
        Standing::new(Boot(boot), Era(era), Incarnation(incarnation), life)
    })
}

fn told(said: &[(u32, Standing)]) -> View {
    let mut view = empty();
    for &(peer, standing) in said {
        view.merge(Peer(peer), u64::from(peer) * 77, standing, Time::START);
    }
    view
}

proptest! {
    #[test]
    fn a_view_does_not_depend_on_order_or_repetition(
        said in proptest::collection::vec((0u32..6, any_standing()), 0..40),
        seed: u64,
    ) {
        let view = told(&said);
        let mut shuffled = said.clone();
        shuffled.extend(said.iter().rev().take(5).copied());
        shuffled.sort_by_key(|(peer, standing)| {
            (u64::from(*peer) + standing.boot.0 + u64::from(standing.era.0)).wrapping_mul(seed | 1)
        });
        let other = told(&shuffled);
        prop_assert_eq!(view.hash(), other.hash());
        prop_assert_eq!(view.present_count(), view.present().count());
        let standings = |view: &View| -> Vec<(Peer, Standing)> {
            view.iter().map(|member| (member.peer, member.standing)).collect()
        };
        prop_assert_eq!(standings(&view), standings(&other));
        for (peer, standing) in standings(&view) {
            let best = said.iter().filter(|said| Peer(said.0) == peer).map(|said| said.1);
            prop_assert_eq!(best.reduce(Standing::merge), Some(standing));
        }
    }
}

#[test]
fn tombstones_are_outside_the_hash_and_run_out() {
    let up = Standing::new(Boot(1), Era(0), Incarnation(0), Life::Alive);
    let mut view = empty();
    let alone = view.hash();
    view.merge(Peer(1), 1, up, Time::START);
    assert_ne!(view.hash(), alone);
    view.merge(Peer(1), 1, up.with_life(Life::Down), Time::START);
    assert_eq!((view.hash(), view.entries_count()), (alone, 2));
    let mut expired = Vec::new();
    view.expire(Time::START.after(LIFE), &mut expired);
    assert_eq!((expired, view.entries_count()), (vec![Peer(1)], 1));
}

#[test]
fn a_hash_that_was_mine_is_known_for_a_while_only() {
    let up = Standing::new(Boot(1), Era(0), Incarnation(0), Life::Alive);
    let mut view = empty();
    let alone = view.hash();
    view.merge(Peer(1), 1, up, Time::START);
    let age = Duration::from_secs(2);
    assert!(view.knows_hash(alone, Time::from_micros(1), age));
    assert!(!view.knows_hash(alone, Time::from_micros(3_000_000), age));
}

#[test]
fn tombstones_are_at_most_four_per_member_or_sixty_four() {
    let down = Standing::new(Boot(1), Era(0), Incarnation(0), Life::Down);
    let mut view = empty();
    let mut expired = Vec::new();
    for peer in 0..200 {
        view.merge(Peer(peer), 1, down, Time::START);
        view.expire(Time::START, &mut expired);
    }
    assert_eq!(view.entries_count() - 1, 64);
}

/// 100 members of a million simulated nodes: every byte here is 100 MB there.
#[test]
fn a_member_fits_in_forty_eight_bytes() {
    assert!(size_of::<Member>() <= 48);
}
