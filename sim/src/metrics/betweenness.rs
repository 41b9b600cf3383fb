//! How many shortest paths pass through a vertex.
//!
//! Source: U. Brandes, A Faster Algorithm for Betweenness Centrality, 2001; with a sample of sources
//! the result is scaled as in U. Brandes, C. Pich, 2007. Cost: O(m) time per source, O(n) memory.

use super::adjacency::{Adjacency, place};

/// By vertex: the sum over unordered pairs of others of the share of their shortest paths that pass
/// through it. Pass all vertices as `sources` for exact figures; a sample gives an estimate.
pub fn betweenness(graph: &Adjacency, sources: impl Iterator<Item = usize>) -> Vec<f64> {
    let len = graph.len();
    let mut state = State {
        order: Vec::with_capacity(len),
        distance: vec![u32::MAX; len],
        paths: vec![0.0; len],
        dependency: vec![0.0; len],
    };
    let mut result = vec![0.0; len];
    let mut count = 0u32;
    for source in sources.filter(|&source| source < len) {
        state.search(graph, source);
        state.accumulate(graph, source, &mut result);
        count += 1;
    }
    // Every pair was seen from both ends, if all ends were asked.
    let scale = len as f64 / f64::from(count.max(1)) / 2.0;
    result.iter_mut().for_each(|value| *value *= scale);
    result
}

struct State {
    order: Vec<u32>,
    distance: Vec<u32>,
    /// Shortest paths from the source.
    paths: Vec<f64>,
    dependency: Vec<f64>,
}

impl State {
    fn search(&mut self, graph: &Adjacency, source: usize) {
        self.order.clear();
        self.distance.fill(u32::MAX);
        self.paths.fill(0.0);
        self.dependency.fill(0.0);
        self.distance[source] = 0;
        self.paths[source] = 1.0;
        self.order.push(place(source));
        let mut next = 0;
        while let Some(&vertex) = self.order.get(next) {
            next += 1;
            let vertex = vertex as usize;
            let farther = self.distance[vertex] + 1;
            for &neighbour in graph.neighbours(vertex) {
                let it = neighbour as usize;
                if self.distance[it] == u32::MAX {
                    self.distance[it] = farther;
                    self.order.push(neighbour);
                }
                if self.distance[it] == farther {
                    self.paths[it] += self.paths[vertex];
                }
            }
        }
    }

    /// From the farthest back: what depends on a vertex depends on those before it.
    fn accumulate(&mut self, graph: &Adjacency, source: usize, result: &mut [f64]) {
        for &vertex in self.order.iter().rev() {
            let vertex = vertex as usize;
            let share = (1.0 + self.dependency[vertex]) / self.paths[vertex];
            for &neighbour in graph.neighbours(vertex) {
                let before = neighbour as usize;
                if self.distance[before].wrapping_add(1) == self.distance[vertex] {
                    self.dependency[before] += self.paths[before] * share;
                }
            }
            if vertex != source {
                result[vertex] += self.dependency[vertex];
            }
        }
    }
}
