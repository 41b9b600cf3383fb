//! A workload of your own: a rush of requests to one node, while half of the others crash.
//!
//! `cargo run -p archipelago-sim --example own_workload`

use std::time::Duration;

use archipelago_sim::topology::Topology;
use archipelago_sim::{NodeIx, World, check};

/// Twenty messages of 1 kB each from everybody to one.
const RUSH: (u64, Duration, usize) = (20, Duration::from_millis(50), 1_000);

fn main() {
    let mut world = Topology::backbone(4, 10, 2).start(7);
    world.attach(Duration::from_secs(1), check::safety);
    world.run_for(Duration::from_secs(5));
    let nodes = world.nodes();
    let (target, others) = nodes.split_first().expect("the topology has nodes");
    let flows: Vec<(NodeIx, u32)> = others
        .iter()
        .map(|&from| (from, world.flow(from, *target, RUSH)))
        .collect();
    world.run_for(Duration::from_millis(300));
    let mut victims = others.to_vec();
    world.random().shuffle(&mut victims);
    for &victim in victims.iter().take(others.len() / 2) {
        world.crash(victim);
    }
    world.run_for(Duration::from_secs(20));
    let delivered = |world: &World, alive: bool| -> u64 {
        let of = |&&(from, _): &&(NodeIx, u32)| world.running().contains(&from) == alive;
        let all = flows.iter().filter(of);
        all.map(|&(from, flow)| world.received(*target, from, flow).delivered)
            .sum()
    };
    let (living, dead) = (delivered(&world, true), delivered(&world, false));
    println!("delivered: {living} messages of the living, {dead} of the dead");
    println!(
        "violations: {:?}; digest {:016x}",
        world.violations(),
        world.trace().hash()
    );
    assert_eq!(living, (others.len() - others.len() / 2) as u64 * RUSH.0);
}
