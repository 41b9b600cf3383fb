//! Everything about a graph in one value, for tables and reports.
//!
//! Above a number of vertices that the caller chooses, distances and betweenness take a sample of
//! that many sources, and edge connectivity is left out; the summary says so.

use serde::Serialize;

use super::adjacency::Adjacency;
use super::cuts::is_connected;
use super::robustness::Removal;
use super::{betweenness, clustering, components, cores, cuts, distances, edge_connectivity};
use super::{gini, robustness};
use crate::random::Random;

/// What a graph is like.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Vertices.
    pub vertices: usize,
    /// Edges.
    pub edges: usize,
    /// Neighbours of a vertex.
    pub degree: Spread,
    /// By degree, how many vertices have it.
    pub degrees: Vec<usize>,
    /// How unequal degrees are, 0 to 1.
    pub degree_gini: f64,
    /// Connected components.
    pub components: usize,
    /// The largest component's share of the vertices.
    pub largest_component: f64,
    /// From how many vertices distances and betweenness were taken.
    pub sources: usize,
    /// Whether those were all vertices.
    pub is_exact: bool,
    /// The greatest distance; of a sample, a lower bound.
    pub diameter: u32,
    /// The least eccentricity; of a sample, an upper bound.
    pub radius: u32,
    /// The mean distance of pairs that reach each other.
    pub path_mean: f64,
    /// The mean of the local clustering coefficients.
    pub clustering: f64,
    /// Of the paths of two edges, the share whose ends are neighbours.
    pub transitivity: f64,
    /// Shortest paths through a vertex, of unordered pairs.
    pub betweenness: Spread,
    /// How unequal betweenness is, 0 to 1.
    pub betweenness_gini: f64,
    /// The highest core number.
    pub core_max: u32,
    /// Vertices whose loss cuts the graph.
    pub articulation_points: usize,
    /// Edges whose loss cuts the graph.
    pub bridges: usize,
    /// The fewest edges whose loss cuts the graph; `None` where it was not computed.
    pub edge_connectivity: Option<usize>,
    /// The largest component after each hundredth of the vertices was lost by chance.
    pub robustness_random: Vec<f64>,
    /// The same, always losing one of most neighbours.
    pub robustness_targeted: Vec<f64>,
}

/// Least, mean and most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Least.
    pub min: f64,
    /// Mean.
    pub mean: f64,
    /// Most.
    pub max: f64,
}

impl Spread {
    /// Of some values; all 0 of none.
    pub fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        Self {
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            mean: values.iter().sum::<f64>() / values.len() as f64,
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

impl Summary {
    /// The summary of a graph, exact up to `exact_max` vertices. `seed` draws samples and removals.
    pub fn of(graph: &Adjacency, exact_max: usize, seed: u64) -> Self {
        let mut random = Random::split(seed, 0x6e7);
        let is_exact = graph.len() <= exact_max;
        let mut sources: Vec<usize> = (0..graph.len()).collect();
        if !is_exact {
            random.shuffle(&mut sources);
            sources.truncate(exact_max);
        }
        let mut summary = Self {
            vertices: graph.len(),
            edges: graph.edges_len(),
            sources: sources.len(),
            is_exact,
            ..Self::default()
        };
        summary.shape(graph);
        summary.paths(graph, &sources);
        summary.losses(graph, &mut random);
        summary
    }

    fn shape(&mut self, graph: &Adjacency) {
        let degrees: Vec<f64> = (0..graph.len()).map(|it| graph.degree(it) as f64).collect();
        self.degree = Spread::of(&degrees);
        self.degree_gini = gini(&degrees);
        self.degrees = graph.degrees();
        let clustering = clustering(graph);
        self.clustering = clustering.average;
        self.transitivity = clustering.transitivity;
        self.core_max = cores(graph).into_iter().max().unwrap_or(0);
    }

    fn paths(&mut self, graph: &Adjacency, sources: &[usize]) {
        let distances = distances(graph, sources.iter().copied());
        self.diameter = distances.diameter;
        self.radius = distances.radius;
        self.path_mean = distances.mean;
        let betweenness = betweenness(graph, sources.iter().copied());
        self.betweenness = Spread::of(&betweenness);
        self.betweenness_gini = gini(&betweenness);
    }

    fn losses(&mut self, graph: &Adjacency, random: &mut Random) {
        let sizes = components(graph);
        self.components = sizes.len();
        let largest = sizes.first().copied().unwrap_or(0);
        self.largest_component = largest as f64 / graph.len().max(1) as f64;
        let cuts = cuts(graph);
        self.articulation_points = cuts.articulation_points.len();
        self.bridges = cuts.bridges.len();
        self.edge_connectivity = if !is_connected(graph) {
            Some(0)
        } else if !cuts.bridges.is_empty() {
            Some(1)
        } else {
            self.is_exact.then(|| edge_connectivity(graph))
        };
        let random_curve = robustness(graph, Removal::Random, random).largest;
        self.robustness_random = percent_steps(&random_curve);
        let targeted_curve = robustness(graph, Removal::Targeted, random).largest;
        self.robustness_targeted = percent_steps(&targeted_curve);
    }
}

/// A curve at every hundredth of its length: 101 values, or as many as it has.
fn percent_steps(curve: &[f64]) -> Vec<f64> {
    let last = curve.len().saturating_sub(1);
    if last <= 100 {
        return curve.to_vec();
    }
    let at = (0..=100).map(|percent| last * percent / 100);
    at.filter_map(|place| curve.get(place).copied()).collect()
}
