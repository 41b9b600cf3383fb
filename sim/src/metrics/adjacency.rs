//! Who is next to whom, as sorted lists without loops and parallel edges.
//!
//! Cost: 4 bytes per end of an edge, 8 per vertex.

use petgraph::graph::{IndexType, UnGraph};
use petgraph::visit::EdgeRef;

/// A simple undirected graph.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adjacency {
    starts: Vec<usize>,
    ends: Vec<u32>,
}

impl Adjacency {
    /// The simple graph under any undirected one; vertices keep their indices.
    pub fn of<N, E, Ix: IndexType>(graph: &UnGraph<N, E, Ix>) -> Self {
        let edges = graph.edge_references();
        let pairs = edges.map(|edge| (place(edge.source().index()), place(edge.target().index())));
        Self::from_pairs(graph.node_count(), pairs)
    }

    /// A graph of `len` vertices; pairs that name no vertex are left out.
    pub fn from_pairs(len: usize, pairs: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut directed: Vec<(u32, u32)> = pairs
            .filter(|&(one, other)| one != other && (one.max(other) as usize) < len)
            .flat_map(|(one, other)| [(one, other), (other, one)])
            .collect();
        directed.sort_unstable();
        directed.dedup();
        let mut starts = vec![0; len + 1];
        for &(from, _) in &directed {
            starts[from as usize + 1] += 1;
        }
        for vertex in 0..len {
            starts[vertex + 1] += starts[vertex];
        }
        let ends = directed.into_iter().map(|(_, to)| to).collect();
        Self { starts, ends }
    }

    /// How many vertices there are.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Whether there is no vertex.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many edges there are.
    pub fn edges_len(&self) -> usize {
        self.ends.len() / 2
    }

    /// The neighbours of a vertex, rising; none of a vertex that is none.
    pub fn neighbours(&self, vertex: usize) -> &[u32] {
        let bounds = (self.starts.get(vertex), self.starts.get(vertex + 1));
        let (Some(&start), Some(&end)) = bounds else {
            return &[];
        };
        self.ends.get(start..end).unwrap_or_default()
    }

    /// How many neighbours a vertex has.
    pub fn degree(&self, vertex: usize) -> usize {
        self.neighbours(vertex).len()
    }

    /// By degree, how many vertices have it.
    pub fn degrees(&self) -> Vec<usize> {
        let mut counts = Vec::new();
        for vertex in 0..self.len() {
            let degree = self.degree(vertex);
            if counts.len() <= degree {
                counts.resize(degree + 1, 0);
            }
            counts[degree] += 1;
        }
        counts
    }
}

/// Vertices are numbered by 32 bits here.
pub(super) fn place(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
