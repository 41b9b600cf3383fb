//! U7, I13: what large messages may do to small ones and to heartbeats on one link: little, and
//! why it is little. Two nodes, 100 Mbit/s, 300 kB messages as fast as the link carries them.

use std::time::Duration;

use crate::support::{ms, none, s, seeds, within};
use archipelago_core::channel::ChannelConfig;
use archipelago_router::Event;
use archipelago_sgroup::GroupEvent;
use archipelago_sim::check::{self, views};
use archipelago_sim::topology::{Topology, start_all};
use archipelago_sim::{LinkProfile, NodeIx, Observation, World, WorldConfig};

const FROM: NodeIx = NodeIx(0);
const TO: NodeIx = NodeIx(1);
/// 100 Mbit/s in bytes per second.
const BANDWIDTH: u64 = 12_500_000;
/// What one large message occupies of the link: sent at this period, they fill it.
const LARGE_PERIOD: Duration = ms(24);
const LARGE: (u64, Duration, usize) = (160, LARGE_PERIOD, 300_000);
const SMALL: (u64, Duration, usize) = (360, ms(10), 1_000);

/// Which mailbox the small messages go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// The one of the large ones: one flow, in order.
    TheSame,
    /// One of their own.
    Another,
}

/// U7, I13: a small message waits for no more than what lies below the lanes and one chunk.
#[test]
fn u7_a_small_message_waits_for_one_window_and_one_chunk_at_most() {
    seeds("u7_a_small_message", 5, |seed| {
        let worst = worst_latency(seed, To::Another);
        assert!(worst <= below_the_lanes(), "{worst:?}");
        println!("seed {seed}: {worst:?} of {:?}", below_the_lanes());
    });
}

/// Without lanes it is worse: in the flow of the large messages a small one waits for all of them
/// that were sent before it.
#[test]
fn u7_in_one_flow_a_small_message_waits_for_the_large_ones_before_it() {
    seeds("u7_in_one_flow", 5, |seed| {
        let (apart, together) = (
            worst_latency(seed, To::Another),
            worst_latency(seed, To::TheSame),
        );
        assert!(together > below_the_lanes(), "{together:?}");
        assert!(together > apart * 2, "{together:?} against {apart:?}");
        println!("seed {seed}: {together:?} in one flow, {apart:?} apart");
    });
}

/// The window that is not acknowledged yet, and one chunk, at the link's speed; then its latency.
fn below_the_lanes() -> Duration {
    let channel = ChannelConfig::default();
    let bytes = channel.window_bytes_max + channel.chunk_bytes_max;
    let link = link();
    link.occupancy(bytes) + link.latency + link.jitter
}

fn link() -> LinkProfile {
    LinkProfile {
        bandwidth: Some(BANDWIDTH),
        ..LinkProfile::default()
    }
}

/// How long the slowest small message took beside the large ones, after looking at the rest: all
/// arrived, the link was full, and nobody was suspected.
fn worst_latency(seed: u64, to: To) -> Duration {
    let mut world = pair(seed);
    let large = world.flow(FROM, TO, LARGE);
    let small = match to {
        To::TheSame => world.pid(TO),
        To::Another => world.another_pid(TO),
    };
    // The link is full before the first small message, and until after the last.
    world.run_for(ms(100));
    let start = world.now();
    let small = world.flow_to(FROM, small.expect("the receiver runs"), SMALL);
    world.run_for(s(5));
    for (flow, (messages, ..)) in [(large, LARGE), (small, SMALL)] {
        let received = world.received(TO, FROM, flow);
        assert_eq!((received.delivered, received.misordered), (messages, 0));
        let report = world.flow_report(FROM, flow);
        assert_eq!(report.full, 0, "nobody waited for room before the lanes");
    }
    let last = |flow| world.received(TO, FROM, flow).last;
    assert!(last(large) > last(small), "the link was full to the end");
    let filled = last(large).since(start) + ms(100);
    let occupied = link().occupancy(300_000) * 160;
    assert!(
        occupied.as_secs_f64() > filled.as_secs_f64() * 0.95,
        "the link was busy for {occupied:?} of {filled:?}"
    );
    assert_eq!(suspicions(&world), 0, "heartbeats are not late");
    none("safety", check::safety(&world));
    world.received(TO, FROM, small).latency_max
}

/// A group of two on this link.
fn pair(seed: u64) -> World {
    let mut config = WorldConfig::new(seed);
    config.link = link();
    let mut world = Topology::group(2).build(config, |_, _| {});
    start_all(&mut world);
    within(&mut world, "forming", s(20), views::all_agree);
    world.run_for(s(2));
    world
}

fn suspicions(world: &World) -> usize {
    let is_suspicion = |what: &Observation| {
        matches!(
            what,
            Observation::Event(Event::Group {
                event: GroupEvent::MemberSuspect(_)
                    | GroupEvent::MemberDown(..)
                    | GroupEvent::PathDown(_),
                ..
            })
        )
    };
    let seen = world.log().iter();
    seen.filter(|seen| is_suspicion(&seen.what)).count()
}
