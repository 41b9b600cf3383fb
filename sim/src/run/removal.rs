//! How the sessions at a run's end hold together when nodes are taken out, by chance or best first.

use super::Robustness;
use crate::metrics::{Adjacency, Removal, robustness};
use crate::random::Random;
use crate::world::World;

/// Worlds with more nodes are not looked at.
const NODES_MAX: usize = 200_000;

pub(super) fn curves(world: &World, seed: u64, points: usize) -> Robustness {
    let nodes = world.nodes();
    if nodes.len() > NODES_MAX {
        return Robustness::default();
    }
    let pairs = nodes.iter().flat_map(|&node| {
        let ends = world.connections(node).into_iter();
        ends.map(move |(_, peer)| (node.0, peer.0))
    });
    let graph = Adjacency::from_pairs(nodes.len(), pairs);
    let of = |removal| {
        let mut random = Random::split(seed, 0x0e_0b57);
        thinned(&robustness(&graph, removal, &mut random).largest, points)
    };
    Robustness {
        random: of(Removal::Random),
        targeted: of(Removal::Targeted),
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn thinned(largest: &[f64], points: usize) -> Vec<(f64, f64)> {
    let last = largest.len().saturating_sub(1).max(1);
    let step = last.div_ceil(points).max(1);
    let some = largest.iter().enumerate().step_by(step);
    some.map(|(removed, &share)| (removed as f64 / last as f64, share))
        .collect()
}
