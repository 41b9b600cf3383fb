//! What is left of the largest component while vertices are taken away.
//!
//! Sources: random failure and attack, R. Albert, H. Jeong, A.-L. Barabási, Nature 406, 2000; the mean
//! of the curve as one figure, C. Schneider et al., PNAS 108, 2011; the curve from its end, adding
//! vertices to a union, M. Newman, R. Ziff, PRE 64, 2001. Cost: O(m) for the whole curve.

use petgraph::unionfind::UnionFind;

use super::adjacency::{Adjacency, place};
use crate::random::Random;

/// In which order vertices are taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// By chance.
    Random,
    /// Always one that has most neighbours left.
    Targeted,
}

/// A curve of removal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Robustness {
    /// By the number of vertices taken away, from none to all: the largest component's share of all
    /// vertices that there were.
    pub largest: Vec<f64>,
    /// The mean of the curve after the first removal: 0 to 0.5.
    pub index: f64,
}

/// The curve of a graph; `random` orders the vertices, and breaks ties.
pub fn robustness(graph: &Adjacency, removal: Removal, random: &mut Random) -> Robustness {
    let len = graph.len();
    let mut order: Vec<u32> = (0..place(len)).collect();
    random.shuffle(&mut order);
    if removal == Removal::Targeted {
        order = by_degree(graph, &order);
    }
    let mut largest = vec![0.0; len + 1];
    let mut parts = UnionFind::<u32>::new(len);
    let mut sizes = vec![1u32; len];
    let mut is_there = vec![false; len];
    let mut most = 0;
    for (removed, &vertex) in order.iter().enumerate().rev() {
        is_there[vertex as usize] = true;
        most = most.max(1);
        for &neighbour in graph.neighbours(vertex as usize) {
            if !is_there[neighbour as usize] {
                continue;
            }
            let (one, other) = (parts.find_mut(vertex), parts.find_mut(neighbour));
            if parts.union(one, other) {
                let size = sizes[one as usize] + sizes[other as usize];
                sizes[parts.find_mut(vertex) as usize] = size;
                most = most.max(size);
            }
        }
        largest[removed] = f64::from(most) / len as f64;
    }
    let sum: f64 = largest.iter().skip(1).sum();
    Robustness {
        index: sum / len.max(1) as f64,
        largest,
    }
}

/// Vertices by the neighbours that they have left when their turn comes, the most first; among equals
/// the order that was.
fn by_degree(graph: &Adjacency, order: &[u32]) -> Vec<u32> {
    let mut degrees: Vec<usize> = (0..graph.len()).map(|it| graph.degree(it)).collect();
    let mut buckets: Vec<Vec<u32>> = vec![Vec::new(); graph.degrees().len()];
    for &vertex in order.iter().rev() {
        buckets[degrees[vertex as usize]].push(vertex);
    }
    let mut is_gone = vec![false; graph.len()];
    let mut result = Vec::with_capacity(graph.len());
    while let Some(bucket) = buckets.last_mut() {
        let Some(vertex) = bucket.pop() else {
            buckets.pop();
            continue;
        };
        // A vertex waits in a bucket for each degree that it had; only the last one counts.
        let it = vertex as usize;
        if is_gone[it] || degrees[it] + 1 != buckets.len() {
            continue;
        }
        is_gone[it] = true;
        result.push(vertex);
        for &neighbour in graph.neighbours(it) {
            let other = neighbour as usize;
            if !is_gone[other] {
                degrees[other] -= 1;
                buckets[degrees[other]].push(neighbour);
            }
        }
    }
    result
}
