//! Random faults, then quiet, then the promise: one full mesh whose members agree, and events in
//! order at every watcher. `SEEDS=from..to` runs others than the default seeds.

mod world;

use archipelago_core::{Boot, Rng};
use world::{SECOND, World, ms};

const NODES: usize = 9;

fn seeds() -> std::ops::Range<u64> {
    let range = std::env::var("SEEDS").unwrap_or_else(|_| "0..150".into());
    let (from, to) = range.split_once("..").expect("SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn fault(world: &mut World, rng: &mut Rng, boot: &mut u64) {
    let node = rng.below(NODES as u64) as usize;
    let other = rng.below(NODES as u64) as usize;
    *boot += 1;
    match rng.below(9) {
        0 if world.nodes[node].is_alive => world.kill(node),
        1 if !world.nodes[node].is_alive => world.restart(node, Boot(*boot)),
        2 | 3 if world.nodes[node].is_alive => world.pause(node, ms(rng.below(8_000))),
        4 if node != other => {
            world.block(node, other);
            world.block(other, node);
        }
        5 if node != other => world.block(node, other),
        6 => {
            let salt = rng.u64();
            world.partition(|node| (salt >> node) as usize & 1);
        }
        7 => world.heal(),
        _ => world.loss = rng.below(100),
    }
}

#[test]
fn any_faults_end_in_one_mesh_once_they_end() {
    for seed in seeds() {
        let mut rng = Rng::from_u64(seed ^ 0xc4a0);
        let mut world = World::new(seed);
        if seed % 2 == 0 {
            world.latency = (ms(1), ms(100));
        }
        for _ in 0..NODES {
            world.add(&[0, 1]);
        }
        for node in 0..NODES {
            world.start(node);
            world.run_for(ms(rng.below(300)));
        }
        let mut boot = 1;
        for _ in 0..20 {
            fault(&mut world, &mut rng, &mut boot);
            world.run_cut(ms(rng.below(4_000)));
        }
        world.heal();
        world.loss = 0;
        for node in 0..NODES {
            if !world.nodes[node].is_alive {
                boot += 1;
                world.restart(node, Boot(boot));
            }
        }
        // The longest pause ends, then the longest back-off.
        world.run_for(SECOND * 8);
        world.run_while_not(SECOND * 12, World::is_mesh);
        world.assert_events_in_order();
        let begin = world.now;
        world.run_for(SECOND * 20);
        assert_eq!(
            world.down_count(begin),
            0,
            "seed={seed}: somebody fell in quiet"
        );
        world.assert_mesh();
    }
}
