//! The same seed and the same verbs give the same trace.

mod support;

use archipelago_sim::topology::Topology;
use support::{restart, s};

fn run(seed: u64) -> (u64, u64) {
    let topology = Topology::backbone(3, 4, 2);
    let mut world = topology.start(seed);
    world.run_for(s(5));
    let nodes = world.nodes();
    world.flow(nodes[3], nodes[11], (20, support::ms(50), 600));
    world.run_for(s(2));
    world.crash(nodes[4]);
    world.partition(&[nodes[..3].to_vec(), nodes[5..].to_vec()]);
    world.run_for(s(5));
    world.heal();
    restart(&mut world, nodes[4]);
    world.run_for(s(5));
    (world.trace().hash(), world.trace().events())
}

#[test]
fn the_same_seed_twice_gives_the_same_trace() {
    for seed in 1..4 {
        let (hash, events) = run(seed);
        println!("seed {seed}: trace {hash:016x} over {events} events");
        assert_eq!(run(seed), (hash, events));
        assert_ne!(run(seed + 100).0, hash);
        assert!(events > 1_000, "only {events} events: nothing happened");
    }
}
