//! Faults F1, F2, F4 to F8, F17 and F18, each over many seeds: what is killed, stopped, lost, cut
//! or split, and that everything else holds and all of it heals.
//!
//! `ARCHIPELAGO_SEEDS` sets how many seeds each takes, `ARCHIPELAGO_SEED` runs one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{formed, ms, none, restart, s, seeds, within};
use archipelago_core::Time;
use archipelago_router::Event;
use archipelago_sgroup::DownReason;
use archipelago_sim::check::{self, deaths, messages, sessions, views};
use archipelago_sim::topology::Topology;
use archipelago_sim::{LinkProfile, NodeIx, Observation, World};

/// The bound of detection.
const T_D: Duration = ms(2_500);
const SEEDS: u64 = 1_000;
/// How long traffic between two members may stand still when their link is cut.
const STALL_MAX: Duration = s(3);

/// F1, V2: kill -9 of one, a tenth or half of a group. Survivors are told once, within the bound;
/// who restarts has a new boot and is back.
#[test]
fn f1_killed_members_are_told_once_and_in_time() {
    let worst = Worst::default();
    seeds(
        "f1_killed_members_are_told_once_and_in_time",
        SEEDS,
        |seed| {
            let topology = Topology::group(10);
            let mut world = formed(&topology, seed);
            let victims = draw(&mut world, &[1, 1, 2, 5]);
            let ended = world.now();
            for &victim in &victims {
                world.crash(victim);
            }
            world.run_for(s(3));
            for &victim in &victims {
                worst.add(detected(&world, victim, ended));
            }
            none(
                "a third node's death",
                deaths::none_but(&world, ended, &victims),
            );
            none("survivors", check::quiet(&world));
            for &victim in &victims {
                restart(&mut world, victim);
            }
            within(&mut world, "coming back", s(10), views::all_agree);
            world.run_for(s(3));
            none("after the restart", check::quiet(&world));
        },
    );
    println!("killed members were known down after {worst}");
}

/// F2: one member stopped for less than the bound dies for nobody; for longer it dies once and
/// returns cleanly. It never causes a third node's death.
#[test]
fn f2_a_stopped_member_returns_and_takes_nobody_with_it() {
    let (worst, returned) = (Worst::default(), Worst::default());
    seeds(
        "f2_a_stopped_member_returns_and_takes_nobody_with_it",
        SEEDS,
        |seed| {
            let topology = Topology::group(8);
            let mut world = formed(&topology, seed);
            let victim = draw(&mut world, &[1])[0];
            let pauses = [ms(300), ms(1_000), s(5), s(15), s(60)];
            let pause = pauses[world.random().index(pauses.len())];
            let stopped = world.now();
            world.stop(victim);
            world.run_for(pause);
            world.resume(victim);
            if pause > T_D {
                worst.add(detected(&world, victim, stopped));
                returned.add(within(&mut world, "returning", s(2), views::all_agree));
            } else {
                world.run_for(s(3));
                none("no death", deaths::none_but(&world, stopped, &[]));
            }
            world.run_for(s(5));
            none("a third node's death", others_dead(&world, stopped, victim));
            none("after the return", check::quiet(&world));
        },
    );
    println!("stopped members were known down after {worst}, and back after {returned}");
}

/// F2: a tenth of a larger group stopped at once, or less. Shorter than the bound nobody dies;
/// longer each of them dies once for all others, comes back cleanly, and takes no third one with
/// it.
#[test]
fn f2_several_stopped_members_of_a_larger_group_take_nobody_with_them() {
    let (worst, returned) = (Worst::default(), Worst::default());
    seeds(
        "f2_several_stopped_members_of_a_larger_group_take_nobody_with_them",
        SEEDS,
        |seed| {
            let size = if seed % 25 == 0 { 50 } else { 20 };
            let mut world = formed(&Topology::group(size), seed);
            let counts: Vec<usize> = (1..=size as usize / 10).collect();
            let victims = draw(&mut world, &counts);
            let pauses = [ms(1_000), s(5), s(15), s(60)];
            let pause = pauses[world.random().index(pauses.len())];
            let stopped = world.now();
            for &victim in &victims {
                world.stop(victim);
            }
            world.run_for(pause);
            for &victim in &victims {
                world.resume(victim);
            }
            if pause > T_D {
                worst.add(told_once(&world, &victims, stopped));
                returned.add(within(&mut world, "returning", s(2), views::all_agree));
            } else {
                world.run_for(s(3));
                none("no death", deaths::none_but(&world, stopped, &[]));
            }
            world.run_for(s(5));
            none(
                "a third node's death",
                deaths::none_but(&world, stopped, &victims),
            );
            none("after the return", check::quiet(&world));
        },
    );
    println!("stopped members were known down after {worst}, and back after {returned}");
}

/// F4: loss both ways. No false death up to 5 %, nor in the node-hours of this test at 20 %;
/// messages arrive in order at any loss, and all of them: at 40 % members are declared dead at
/// times, and what waits for one of those waits for its return.
#[test]
fn f4_loss_delays_and_kills_nobody() {
    let (false_deaths, at_40) = (AtomicU64::new(0), AtomicU64::new(0));
    let lossy_seconds = AtomicU64::new(0);
    seeds("f4_loss_delays_and_kills_nobody", SEEDS, |seed| {
        let topology = Topology::group(6);
        let mut world = formed(&topology, seed);
        let percent = [1, 5, 20, 40][world.random().index(4)];
        let start = world.now();
        world.set_links(LinkProfile::default().losing_percent(percent));
        talk(&mut world, 4, (50, ms(100), 200));
        world.run_for(s(20));
        let dead = deaths::none_but(&world, start, &[]);
        if percent <= 5 {
            none("no false death", dead);
        } else if percent == 20 {
            let count = u64::from(!dead.is_empty());
            false_deaths.fetch_add(count, Ordering::Relaxed);
            lossy_seconds.fetch_add(6 * 20, Ordering::Relaxed);
        }
        world.set_links(LinkProfile::default());
        within(&mut world, "agreeing", s(15), views::all_agree);
        world.run_for(s(15));
        none("after the loss", check::quiet(&world));
        let (delivered, sent) = messages::totals(&world);
        assert_eq!(delivered, sent, "at {percent} % loss");
        if percent == 40 {
            at_40.fetch_add(delivered, Ordering::Relaxed);
        }
    });
    let at_40 = at_40.into_inner();
    println!("messages delivered at 40 % loss, of as many sent: {at_40}");
    let count = false_deaths.into_inner();
    let seconds = lossy_seconds.into_inner();
    println!("false deaths at 20 % loss: {count} in {seconds} node-seconds");
    assert_eq!(count, 0, "false deaths at 20 % loss");
}

/// F5: one direction, or one pair, is cut while a third member sees both. Nobody dies, nothing
/// flaps, and traffic goes round.
#[test]
fn f5_a_cut_pair_is_a_broken_path_and_no_death() {
    let stalls = Spread::default();
    seeds(
        "f5_a_cut_pair_is_a_broken_path_and_no_death",
        SEEDS,
        |seed| {
            let topology = Topology::group([3, 5, 12][(seed % 3) as usize]);
            let mut world = formed(&topology, seed);
            let pair = draw(&mut world, &[2]);
            let flow = world.flow(pair[0], pair[1], (400, ms(100), 300));
            let back = world.flow(pair[1], pair[0], (400, ms(100), 300));
            let lag = world.random().duration(s(1), s(3));
            world.run_for(lag);
            let start = world.now();
            world.cut(pair[0], pair[1]);
            if seed % 2 == 0 {
                world.cut(pair[1], pair[0]);
            }
            world.run_for(if seed % 10 == 0 { s(600) } else { s(60) });
            none("no death", deaths::none_but(&world, start, &[]));
            let changes = path_changes(&world, start, &pair);
            assert!(
                changes <= 2,
                "the pair's path changed {changes} times at an end"
            );
            for (from, to, flow) in [(0, 1, flow), (1, 0, back)] {
                let received = world.received(pair[to], pair[from], flow);
                assert_eq!(received.delivered, 400, "round by a third");
                assert_eq!((received.skipped, received.misordered), (0, 0));
                let stall = received.gap_max;
                assert!(stall <= STALL_MAX, "traffic stood still for {stall:?}");
                stalls.add(stall);
            }
            world.heal();
            within(&mut world, "redialling", s(15), |world| {
                sessions::mesh(world).is_empty()
            });
            world.run_for(s(5));
            none("after the heal", check::quiet(&world));
        },
    );
    println!("traffic of a cut pair stood still for {stalls}");
}

/// F5: where the obvious detour is broken as well, a longer one is found by what members publish
/// of their paths: of five, only one hears the last, and the first does not hear that one.
#[test]
fn f5_a_longer_detour_is_found_by_published_paths() {
    let took = Spread::default();
    seeds(
        "f5_a_longer_detour_is_found_by_published_paths",
        200,
        |seed| {
            let mut world = formed(&Topology::group(5), seed);
            let mut nodes = world.nodes();
            world.random().shuffle(&mut nodes);
            let [first, near, other, far, last] = nodes[..] else {
                panic!("a group of five");
            };
            let start = world.now();
            for (a, b) in [(first, last), (near, last), (other, last), (first, far)] {
                world.cut_pair(a, b);
            }
            let flow = world.flow(first, last, (60, ms(500), 300));
            let back = world.flow(last, first, (60, ms(500), 300));
            world.run_for(s(60));
            none("no death", deaths::none_but(&world, start, &[]));
            for (from, to, flow) in [(first, last, flow), (last, first, back)] {
                let received = world.received(to, from, flow);
                assert_eq!(
                    received.delivered, 60,
                    "by {near:?} or {other:?}, and {far:?}"
                );
                assert_eq!((received.skipped, received.misordered), (0, 0));
                took.add(received.latency_first);
            }
            world.heal();
            within(&mut world, "redialling", s(15), |world| {
                sessions::mesh(world).is_empty()
            });
            world.run_for(s(5));
            none("after the heal", check::quiet(&world));
        },
    );
    println!("the first message came by the longer detour after {took}");
}

/// F6, D5: a group splits in two or three; both sides live on, and all agree after the heal.
#[test]
fn f6_a_split_group_heals() {
    seeds("f6_a_split_group_heals", SEEDS, |seed| {
        let topology = Topology::group(10);
        let mut world = formed(&topology, seed);
        let mut nodes = world.nodes();
        world.random().shuffle(&mut nodes);
        let sides = match seed % 3 {
            0 => vec![nodes[..5].to_vec(), nodes[5..].to_vec()],
            1 => vec![nodes[..7].to_vec(), nodes[7..].to_vec()],
            _ => vec![
                nodes[..3].to_vec(),
                nodes[3..6].to_vec(),
                nodes[6..].to_vec(),
            ],
        };
        let start = world.now();
        world.partition(&sides);
        world.run_for(s(6));
        for side in &sides {
            for &node in side {
                let alive = views::alive(&world, node, topology.id(0)).len();
                assert_eq!(alive, side.len(), "{node:?} sees its side and no more");
            }
        }
        none(
            "nobody of one's own side died",
            same_side_deaths(&world, start, &sides),
        );
        let wait = world.random().duration(s(0), s(20));
        world.run_for(wait);
        world.heal();
        within(&mut world, "converging", s(10), views::all_agree);
        world.run_for(s(15));
        none("after the heal", check::quiet(&world));
    });
}

/// F6 at 100 members: after the heal all agree within 10 s.
#[test]
fn f6_a_split_group_of_a_hundred_heals_in_ten_seconds() {
    let worst = Worst::default();
    for seed in 1..4 {
        let topology = Topology::group(100);
        let mut world = formed(&topology, seed);
        let mut nodes = world.nodes();
        world.random().shuffle(&mut nodes);
        let sides = match seed {
            1 => vec![nodes[..50].to_vec(), nodes[50..].to_vec()],
            2 => vec![nodes[..70].to_vec(), nodes[70..].to_vec()],
            _ => vec![
                nodes[..30].to_vec(),
                nodes[30..60].to_vec(),
                nodes[60..].to_vec(),
            ],
        };
        world.partition(&sides);
        world.run_for(s(30));
        world.heal();
        worst.add(within(&mut world, "converging", s(10), views::all_agree));
        world.run_for(s(15));
        none("after the heal", check::quiet(&world));
    }
    println!("a hundred members agreed after {worst}");
}

/// F7, U21: one reflector of each group lost, all but one, or all of one group.
#[test]
fn f7_lost_reflectors_cost_no_more_than_they_must() {
    seeds(
        "f7_lost_reflectors_cost_no_more_than_they_must",
        SEEDS,
        |seed| {
            let topology = Topology::backbone(2, 4, 2);
            let mut world = formed(&topology, seed);
            let (from, to) = (NodeIx(3), NodeIx(7));
            let flow = world.flow(from, to, (5, ms(100), 100));
            world.run_for(s(3));
            assert_eq!(
                world.received(to, from, flow).delivered,
                5,
                "before the loss"
            );
            let lost: Vec<NodeIx> = match seed % 3 {
                0 => vec![NodeIx(0), NodeIx(4)],
                1 => vec![NodeIx(0), NodeIx(1)],
                _ => vec![NodeIx(1), NodeIx(5)],
            };
            let start = world.now();
            for &node in &lost {
                world.crash(node);
            }
            let flow = world.flow(from, to, (20, ms(100), 100));
            world.run_for(s(5));
            none(
                "a third node's death",
                deaths::none_but(&world, start, &lost),
            );
            let received = world.received(to, from, flow);
            let report = world.flow_report(from, flow);
            assert_eq!(
                received.delivered, 20,
                "a direct session outlives reflectors: {report:?}"
            );
            let fresh = world.flow(NodeIx(2), NodeIx(6), (1, s(1), 100));
            world.run_for(s(2));
            let is_there = world.received(NodeIx(6), NodeIx(2), fresh).delivered == 1;
            let is_split = seed % 3 == 1;
            assert!(is_there != is_split, "a look-up over {lost:?} lost");
            for &node in &lost {
                restart(&mut world, node);
            }
            within(&mut world, "coming back", s(10), views::all_agree);
            world.run_for(s(3));
            let again = world.flow(NodeIx(2), NodeIx(7), (1, s(1), 100));
            world.run_for(s(2));
            assert_eq!(
                world.received(NodeIx(7), NodeIx(2), again).delivered,
                1,
                "recovered"
            );
            none("safety", check::safety(&world));
        },
    );
}

/// F8, U22: overlaps at random, loops and double bridges among them: no row circles, and no more
/// rows travel than versions and links allow.
#[test]
fn f8_random_overlaps_reflect_without_circling() {
    seeds(
        "f8_random_overlaps_reflect_without_circling",
        SEEDS,
        |seed| {
            let mut random = archipelago_sim::Random::new(seed);
            let topology = Topology::overlapping(10, 4, 6, &mut random);
            let mut world = formed(&topology, seed);
            world.run_for(s(5));
            none("no circling", check::safety(&world));
            let before = world.row_tap().rows();
            world.run_for(s(20));
            let while_quiet = world.row_tap().rows() - before;
            assert!(while_quiet == 0, "{while_quiet} rows in a quiet world");
            none("a quiet world", check::quiet(&world));
        },
    );
}

/// F17: what happens inside one group changes nothing for a group that shares no node with it:
/// its nodes report the very same things at the very same times.
#[test]
fn f17_other_groups_do_not_notice() {
    seeds("f17_other_groups_do_not_notice", SEEDS, |seed| {
        let run = |is_faulty: bool| {
            let mut topology = Topology::new();
            let nodes = topology.take(10);
            topology.push("x", nodes[..5].to_vec());
            topology.push("y", nodes[5..].to_vec());
            let mut world = formed(&topology, seed);
            let flow = world.flow(nodes[6], nodes[9], (50, ms(100), 100));
            world.random().u64();
            if is_faulty {
                hurt(&mut world, &nodes[..5], seed);
            } else {
                world.run_for(s(20));
            }
            let log: Vec<_> = world
                .log()
                .iter()
                .filter(|seen| seen.node >= 5)
                .cloned()
                .collect();
            (log, world.received(nodes[9], nodes[6], flow))
        };
        assert_eq!(run(true), run(false));
    });
}

/// F18: both sides dial each other at once, and speak again around the idle time-out: one
/// connection is kept, and nothing is lost or out of order.
#[test]
fn f18_cross_dials_and_idle_closes_lose_nothing() {
    seeds(
        "f18_cross_dials_and_idle_closes_lose_nothing",
        SEEDS,
        |seed| {
            let topology = Topology::chain(2, 3, 1);
            let mut world = topology.build(archipelago_sim::WorldConfig::new(seed), |_, config| {
                config.idle_timeout = s(4);
            });
            archipelago_sim::topology::start_all(&mut world);
            within(&mut world, "forming", s(20), views::all_agree);
            world.run_for(s(3));
            let (a, b) = (NodeIx(0), NodeIx(4));
            for _ in 0..4 {
                world.flow(a, b, (30, Duration::ZERO, 400));
                let lag = world.random().duration(ms(0), ms(3));
                world.run_for(lag);
                world.flow(b, a, (30, Duration::ZERO, 400));
                let wait = world.random().duration(ms(2_500), ms(6_000));
                world.run_for(wait);
                let between = world
                    .connections(a)
                    .iter()
                    .filter(|(_, peer)| *peer == b)
                    .count();
                assert!(between <= 1, "{between} connections are kept");
            }
            world.run_for(s(10));
            none("order", check::safety(&world));
            all_delivered(&world);
            none("idle sessions close", sessions::none_beyond_groups(&world));
        },
    );
}

/// How long `member`'s end took to be known to all of its groups, which is within the bound.
fn detected(world: &World, member: NodeIx, ended: Time) -> Duration {
    match deaths::within(world, member, ended, T_D) {
        Ok(took) => took,
        Err(found) => panic!("detection: {}", found[0]),
    }
}

/// Everybody who ran was told of the end of each of `victims` once, within the bound; how long the
/// last one took.
fn told_once(world: &World, victims: &[NodeIx], ended: Time) -> Duration {
    let deaths = deaths::since(world, ended);
    let ran = world.nodes().into_iter();
    let ran: Vec<NodeIx> = ran.filter(|node| !victims.contains(node)).collect();
    let mut worst = Duration::ZERO;
    for &victim in victims {
        for &watcher in &ran {
            let told = deaths.iter();
            let told: Vec<Duration> = told
                .filter(|death| (death.watcher, death.member) == (watcher, victim))
                .map(|death| death.time.since(ended))
                .collect();
            assert!(
                told.len() == 1 && told[0] <= T_D,
                "n{} heard of the end of n{} after {told:?}",
                watcher.0,
                victim.0
            );
            worst = worst.max(told[0]);
        }
    }
    worst
}

/// The distribution of something over all seeds: its mean and its worst.
#[derive(Default)]
struct Worst {
    sum_us: AtomicU64,
    count: AtomicU64,
    worst_us: AtomicU64,
}

impl Worst {
    fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.worst_us.fetch_max(micros, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Worst {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.count.load(Ordering::Relaxed).max(1);
        let mean_ms = self.sum_us.load(Ordering::Relaxed) / count / 1_000;
        let worst_ms = self.worst_us.load(Ordering::Relaxed) / 1_000;
        write!(f, "{mean_ms} ms on average, {worst_ms} ms at worst")
    }
}

/// The distribution of something over all seeds, in steps of 50 ms: its median and its worst.
struct Spread {
    steps: [AtomicU64; 600],
    worst: Worst,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            steps: [const { AtomicU64::new(0) }; 600],
            worst: Worst::default(),
        }
    }
}

impl Spread {
    fn add(&self, took: Duration) {
        let step = usize::try_from(took.as_millis() / 50).unwrap_or(usize::MAX);
        let step = step.min(self.steps.len() - 1);
        self.steps[step].fetch_add(1, Ordering::Relaxed);
        self.worst.add(took);
    }

    fn median_ms(&self) -> usize {
        let steps = self.steps.iter();
        let counts: Vec<u64> = steps.map(|step| step.load(Ordering::Relaxed)).collect();
        let half = counts.iter().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        let reached = counts.iter().position(|count| {
            seen += count;
            seen >= half
        });
        (reached.unwrap_or(0) + 1) * 50
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ms in the median, {}", self.median_ms(), self.worst)
    }
}

/// Some of the world's nodes, as many as one of `counts` says.
fn draw(world: &mut World, counts: &[usize]) -> Vec<NodeIx> {
    let mut nodes = world.nodes();
    world.random().shuffle(&mut nodes);
    let count = counts[world.random().index(counts.len())];
    nodes.truncate(count);
    nodes
}

/// Starts flows between pairs drawn by chance.
fn talk(world: &mut World, flows: usize, shape: (u64, Duration, usize)) {
    for _ in 0..flows {
        let pair = draw(world, &[2]);
        world.flow(pair[0], pair[1], shape);
    }
}

/// Every message of every flow arrived.
fn all_delivered(world: &World) {
    let (delivered, sent) = messages::totals(world);
    assert_eq!(delivered, sent, "messages delivered and sent");
    assert!(sent > 0);
}

/// A fault of one kind inside `nodes`, for 20 seconds.
fn hurt(world: &mut World, nodes: &[NodeIx], seed: u64) {
    match seed % 4 {
        0 => world.stop(nodes[1]),
        1 => world.partition(&[nodes[..2].to_vec(), nodes[2..].to_vec()]),
        2 => world.crash(nodes[2]),
        _ => {
            for (place, &a) in nodes.iter().enumerate() {
                for &b in &nodes[place + 1..] {
                    world.set_link(a, b, LinkProfile::default().losing_percent(40));
                }
            }
        }
    }
    world.run_for(s(10));
    world.heal();
    world.resume(nodes[1]);
    world.run_for(s(10));
}

/// Deaths told of others than `victim`, by others than `victim`: who was stopped may have missed
/// its peers for a moment.
fn others_dead(world: &World, start: Time, victim: NodeIx) -> Vec<check::Violation> {
    deaths::none_but(world, start, &[victim])
}

fn same_side_deaths(world: &World, start: Time, sides: &[Vec<NodeIx>]) -> Vec<check::Violation> {
    let deaths = deaths::since(world, start).into_iter();
    deaths
        .filter(|death| death.reason == DownReason::Dead)
        .filter(|death| {
            let mut sides = sides.iter();
            sides.any(|side| side.contains(&death.watcher) && side.contains(&death.member))
        })
        .map(|death| check::Violation::new("F6", death.to_string()))
        .collect()
}

/// How often the path to the other changed, at the end where it changed most.
fn path_changes(world: &World, start: Time, pair: &[NodeIx]) -> usize {
    use archipelago_sgroup::GroupEvent::{PathDown, PathUp};
    let at = |node: NodeIx, peer: NodeIx| {
        let peer = world.id(peer);
        let seen = world
            .log()
            .iter()
            .filter(|seen| seen.time >= start && seen.node == node.0);
        seen.filter(|seen| match &seen.what {
            Observation::Event(Event::Group {
                event: PathDown(other) | PathUp(other),
                ..
            }) => *other == peer,
            _ => false,
        })
        .count()
    };
    at(pair[0], pair[1]).max(at(pair[1], pair[0]))
}
