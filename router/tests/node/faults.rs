//! Random faults, then a heal, then quiet: what must be true in the end, whatever happened.

use archipelago_core::{Boot, GroupId, Roles};
use archipelago_router::{Command, Event, NodeConfig, SessionKind};

use super::world::{MS, REALM, SECOND, World, config, group};

/// `a` is 0 to 4, `b` is 3 to 7; 3 and 4 bridge them.
const A: [usize; 5] = [0, 1, 2, 3, 4];
const B: [usize; 5] = [3, 4, 5, 6, 7];

fn configure(index: usize, boot: u64) -> NodeConfig {
    let (a, b) = (group("a", &[3, 4]), group("b", &[3, 4]));
    let groups = match index {
        0..3 => vec![a],
        3 | 4 => vec![a, b],
        _ => vec![b],
    };
    let mut config = config(index, &groups);
    config.boot = Boot(boot);
    config.idle_timeout = 10 * SECOND;
    if A.contains(&index) && B.contains(&index) {
        config.roles = Roles::REFLECTOR;
    }
    config
}

fn id(name: &str) -> GroupId {
    GroupId::new(REALM, name)
}

fn talk(world: &mut World, from: usize, to: usize) {
    let home = Some(id(if to < 4 { "a" } else { "b" }));
    let peer = world.id(to);
    world.command(from, Command::Contact { peer, home });
    world.run(200 * MS);
    let (messages, bytes) = (3, 30);
    world.command(
        from,
        Command::Demand {
            peer,
            messages,
            bytes,
        },
    );
}

fn random_step(world: &mut World, boot: &mut u64) {
    let index = usize::try_from(world.rng.below(8)).expect("a small number");
    let other = usize::try_from(world.rng.below(8)).expect("a small number");
    match world.rng.below(10) {
        0 if world.hosts[index].is_up => world.kill(index),
        0 | 1 if !world.hosts[index].is_up => {
            *boot += 1_000;
            world.restart(index, configure(index, *boot));
        }
        2 if index != other => {
            world.cuts.insert((index, other));
        }
        3 | 4 => {
            world.cuts.pop_first();
        }
        _ if world.hosts[index].is_up => talk(world, index, other),
        _ => {}
    }
}

/// Every pair of a group has one connection that both ends use, and nobody has any other (D10).
#[track_caller]
fn assert_at_rest(world: &World, seed: u64) {
    assert!(world.has_formed(id("a"), &A), "seed={seed}");
    assert!(world.has_formed(id("b"), &B), "seed={seed}");
    for (index, host) in world.hosts.iter().enumerate() {
        let is_mate = |&other: &usize| {
            let share = |group: &[usize]| group.contains(&index) && group.contains(&other);
            other != index && (share(&A) || share(&B))
        };
        let mut mates: Vec<_> = (0..8)
            .filter(is_mate)
            .map(|other| world.id(other))
            .collect();
        mates.sort_unstable();
        let sessions = host.node.sessions().into_iter();
        let peers: Vec<_> = sessions.map(|session| session.peer).collect();
        assert_eq!(peers, mates, "seed={seed} node={index}");
        assert_eq!(host.connections(), mates.len(), "seed={seed} node={index}");
        let paths: Vec<_> = host.paths().into_iter().map(|(peer, _)| peer).collect();
        assert_eq!(paths, mates, "seed={seed} node={index}");
    }
}

#[test]
fn after_any_faults_and_a_heal_there_are_the_groups_sessions_and_no_others_d10() {
    let mut on_demand = 0;
    for seed in 0..30 {
        let mut world = World::new((0..8).map(|index| configure(index, 1_000)).collect());
        world.rng = archipelago_core::Rng::from_u64(seed);
        world.jitter = 20 * MS;
        for index in 0..8 {
            world.command(index, Command::Start);
        }
        world.run(5 * SECOND);
        let mut boot = 1_000;
        for _ in 0..100 {
            random_step(&mut world, &mut boot);
            let pause = std::time::Duration::from_millis(world.rng.below(600));
            world.run(pause);
        }
        let events = world.hosts.iter().flat_map(super::world::Host::events);
        on_demand += events.filter(is_on_demand).count();
        world.cuts.clear();
        for index in 0..8 {
            if !world.hosts[index].is_up {
                boot += 1_000;
                world.restart(index, configure(index, boot));
            }
        }
        world.run(90 * SECOND);
        assert_at_rest(&world, seed);
    }
    assert!(
        on_demand > 100,
        "only {on_demand} on-demand sessions: the test tests little"
    );
}

const fn is_on_demand(event: &Event) -> bool {
    matches!(
        event,
        Event::SessionUp {
            kind: SessionKind::OnDemand,
            ..
        }
    )
}
