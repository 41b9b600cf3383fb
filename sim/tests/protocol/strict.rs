//! Strict names: never two holders, rising fences, and fail-over (I6, U16, F2, F5, F6).

use std::sync::Arc;
use std::time::Duration;

use crate::support::{restart, s, within};
use archipelago_core::{GroupId, Time};
use archipelago_sgroup::strict::{StrictError, StrictEvent};
use archipelago_sim::check::views;
use archipelago_sim::topology::{Topology, start_all};
use archipelago_sim::{NodeIx, Observation, ProcessState, World, WorldConfig};
use bytes::Bytes;

const NODES: u32 = 5;

/// A group of five whose first three are its council; long enough up that these may grant.
fn formed(seed: u64) -> (World, GroupId) {
    let (mut world, group) = with_council(NODES, seed);
    world.run_for(s(3));
    (world, group)
}

/// A group whose first three members are its council, just formed.
pub(crate) fn with_council(nodes: u32, seed: u64) -> (World, GroupId) {
    let topology = Topology::group(nodes);
    let same_names = topology.build(WorldConfig::new(seed), |_, _| {});
    let council: Vec<_> = (0..3).map(|ix| same_names.id(NodeIx(ix))).collect();
    let mut world = topology.build(WorldConfig::new(seed), |_, config| {
        for group in &mut config.groups {
            Arc::make_mut(group).place.council.clone_from(&council);
        }
    });
    start_all(&mut world);
    within(&mut world, "forming", s(20), views::all_agree);
    (world, topology.id(0))
}

pub(crate) fn name() -> Bytes {
    Bytes::from_static(b"the one")
}

pub(crate) fn claim(world: &mut World, node: NodeIx, group: GroupId, patience: Duration) {
    let pid = world.pid(node).expect("the node runs");
    world
        .claim_strict(pid, group, &name(), patience)
        .expect("the node is in the group");
}

/// A time in which one process held the name, with its fence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenure {
    pub(crate) node: u32,
    pub(crate) from: Time,
    pub(crate) until: Time,
    pub(crate) fence: u64,
}

/// Every tenure of a run: from when it was told to the last moment it was told to last, or until
/// its process let go, lost it, or ended.
pub(crate) fn tenures(world: &World) -> Vec<Tenure> {
    let mut all: Vec<Tenure> = Vec::new();
    let mut held: Vec<Option<usize>> = vec![None; world.nodes().len()];
    for seen in world.log() {
        let place = &mut held[seen.node as usize];
        match &seen.what {
            Observation::Strict { event, .. } => match event {
                StrictEvent::Held { fence, until, .. } => {
                    *place = Some(all.len());
                    all.push(Tenure {
                        node: seen.node,
                        from: seen.time,
                        until: *until,
                        fence: *fence,
                    });
                }
                StrictEvent::Renewed { until, .. } => {
                    let tenure = place.expect("only what is held is renewed");
                    all[tenure].until = *until;
                }
                StrictEvent::Lost { .. } => end(&mut all, place, seen.time),
                _ => {}
            },
            Observation::Started | Observation::Ended => end(&mut all, place, seen.time),
            _ => {}
        }
    }
    all
}

fn end(all: &mut [Tenure], place: &mut Option<usize>, now: Time) {
    if let Some(tenure) = place.take() {
        all[tenure].until = all[tenure].until.min(now);
    }
}

pub(crate) fn check(world: &World) -> Vec<Tenure> {
    let all = tenures(world);
    for pair in all.windows(2) {
        let [before, after] = pair else { continue };
        assert!(before.fence < after.fence, "fences fall: {pair:?}");
        assert!(before.until <= after.from, "two hold the name: {pair:?}");
    }
    all
}

/// Whether no two tenures overlap and fences rise.
pub(crate) fn is_sound(world: &World) -> bool {
    let all = tenures(world);
    let mut pairs = all.windows(2);
    pairs.all(|pair| pair[0].fence < pair[1].fence && pair[0].until <= pair[1].from)
}

/// I6, F5, F6: claims of all, crashes, restarts, stops, splits and one-way cuts in any order: no
/// two tenures overlap, fences rise; and after the heal somebody has the name soon.
#[test]
fn i6_u16_no_schedule_makes_two_holders() {
    crate::support::seeds("i6_u16", 300, |seed| {
        let (mut world, group) = formed(seed);
        for _ in 0..40 {
            step(&mut world, group);
            let pause = world.random().below(900);
            world.run_for(crate::support::ms(pause));
            check(&world);
        }
        heal(&mut world);
        within(&mut world, "agreeing on members", s(60), views::all_agree);
        for node in world.nodes() {
            claim(&mut world, node, group, s(60));
        }
        within(&mut world, "taking the name", s(10), |world| {
            let now = world.now();
            tenures(world).last().is_some_and(|last| last.until > now)
        });
        world.run_for(s(10));
        check(&world);
    });
}

pub(crate) fn heal(world: &mut World) {
    world.heal();
    for node in world.nodes() {
        match world.state(node) {
            ProcessState::Down => restart(world, node),
            ProcessState::Stopped => world.resume(node),
            ProcessState::Running => {}
        }
    }
}

/// One thing that happens.
fn step(world: &mut World, group: GroupId) {
    let victim =
        NodeIx(u32::try_from(world.random().below(u64::from(NODES))).expect("a small number"));
    let other = NodeIx((victim.0 + 1) % NODES);
    let is_running = world.state(victim) == ProcessState::Running;
    match world.random().below(16) {
        0 if is_running => world.crash(victim),
        1 if world.state(victim) == ProcessState::Down => restart(world, victim),
        2 if is_running => world.stop(victim),
        3 | 4 if world.state(victim) == ProcessState::Stopped => world.resume(victim),
        5 => {
            let (here, there) = world
                .nodes()
                .into_iter()
                .partition(|node| node.0 <= victim.0);
            world.partition(&[here, there]);
        }
        6 => world.cut(victim, other),
        7 | 8 => world.heal(),
        9 if is_running => {
            // One that does not hold it lets nothing go.
            let _ = world.release_strict(victim, group, &name());
        }
        _ if is_running => {
            let patience = crate::support::ms(world.random().below(5_000));
            claim(world, victim, group, patience);
        }
        _ => {}
    }
}

/// U16: the holder's node is killed or stopped: another that waits has the name within 3 s, and
/// never before the holder's life has passed.
#[test]
fn u16_a_name_fails_over_when_its_holder_is_gone() {
    let mut longest = Duration::ZERO;
    for seed in 0..60 {
        let (mut world, group) = formed(seed);
        claim(&mut world, NodeIx(3), group, s(1));
        within(&mut world, "taking the name", s(1), |world| {
            !tenures(world).is_empty()
        });
        claim(&mut world, NodeIx(4), group, s(60));
        let pause = world.random().below(3_000);
        world.run_for(crate::support::ms(pause));
        let died = world.now();
        if seed % 2 == 0 {
            world.crash(NodeIx(3));
        } else {
            world.stop(NodeIx(3));
        }
        let took = within(&mut world, "failing over", s(4), |world| {
            tenures(world).last().is_some_and(|last| last.node == 4)
        });
        let all = check(&world);
        assert!(all.last().is_some_and(|last| last.from >= died));
        longest = longest.max(took);
    }
    println!("failed over in at most {longest:?}");
    assert!(longest <= s(3), "{longest:?}");
}

/// F6: the side without a majority of the council cannot take a name, is told so, and its holder
/// is over after one life; the other side takes it.
#[test]
fn f6_the_minority_refuses_and_its_holder_is_over() {
    let (mut world, group) = formed(7);
    claim(&mut world, NodeIx(0), group, s(1));
    within(&mut world, "taking the name", s(1), |world| {
        !tenures(world).is_empty()
    });
    world.partition(&[
        vec![NodeIx(0), NodeIx(3)],
        vec![NodeIx(1), NodeIx(2), NodeIx(4)],
    ]);
    claim(&mut world, NodeIx(4), group, s(20));
    world.run_for(s(4));
    claim(&mut world, NodeIx(3), group, s(2));
    world.run_for(s(3));
    let of = |node: u32| {
        let log = world.log().iter().filter(move |seen| seen.node == node);
        log.filter_map(|seen| match &seen.what {
            Observation::Strict { event, .. } => Some(event.clone()),
            _ => None,
        })
    };
    assert!(of(0).any(|event| matches!(event, StrictEvent::Lost { .. })));
    assert!(of(4).any(|event| matches!(event, StrictEvent::Held { .. })));
    let refused = |event| {
        matches!(
            event,
            StrictEvent::NotHeld {
                error: StrictError::NoQuorum,
                ..
            }
        )
    };
    assert!(of(3).any(refused));
    check(&world);
}
