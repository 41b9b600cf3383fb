//! How a network of sessions holds together when nodes are taken out, by chance or best first.
//!
//! Nodes are put back in the reverse order, so that one pass with a union-find gives the whole
//! curve. Source: Albert, Jeong, Barabási, Error and attack tolerance of complex networks, Nature
//! 2000; the reverse pass is Newman and Ziff, 2000. Cost: O(sessions · α).

use super::Robustness;
use crate::random::Random;
use crate::world::{NodeIx, World};

/// Worlds with more nodes are not looked at.
const NODES_MAX: usize = 200_000;

pub(super) fn curves(world: &World, seed: u64, points: usize) -> Robustness {
    let edges: Vec<Vec<u32>> = world
        .nodes()
        .into_iter()
        .map(|node| peers(world, node))
        .collect();
    if edges.len() > NODES_MAX {
        return Robustness::default();
    }
    let mut by_chance: Vec<u32> = (0u32..).zip(&edges).map(|(node, _)| node).collect();
    let mut by_degree = by_chance.clone();
    Random::split(seed, 0x0e_0b57).shuffle(&mut by_chance);
    by_degree.sort_by_key(|&node| std::cmp::Reverse(edges[node as usize].len()));
    Robustness {
        random: curve(&edges, &by_chance, points),
        targeted: curve(&edges, &by_degree, points),
    }
}

fn peers(world: &World, node: NodeIx) -> Vec<u32> {
    let connections = world.connections(node).into_iter();
    connections.map(|(_, peer)| peer.0).collect()
}

/// The share of the remaining nodes in the largest part, after each share of `order` is removed.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn curve(edges: &[Vec<u32>], order: &[u32], points: usize) -> Vec<(f64, f64)> {
    let count = order.len();
    let step = count.div_ceil(points).max(1);
    let mut parts = Parts::new(count);
    let mut is_in = vec![false; count];
    let mut curve = Vec::new();
    for (back, &node) in order.iter().rev().enumerate() {
        is_in[node as usize] = true;
        for &peer in &edges[node as usize] {
            if is_in.get(peer as usize) == Some(&true) {
                parts.join(node, peer);
            }
        }
        let (present, removed) = (back + 1, count - back - 1);
        if removed % step == 0 {
            let share = f64::from(parts.largest) / present as f64;
            curve.push((removed as f64 / count as f64, share));
        }
    }
    curve.reverse();
    curve
}

/// Disjoint sets of nodes, and how many are in the largest.
struct Parts {
    parent: Vec<u32>,
    size: Vec<u32>,
    largest: u32,
}

impl Parts {
    fn new(count: usize) -> Self {
        Self {
            parent: (0u32..).take(count).collect(),
            size: vec![1; count],
            largest: u32::from(count > 0),
        }
    }

    fn root(&mut self, mut node: u32) -> u32 {
        while self.parent[node as usize] != node {
            let above = self.parent[node as usize];
            self.parent[node as usize] = self.parent[above as usize];
            node = above;
        }
        node
    }

    fn join(&mut self, a: u32, b: u32) {
        let (mut a, mut b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        if self.size[a as usize] < self.size[b as usize] {
            std::mem::swap(&mut a, &mut b);
        }
        self.parent[b as usize] = a;
        self.size[a as usize] += self.size[b as usize];
        self.largest = self.largest.max(self.size[a as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_falls_apart_with_its_middle_and_holds_without_a_point() {
        let mut edges = vec![(1..10).collect::<Vec<u32>>()];
        edges.extend((1..10).map(|_| vec![0]));
        let middle_first = curve(&edges, &(0..10).collect::<Vec<_>>(), 10);
        let middle_last = curve(&edges, &(0..10).rev().collect::<Vec<_>>(), 10);
        assert_eq!(middle_first[0], (0.0, 1.0));
        assert!((middle_first[1].1 - 1.0 / 9.0).abs() < 1e-9);
        assert_eq!(middle_last[1], (0.1, 1.0));
    }
}
