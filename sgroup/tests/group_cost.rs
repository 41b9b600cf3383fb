//! What a group costs: at rest, to form, to detect over long distances.

mod world;

use std::time::Duration;

use world::{SECOND, World, ms};

/// At rest every member sends four heartbeats a second, at any size, and nothing else.
#[test]
fn a_group_at_rest_costs_four_messages_per_member_and_second() {
    for count in [5, 20, 50] {
        let mut world = World::formed(3, count);
        world.run_for(SECOND * 5);
        let before = world.sent;
        world.run_for(SECOND * 20);
        let rate = (world.sent - before) as f64 / count as f64 / 20.0;
        println!("{count} members: {rate} messages per member and second");
        assert!((3.8..=4.2).contains(&rate), "{count}: {rate}");
    }
}

/// E0 at the size of the paper's groups: all at once through one seed.
#[test]
fn e0_a_hundred_members_form_in_time() {
    let mut world = World::new(11);
    for _ in 0..100 {
        world.add(&[0]);
    }
    for node in 0..100 {
        world.start(node);
    }
    let took = world.run_while_not(SECOND * 5, World::is_mesh);
    println!(
        "100 members formed in {took:?} with {} messages",
        world.sent
    );
    assert!(took < SECOND * 3, "{took:?}");
    assert!(world.sent < 100 * 99 * 12, "{}", world.sent);
}

/// F1, F2 with 1 to 100 ms between any two members.
#[test]
fn f2_detection_over_long_distances_keeps_its_bound() {
    let mut stopped = Vec::new();
    let mut killed = Vec::new();
    for seed in 0..40 {
        let mut world = World::new(seed);
        world.latency = (ms(1), ms(100));
        for _ in 0..16 {
            world.add(&[0]);
        }
        for node in 0..16 {
            world.start(node);
        }
        world.run_for(SECOND * 8 + ms(seed * 37 % 1_000));
        world.assert_mesh();
        let begin = world.now;
        world.pause(5, SECOND * 60);
        world.run_for(SECOND * 5);
        stopped.extend(world.downs(5, begin).iter().map(|down| down.1));
        let begin = world.now;
        world.kill(7);
        world.run_for(SECOND * 5);
        killed.extend(world.downs(7, begin).iter().map(|down| down.1));
    }
    assert_eq!((stopped.len(), killed.len()), (40 * 15, 40 * 14));
    report("stopped", &mut stopped, ms(2_500));
    report("killed", &mut killed, SECOND);
}

fn report(what: &str, times: &mut [Duration], bound: Duration) {
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let worst = times[times.len() - 1];
    println!("{what}: median {median:?} p99 {p99:?} worst {worst:?}");
    assert!(p99 <= bound, "{what}: {p99:?}");
}
