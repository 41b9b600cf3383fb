//! A protocol of your own on top of simulated nodes: a rumour that every node passes on once.
//!
//! `cargo run -p archipelago-sim --example own_protocol`

use std::time::Duration;

use archipelago_core::Pid;
use archipelago_sim::topology::Topology;
use archipelago_sim::{Protocol, Turn};
use bytes::Bytes;

#[derive(Debug, Default)]
struct Rumour {
    peers: Vec<Pid>,
    heard_ms: Option<u64>,
}

impl Protocol for Rumour {
    fn handle_message(&mut self, _from: Pid, payload: &Bytes, turn: &mut Turn<'_>) {
        if self.heard_ms.is_some() {
            return;
        }
        self.heard_ms = Some(turn.now().as_micros() / 1_000);
        for _ in 0..3 {
            let index = turn.random().index(self.peers.len());
            turn.send(self.peers[index], payload.clone());
        }
    }
}

fn main() {
    let mut world = Topology::backbone(4, 10, 2).start(1);
    world.run_for(Duration::from_secs(5));
    let nodes = world.nodes();
    let installed = nodes
        .iter()
        .map(|&node| world.install(node, Rumour::default()));
    let pids: Vec<Pid> = installed.flatten().collect();
    for &node in &nodes {
        world.prompt(node, |rumour: &mut Rumour, _turn| {
            rumour.peers = pids.clone()
        });
    }
    world.prompt(nodes[0], |_: &mut Rumour, turn| {
        turn.send(pids[1], "have you heard?")
    });
    world.run_for(Duration::from_secs(5));
    let heard = |&&node: &&_| {
        world
            .protocol::<Rumour>(node)
            .is_some_and(|r| r.heard_ms.is_some())
    };
    let count = nodes.iter().filter(heard).count();
    println!(
        "{count} of {} nodes heard it; digest {:016x}",
        nodes.len(),
        world.trace().hash()
    );
    assert!(
        count > nodes.len() / 2,
        "a rumour told three times reaches most"
    );
}
