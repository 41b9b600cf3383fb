//! How far vertices are from each other: eccentricity, diameter, radius, mean path.
//!
//! Exact from every source, or from a sample: then the diameter is a lower bound, the radius an upper
//! one and the mean an estimate. Cost: a breadth-first search per source, O(m) each.

use std::collections::VecDeque;

use super::adjacency::{Adjacency, place};

/// Distances in edges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distances {
    /// By source, in the order asked for: the greatest distance to a vertex that it reaches.
    pub eccentricities: Vec<u32>,
    /// The greatest eccentricity.
    pub diameter: u32,
    /// The least eccentricity.
    pub radius: u32,
    /// The mean over ordered pairs that reach each other; 0 where there is no such pair.
    pub mean: f64,
    /// The share of ordered pairs that reach each other; 1 of fewer than two vertices.
    pub reach: f64,
}

/// Distances from `sources`; pass all vertices for exact figures.
pub fn distances(graph: &Adjacency, sources: impl Iterator<Item = usize>) -> Distances {
    let mut search = Search::new(graph.len());
    let mut result = Distances {
        radius: u32::MAX,
        ..Distances::default()
    };
    let (mut sum, mut reached, mut asked) = (0u64, 0u64, 0u64);
    for source in sources.filter(|&source| source < graph.len()) {
        let mut farthest = 0;
        search.run(graph, source, |_, distance| {
            farthest = distance;
            sum += u64::from(distance);
            reached += 1;
        });
        asked += graph.len() as u64 - 1;
        result.eccentricities.push(farthest);
        result.diameter = result.diameter.max(farthest);
        result.radius = result.radius.min(farthest);
    }
    if result.eccentricities.is_empty() {
        result.radius = 0;
    }
    result.mean = ratio(sum, reached, 0.0);
    result.reach = ratio(reached, asked, 1.0);
    result
}

fn ratio(part: u64, whole: u64, of_nothing: f64) -> f64 {
    if whole == 0 {
        return of_nothing;
    }
    part as f64 / whole as f64
}

/// A breadth-first search whose memory is kept.
pub(super) struct Search {
    distances: Vec<u32>,
    queue: VecDeque<u32>,
}

impl Search {
    pub(super) fn new(len: usize) -> Self {
        Self {
            distances: vec![u32::MAX; len],
            queue: VecDeque::new(),
        }
    }

    /// Calls `visit` for every vertex that `source` reaches but itself, by rising distance.
    pub(super) fn run(
        &mut self,
        graph: &Adjacency,
        source: usize,
        mut visit: impl FnMut(u32, u32),
    ) {
        self.distances.fill(u32::MAX);
        self.distances[source] = 0;
        self.queue.push_back(place(source));
        while let Some(vertex) = self.queue.pop_front() {
            let distance = self.distances[vertex as usize];
            if distance > 0 {
                visit(vertex, distance);
            }
            for &next in graph.neighbours(vertex as usize) {
                if self.distances[next as usize] == u32::MAX {
                    self.distances[next as usize] = distance + 1;
                    self.queue.push_back(next);
                }
            }
        }
    }
}
