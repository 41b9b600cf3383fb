//! Two connections between one pair of nodes (F18).

use std::time::Duration;

use archipelago_core::Boot;
use archipelago_core::wire::ByeReason;
use archipelago_router::CloseReason;

use super::world::{MS, SECOND, World, config};

fn pair() -> World {
    World::started(vec![config(0, &[]), config(1, &[])])
}

/// Exactly one connection is left, both ends use it, and it is known who dialled it.
#[track_caller]
fn assert_one_left(world: &World) -> usize {
    let open = world.open_links();
    assert_eq!(open.len(), 1, "one connection is kept");
    for host in &world.hosts {
        assert_eq!(host.connections(), 1);
        assert_eq!(host.node.sessions().len(), 1);
    }
    world.dialler(open[0])
}

#[test]
fn of_two_that_cross_the_smaller_nodes_stays_f18() {
    for latency in [Duration::ZERO, MS, 200 * MS] {
        let mut world = pair();
        world.latency = latency;
        world.connect(0, 1, None);
        world.connect(1, 0, None);
        world.run(SECOND);
        let smaller = usize::from(world.id(1) < world.id(0));
        assert_eq!(assert_one_left(&world), smaller);
    }
}

#[test]
fn a_thousand_cross_dials_leave_exactly_one_f18() {
    for seed in 0..20 {
        let mut world = pair();
        world.jitter = 50 * MS;
        world.rng = archipelago_core::Rng::from_u64(seed);
        for _ in 0..500 {
            let dialler = usize::from(world.rng.chance(1, 2));
            world.connect(dialler, 1 - dialler, None);
            world.connect(1 - dialler, dialler, None);
            let pause = Duration::from_micros(world.rng.below(4_000));
            world.run(pause);
        }
        world.run(6 * SECOND);
        assert_one_left(&world);
        let reasons = world.hosts.iter().flat_map(super::world::Host::closes);
        let duplicate = CloseReason::Bye(ByeReason::Duplicate);
        assert!(
            reasons.into_iter().all(|reason| reason == duplicate),
            "seed={seed}"
        );
    }
}

#[test]
fn who_dials_anew_has_given_the_older_one_up() {
    let mut world = pair();
    let smaller = usize::from(world.id(1) < world.id(0));
    world.connect(smaller, 1 - smaller, None);
    world.run(6 * SECOND);
    world.connect(1 - smaller, smaller, None);
    world.run(SECOND);
    assert_eq!(assert_one_left(&world), 1 - smaller);
}

#[test]
fn a_later_start_ends_the_sessions_of_the_earlier_one_d2() {
    for restarted in [0, 1] {
        let mut world = pair();
        world.connect(0, 1, None);
        world.run(SECOND);
        // The other end does not notice that the connection is dead.
        world.latency = Duration::from_secs(60);
        world.kill(restarted);
        world.latency = MS;
        let mut again = config(restarted, &[]);
        again.boot = Boot(2_000);
        world.restart(restarted, again);
        world.connect(restarted, 1 - restarted, None);
        world.run(SECOND);
        for host in &world.hosts {
            assert_eq!(host.node.sessions().len(), 1);
        }
        let closes = world.hosts[1 - restarted].closes();
        assert_eq!(closes, [CloseReason::Bye(ByeReason::Duplicate)]);
    }
}
