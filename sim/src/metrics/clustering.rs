//! How often two neighbours of a vertex are neighbours.
//!
//! Sources: local and average coefficient, D. Watts, S. Strogatz, Nature 393, 1998 (a vertex of fewer
//! than two neighbours counts as 0); transitivity, M. Newman, SIAM Review 45, 2003.
//! Cost: O(Σ degree²).

use super::adjacency::{Adjacency, place};

/// Clustering coefficients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clustering {
    /// By vertex: of the pairs of its neighbours, the share that are neighbours.
    pub local: Vec<f64>,
    /// The mean of the local ones.
    pub average: f64,
    /// Of the paths of two edges, the share whose ends are neighbours.
    pub transitivity: f64,
    /// How many triangles there are.
    pub triangles: u64,
}

/// The clustering of a graph.
pub fn clustering(graph: &Adjacency) -> Clustering {
    let mut mark = vec![u32::MAX; graph.len()];
    let mut result = Clustering::default();
    let (mut closed, mut paths) = (0u64, 0u64);
    for vertex in 0..graph.len() {
        let neighbours = graph.neighbours(vertex);
        for &neighbour in neighbours {
            mark[neighbour as usize] = place(vertex);
        }
        let is_marked = |other: &&u32| mark[**other as usize] == place(vertex);
        let twice: usize = neighbours
            .iter()
            .map(|&it| {
                graph
                    .neighbours(it as usize)
                    .iter()
                    .filter(is_marked)
                    .count()
            })
            .sum();
        let degree = neighbours.len() as u64;
        let pairs = degree * degree.saturating_sub(1) / 2;
        let links = twice as u64 / 2;
        closed += links;
        paths += pairs;
        result.local.push(share(links, pairs));
    }
    let sum: f64 = result.local.iter().sum();
    result.average = sum / (graph.len().max(1) as f64);
    result.transitivity = share(closed, paths);
    result.triangles = closed / 3;
    result
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}
