//! The same seed and the same verbs give the same digest, on any number of shards and threads.

use crate::support::{restart, s, start};
use archipelago_sim::check;
use archipelago_sim::topology::Topology;
use archipelago_sim::{Observed, World, WorldConfig};

fn config(seed: u64, shards: usize, threads: usize, stripe_len: u32) -> WorldConfig {
    WorldConfig {
        shards,
        threads,
        stripe_len,
        ..WorldConfig::new(seed)
    }
}

/// Three groups, a conversation, a crash, a split, a heal and a restart.
fn run(config: WorldConfig) -> World {
    let topology = Topology::backbone(3, 4, 2);
    let mut world = topology.build(config, |_, _| {});
    for node in world.nodes() {
        start(&mut world, node);
    }
    world.run_for(s(5));
    let nodes = world.nodes();
    world.flow(nodes[3], nodes[11], (20, crate::support::ms(50), 600));
    world.run_for(s(2));
    world.crash(nodes[4]);
    world.partition(&[nodes[..3].to_vec(), nodes[5..].to_vec()]);
    world.run_for(s(5));
    world.heal();
    restart(&mut world, nodes[4]);
    world.run_for(s(5));
    world
}

/// Everything that a run shows: its digest, its length, what nodes reported, what is wrong.
fn shown(world: &World) -> (u64, u64, &[Observed], u64, Vec<check::Violation>) {
    let trace = world.trace();
    let rows = world.row_tap().rows();
    let found = check::safety(world);
    (trace.hash(), trace.events(), world.log(), rows, found)
}

#[test]
fn the_same_seed_twice_gives_the_same_digest() {
    for seed in 1..4 {
        let world = run(config(seed, 1, 1, 64));
        let trace = world.trace();
        println!(
            "seed {seed}: digest {:016x} over {} events",
            trace.hash(),
            trace.events()
        );
        assert_eq!(shown(&run(config(seed, 1, 1, 64))), shown(&world));
        assert_ne!(
            run(config(seed + 100, 1, 1, 64)).trace().hash(),
            trace.hash()
        );
        assert!(trace.events() > 1_000, "only {} events", trace.events());
    }
}

#[test]
fn shards_and_threads_change_nothing() {
    for seed in 1..4 {
        let alone = run(config(seed, 1, 1, 64));
        assert_eq!(shown(&alone).4, []);
        for (shards, threads, stripe_len) in [(2, 1, 1), (2, 2, 1), (3, 3, 1), (5, 2, 2)] {
            let world = run(config(seed, shards, threads, stripe_len));
            let (one, many) = (shown(&alone), shown(&world));
            assert_eq!(
                (many.0, many.1, many.3),
                (one.0, one.1, one.3),
                "seed={seed} shards={shards} threads={threads}"
            );
            assert_eq!(many, one, "seed={seed} shards={shards} threads={threads}");
        }
    }
}
