//! A graph's shortest paths as latencies.
//!
//! Delays are given, or follow from where the vertices are: along a great circle at the speed of
//! light in glass. Vertices that the largest part of the graph cannot reach are left out.
//! Sources: E. Dijkstra 1959; haversine formula (R. Sinnott 1984); 200 km per ms as in the Internet
//! Topology Zoo's uses. Of paths that take the same time the widest counts.
//! Cost: O(n · m log n) once, n² · 4 bytes, and as much again where edges have a bandwidth.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::config::{Delays, GraphConfig};
use super::distribution::micros_exact;
use super::error::UnderlayError;
use super::rates::{self, Rates};
use super::sites::{Site, Table, median, micros};
use crate::formats::{Edge, Graph, SITES_MAX, Vertex};

/// The mean radius of the earth, kilometres.
const EARTH_KM: f64 = 6_371.0;

/// What a graph's shortest paths are like.
pub(super) struct Paths {
    pub(super) table: Table,
    /// What they carry, where that was asked for.
    pub(super) rates: Option<Rates>,
    /// The vertices that are in the tables.
    pub(super) sites: Vec<Site>,
}

/// The shortest paths of a graph.
pub(super) fn find(graph: &Graph, config: &GraphConfig) -> Result<Paths, UnderlayError> {
    if graph.vertices().len() > SITES_MAX {
        let problem = format!(
            "a graph of {} vertices: {SITES_MAX} are allowed",
            graph.vertices().len()
        );
        return Err(UnderlayError::Contradiction(problem));
    }
    let network = Network::new(graph, config)?;
    let kept = network.largest_part();
    let local = micros(micros_exact("local_ms", config.local_ms)?);
    let count = kept.len() * kept.len();
    let (mut cells, mut rates) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for &from in &kept {
        let ways = network.ways(from);
        cells.extend(kept.iter().map(|&to| match ways[to].micros {
            _ if to == from => local,
            distance => u32::try_from(distance).unwrap_or(u32::MAX).max(1),
        }));
        rates.extend(kept.iter().map(|&to| ways[to].rate));
    }
    let has_rates = config.bandwidths.is_some();
    let vertices = graph.vertices();
    Ok(Paths {
        table: Table::of(kept.len(), cells),
        rates: has_rates.then(|| Rates::new(kept.len(), rates.into_iter())),
        sites: kept.iter().map(|&place| site(&vertices[place])).collect(),
    })
}

fn site(vertex: &Vertex) -> Site {
    let label = vertex.attributes.get("label");
    Site {
        name: label.unwrap_or(&vertex.name).clone(),
        position: position(vertex),
    }
}

/// Latitude and longitude in degrees, by the names that files use.
pub(crate) fn position(vertex: &Vertex) -> Option<(f64, f64)> {
    let number = |names: [&str; 3]| {
        let mut values = names.iter().filter_map(|&name| vertex.attributes.get(name));
        values.find_map(|value| value.parse::<f64>().ok())
    };
    let latitude = number(["Latitude", "latitude", "lat"])?;
    let longitude = number(["Longitude", "longitude", "lon"])?;
    let is_on_earth = latitude.abs() <= 90.0 && longitude.abs() <= 360.0;
    is_on_earth.then_some((latitude, longitude))
}

/// Kilometres between two places on earth.
pub(crate) fn great_circle_km(one: (f64, f64), other: (f64, f64)) -> f64 {
    let (lat1, lat2) = (one.0.to_radians(), other.0.to_radians());
    let half_lat = libm::sin((lat2 - lat1) / 2.0);
    let half_lon = libm::sin((other.1 - one.1).to_radians() / 2.0);
    let square = half_lat * half_lat + libm::cos(lat1) * libm::cos(lat2) * half_lon * half_lon;
    2.0 * EARTH_KM * libm::asin(libm::sqrt(square.clamp(0.0, 1.0)))
}

/// One edge, or a path of several.
#[derive(Clone, Copy, Debug)]
struct Way {
    micros: u64,
    /// Bytes per second.
    rate: u64,
}

impl Way {
    const NONE: Self = Self {
        micros: u64::MAX,
        rate: 0,
    };
    /// From a vertex to itself.
    const HERE: Self = Self {
        micros: 0,
        rate: u64::MAX,
    };

    fn then(self, next: Self) -> Self {
        Self {
            micros: self.micros.saturating_add(next.micros),
            rate: self.rate.min(next.rate),
        }
    }

    /// Shorter ways come first, then wider ones.
    const fn rank(self) -> (u64, Reverse<u64>) {
        (self.micros, Reverse(self.rate))
    }
}

/// Neighbours and the edges to them, by vertex.
struct Network {
    neighbours: Vec<Vec<(usize, Way)>>,
}

impl Network {
    fn new(graph: &Graph, config: &GraphConfig) -> Result<Self, UnderlayError> {
        let mut delays = Vec::with_capacity(graph.edges().len());
        for edge in graph.edges() {
            delays.push(delay(graph, edge, &config.delays)?);
        }
        let unknown = match config.unknown_ms {
            Some(ms) => Some(micros_exact("unknown_ms", ms)?),
            None => median(delays.iter().flatten().copied().collect()),
        };
        let hop = micros_exact("hop_ms", config.hop_ms)?;
        let rates = rates::of_edges(graph, config.bandwidths.as_ref())?;
        let mut neighbours = vec![Vec::new(); graph.vertices().len()];
        for ((edge, delay), rate) in graph.edges().iter().zip(delays).zip(rates) {
            let Some(delay) = delay.or(unknown) else {
                let problem = "no edge of the graph has a delay: give unknown_ms";
                return Err(UnderlayError::Contradiction(problem.to_owned()));
            };
            let micros = micros(delay + hop).into();
            let way = Way { micros, rate };
            neighbours[edge.from].push((edge.to, way));
            neighbours[edge.to].push((edge.from, way));
        }
        Ok(Self { neighbours })
    }

    /// The vertices of the largest connected part, the first of several, in order.
    fn largest_part(&self) -> Vec<usize> {
        let mut is_seen = vec![false; self.neighbours.len()];
        let mut largest = Vec::new();
        for start in 0..self.neighbours.len() {
            let mut part = Vec::new();
            let mut open = vec![start];
            while let Some(vertex) = open.pop() {
                if !std::mem::replace(&mut is_seen[vertex], true) {
                    part.push(vertex);
                    open.extend(self.neighbours[vertex].iter().map(|&(next, _)| next));
                }
            }
            if part.len() > largest.len() {
                largest = part;
            }
        }
        largest.sort_unstable();
        largest
    }

    /// From one vertex to all; [`Way::NONE`] where there is no path.
    fn ways(&self, from: usize) -> Vec<Way> {
        let mut ways = vec![Way::NONE; self.neighbours.len()];
        let mut open = BinaryHeap::from([Reverse((Way::HERE.rank(), from))]);
        ways[from] = Way::HERE;
        while let Some(Reverse((rank, vertex))) = open.pop() {
            let way = ways[vertex];
            if rank > way.rank() {
                continue;
            }
            for &(next, edge) in &self.neighbours[vertex] {
                let there = way.then(edge);
                if there.rank() < ways[next].rank() {
                    ways[next] = there;
                    open.push(Reverse((there.rank(), next)));
                }
            }
        }
        ways
    }
}

/// An edge's delay in microseconds, if it is known.
fn delay(graph: &Graph, edge: &Edge, delays: &Delays) -> Result<Option<f64>, UnderlayError> {
    match delays {
        Delays::GreatCircle { km_per_ms } => {
            let range = (1.0, 300.0);
            let speed = UnderlayError::check("km_per_ms", *km_per_ms, range, "1 to 300")?;
            let place = |place: usize| graph.vertices().get(place).and_then(position);
            let ends = place(edge.from).zip(place(edge.to));
            Ok(ends.map(|(from, to)| great_circle_km(from, to) / speed * 1_000.0))
        }
        Delays::Attribute { name, unit_ms } => {
            let text = edge.attributes.get(name);
            let value = text.and_then(|text| text.trim().parse::<f64>().ok());
            let value = value.filter(|value| value.is_finite() && *value >= 0.0);
            value
                .map(|value| micros_exact("the delay of an edge", value * unit_ms))
                .transpose()
        }
    }
}
