//! Bodies that are only a size: what they take of a link's bandwidth, by closed form, in a world of
//! real machines; and what they do to heartbeats.

use std::time::Duration;

use crate::support::{ms, s, within};
use archipelago_router::Event;
use archipelago_sgroup::GroupEvent;
use archipelago_sim::check::views;
use archipelago_sim::topology::{Topology, start_all};
use archipelago_sim::{Flow, LinkProfile, NodeIx, Observation, World, WorldConfig};

const FROM: NodeIx = NodeIx(0);
const TO: NodeIx = NodeIx(1);
/// 100 Mbit/s in bytes per second.
const BANDWIDTH: u64 = 12_500_000;
const LATENCY: Duration = ms(20);

/// A group of two, a fixed latency, 100 Mbit/s.
fn pair(latency: Duration) -> World {
    let mut config = WorldConfig::new(1);
    config.link = LinkProfile {
        latency,
        jitter: Duration::ZERO,
        loss_millionths: 0,
        bandwidth: Some(BANDWIDTH),
    };
    let mut world = Topology::group(2).build(config, |_, _| {});
    start_all(&mut world);
    within(&mut world, "forming", s(20), views::all_agree);
    world.run_for(s(2));
    // The first message of two nodes waits until the other end has said what it expects.
    world.flow(FROM, TO, (1, ms(1), 32));
    world.run_for(s(1));
    world
}

/// `messages` from one to the other with a body each; the flow's number.
fn send(world: &mut World, messages: u64, period: Duration, body: u64) -> u32 {
    let flow = Flow {
        to: world.pid(TO).expect("the receiver runs"),
        messages,
        period,
        bytes: 32,
        body,
        call: None,
    };
    world.start_flow(FROM, flow)
}

/// How long so many bytes take of the link's bandwidth, rounded down.
const fn on_the_line(bytes: u64) -> Duration {
    Duration::from_micros(bytes * 1_000_000 / BANDWIDTH)
}

/// One message on an idle link takes the latency and its size over the bandwidth: body, header,
/// and what a packet costs, which together are below 200 bytes.
#[test]
fn a_message_takes_the_latency_and_its_size_over_the_bandwidth() {
    for body in [1_000_000, 50_000_000, 2_000_000_000] {
        let mut world = pair(LATENCY);
        let flow = send(&mut world, 1, ms(1), body);
        world.run_for(s(200));
        let took = world.received(TO, FROM, flow).latency_first;
        let least = LATENCY + on_the_line(body);
        let most = LATENCY + on_the_line(body + 200);
        assert!((least..=most).contains(&took), "{body} bytes took {took:?}");
    }
}

/// N messages that are handed over at once arrive one after the other: the last after the latency
/// and N times the size over the bandwidth, within what 200 bytes of each packet take.
#[test]
fn n_messages_at_once_arrive_at_the_latency_and_n_sizes_over_the_bandwidth() {
    let (count, body) = (500, 300_000);
    let mut world = pair(LATENCY);
    let flow = send(&mut world, count, Duration::ZERO, body);
    let start = world.now();
    world.run_for(s(30));
    let received = world.received(TO, FROM, flow);
    assert_eq!((received.delivered, received.misordered), (count, 0));
    let took = received.last.since(start) - LATENCY;
    let range = on_the_line(count * body)..=on_the_line(count * (body + 200));
    assert!(range.contains(&took), "{took:?}, not {range:?}");
    // The k-th of them came at the latency and k sizes: the sum over k says so.
    let total = received.latency_total - LATENCY * 500;
    let sum = count * (count + 1) / 2;
    let range = on_the_line(sum * body)..=on_the_line(sum * (body + 200));
    assert!(range.contains(&total), "{total:?}, not {range:?}");
}

/// Messages at half the link's speed never meet: each takes exactly what the first took.
#[test]
fn a_link_at_half_its_load_queues_nothing_that_comes_evenly() {
    let mut world = pair(LATENCY);
    let flow = send(&mut world, 200, ms(48), 300_000 - 200);
    world.run_for(s(20));
    let received = world.received(TO, FROM, flow);
    assert_eq!(received.delivered, 200);
    let slack = Duration::from_micros(50);
    assert!(
        received.latency_max <= received.latency_first + slack,
        "{:?} and {:?}: heartbeats in between take a few microseconds",
        received.latency_first,
        received.latency_max
    );
}

/// I13: control goes before bodies. A link that has ten minutes of bodies to carry still carries
/// heartbeats, and nobody is suspected.
#[test]
fn i13_minutes_of_bodies_delay_no_heartbeat() {
    let mut world = pair(ms(1));
    let flow = send(&mut world, 25_000, Duration::ZERO, 300_000);
    world.run_for(s(60));
    let is_alarm = |what: &Observation| {
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
    let alarms = world.log().iter().filter(|seen| is_alarm(&seen.what));
    assert_eq!(alarms.count(), 0);
    let carried = world.received(TO, FROM, flow).delivered;
    let report = world.flow_report(FROM, flow);
    let expected = 60 * BANDWIDTH / 300_000;
    assert!(carried.abs_diff(expected) < 20, "{carried}, not {expected}");
    assert!(report.sent > carried, "more was accepted than carried");
}
