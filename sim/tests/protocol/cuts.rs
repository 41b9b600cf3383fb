//! What a transport does about a cut, and what the machines make of it: packets that a cut held do
//! not leave at its end, but when TCP next tries.

use std::time::Duration;

use crate::support::{formed, ms, none, restart, s, seeds, within};
use archipelago_sim::check::{self, views};
use archipelago_sim::topology::Topology;

const SEEDS: u64 = 200;

/// A cut that no heartbeat misses: attempts are 200, 600 and 1,400 ms after the first loss, a round
/// trip more each, so 300 ms of it cost some 600 and 700 ms of it twice as much. In order, all of it.
#[test]
fn what_a_short_cut_held_leaves_at_the_next_attempt() {
    let wait = |cut: Duration| {
        seeds(
            "what_a_short_cut_held_leaves_at_the_next_attempt",
            SEEDS,
            |seed| {
                let mut world = formed(&Topology::group(2), seed);
                let (from, to) = (world.nodes()[0], world.nodes()[1]);
                let flow = world.flow(from, to, (500, ms(10), 300));
                let lag = world.random().duration(s(1), s(2));
                world.run_for(lag);
                world.cut_pair(from, to);
                world.run_for(cut);
                world.heal();
                world.run_for(s(10));
                let received = world.received(to, from, flow);
                assert_eq!(received.delivered, 500);
                assert_eq!((received.skipped, received.misordered), (0, 0));
                let attempt = if cut < ms(600) { ms(600) } else { ms(1_400) };
                let gap = received.gap_max;
                assert!((attempt..attempt + ms(30)).contains(&gap), "{gap:?}");
                none("nobody noticed", check::quiet(&world));
            },
        );
    };
    wait(ms(300));
    wait(ms(700));
}

/// The machines do not wait for it: of a cut of fifteen seconds a transport would wait ten more.
/// Peers that found each other dead closed the session, and dial each other anew.
#[test]
fn after_a_long_cut_a_new_session_carries_before_the_old_one_would() {
    seeds(
        "after_a_long_cut_a_new_session_carries_before_the_old_one_would",
        SEEDS,
        |seed| {
            let mut world = formed(&Topology::group(6), seed);
            let nodes = world.nodes();
            let (from, to) = (nodes[0], nodes[5]);
            let flow = world.flow(from, to, (400, ms(100), 300));
            world.run_for(s(2));
            world.partition(&[nodes[..3].to_vec(), nodes[3..].to_vec()]);
            world.run_for(s(15));
            world.heal();
            let mended = world.now();
            let before = world.received(to, from, flow).delivered;
            let took = world.run_until(s(10), |world| {
                world.received(to, from, flow).delivered > before
            });
            let took = took.unwrap_or_else(|| panic!("nothing came within 10 s of {mended:?}"));
            assert!(took < s(6), "{took:?}");
            world.run_for(s(30));
            let received = world.received(to, from, flow);
            assert_eq!(received.misordered, 0);
        },
    );
}

/// F1, F5: a member that starts anew while its earlier session with another one is bypassed is let
/// in by that one as by the others: the detour that stood for the session ends with it.
#[test]
fn who_starts_anew_behind_a_bypass_is_let_in() {
    seeds("who_starts_anew_behind_a_bypass_is_let_in", SEEDS, |seed| {
        let mut world = formed(&Topology::group(4), seed);
        let (stays, starts) = (world.nodes()[0], world.nodes()[1]);
        world.flow(stays, starts, (400, ms(100), 300));
        world.run_for(s(1));
        world.cut_pair(stays, starts);
        let cut = world.random().duration(s(2), s(4));
        world.run_for(cut);
        world.crash(starts);
        world.heal();
        world.run_for(ms(200));
        restart(&mut world, starts);
        within(&mut world, "being let in by all", s(15), views::all_agree);
    });
}
