//! Graphs by name: chains, trees, cubes, lattices, and what grows by chance.
//!
//! Every graph is simple: no loops, no parallel edges. Sources: random regular graphs by pairing and
//! switching (A. Steger, N. Wormald 1999 discuss the pairing); D. Watts, S. Strogatz, Nature 393,
//! 1998; A.-L. Barabási, R. Albert, Science 286, 1999; B. Waxman, IEEE JSAC 6(9), 1988.
//! Cost: O(n + m) but for Waxman, which looks at every pair.

use std::collections::BTreeSet;

use petgraph::graph::{NodeIndex, UnGraph};
use petgraph::unionfind::UnionFind;

use super::config::Shape;
use super::error::TopologyError;
use crate::formats::{EDGES_MAX, VERTICES_MAX};
use crate::random::Random;

/// The most neighbours that a regular graph, a lattice or a newcomer is asked for.
const DEGREE_MAX: u32 = 1_000;
/// Times that a stub looks for a partner to switch with.
const SWITCHES_MAX: u32 = 1_000;
/// Times that an edge looks for another end.
const REWIRES_MAX: u32 = 100;

/// Edges by the places of their ends, the lower first.
type Pairs = BTreeSet<(u32, u32)>;

impl Shape {
    /// The graph; chance, where the shape has any, is drawn from `random`.
    ///
    /// # Errors
    /// [`TopologyError::Parameter`], [`TopologyError::TooMuch`].
    pub fn graph(&self, random: &mut Random) -> Result<UnGraph<(), ()>, TopologyError> {
        self.check()?;
        let (n, pairs) = match *self {
            Self::Chain { n } => (n, row(n)),
            Self::Ring { n } => (n, lattice(n, 2)),
            Self::Star { n } => (n, (1..n).map(|leaf| (0, leaf)).collect()),
            Self::Complete { n } => (n, complete(n)),
            Self::Tree { n, arity } => (n, (1..n).map(|it| ((it - 1) / arity, it)).collect()),
            Self::Hypercube { dimension } => (1 << dimension, cube(dimension)),
            Self::Regular { n, degree } => (n, regular(n, degree, random)),
            Self::WattsStrogatz { n, degree, rewire } => {
                (n, small_world(n, degree, rewire, random))
            }
            Self::BarabasiAlbert { n, edges } => (n, preferential(n, edges, random)),
            Self::Waxman { n, alpha, beta } => (n, waxman(n, (alpha, beta), random)),
        };
        TopologyError::limit("edges", pairs.len() as u64, EDGES_MAX as u64)?;
        let mut graph = UnGraph::with_capacity(n as usize, pairs.len());
        for _ in 0..n {
            graph.add_node(());
        }
        for (from, to) in pairs {
            let (from, to) = (from as usize, to as usize);
            graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
        }
        Ok(graph)
    }

    fn check(&self) -> Result<(), TopologyError> {
        let most = u32::try_from(VERTICES_MAX).unwrap_or(u32::MAX);
        let count = TopologyError::count;
        let number = TopologyError::number;
        match *self {
            Self::Chain { n } | Self::Star { n } => drop(count("n", n, (1, most))?),
            Self::Ring { n } => drop(count("n", n, (3, most))?),
            Self::Complete { n } => drop(count("n", n, (1, 2_000))?),
            Self::Tree { n, arity } => {
                count("n", n, (1, most))?;
                count("arity", arity, (1, 1_000))?;
            }
            Self::Hypercube { dimension } => drop(count("dimension", dimension, (0, 16))?),
            Self::Regular { n, degree } => {
                count("n", n, (2, most))?;
                count("degree", degree, (1, (n - 1).min(DEGREE_MAX)))?;
                edges(n, degree)?;
                even("n × degree", u64::from(n) * u64::from(degree))?;
            }
            Self::WattsStrogatz { n, degree, rewire } => {
                count("n", n, (3, most))?;
                count("degree", degree, (2, (n - 1).min(DEGREE_MAX)))?;
                edges(n, degree)?;
                even("degree", degree.into())?;
                number("rewire", rewire, (0.0, 1.0))?;
            }
            Self::BarabasiAlbert { n, edges: each } => {
                count("n", n, (2, most))?;
                count("edges", each, (1, (n - 1).min(DEGREE_MAX)))?;
                edges(n, each.saturating_mul(2))?;
            }
            Self::Waxman { n, alpha, beta } => {
                count("n", n, (1, 5_000))?;
                number("alpha", alpha, (f64::MIN_POSITIVE, 1.0))?;
                number("beta", beta, (f64::MIN_POSITIVE, 10.0))?;
            }
        }
        Ok(())
    }
}

fn edges(n: u32, degree: u32) -> Result<(), TopologyError> {
    let count = u64::from(n) * u64::from(degree) / 2;
    TopologyError::limit("edges", count, EDGES_MAX as u64)
}

fn even(name: &'static str, value: u64) -> Result<(), TopologyError> {
    if value.is_multiple_of(2) {
        return Ok(());
    }
    Err(TopologyError::Parameter {
        name,
        value: value as f64,
        allowed: "an even number".to_owned(),
    })
}

fn ordered(one: u32, other: u32) -> (u32, u32) {
    (one.min(other), one.max(other))
}

fn row(n: u32) -> Pairs {
    (1..n).map(|it| (it - 1, it)).collect()
}

fn complete(n: u32) -> Pairs {
    let from = 0..n;
    from.flat_map(|one| (one + 1..n).map(move |other| (one, other)))
        .collect()
}

fn cube(dimension: u32) -> Pairs {
    let corners = 0..1u32 << dimension;
    let pairs =
        corners.flat_map(|corner| (0..dimension).map(move |bit| (corner, corner ^ 1 << bit)));
    pairs.filter(|(corner, other)| corner < other).collect()
}

/// A ring in which each has `degree / 2` neighbours on either side.
fn lattice(n: u32, degree: u32) -> Pairs {
    let reach = 1..=degree / 2;
    let pairs = (0..n).flat_map(|one| reach.clone().map(move |by| ordered(one, (one + by) % n)));
    pairs.collect()
}

/// Each lattice edge, in the order of the paper, keeps its beginning and may get another end.
fn small_world(n: u32, degree: u32, rewire: f64, random: &mut Random) -> Pairs {
    let mut pairs = lattice(n, degree);
    for by in 1..=degree / 2 {
        for one in 0..n {
            let pair = ordered(one, (one + by) % n);
            if unit(random) >= rewire || !pairs.contains(&pair) {
                continue;
            }
            // Who is connected to nearly all may keep the edge.
            for _ in 0..REWIRES_MAX {
                let other = below(random, n);
                if other != one && !pairs.contains(&ordered(one, other)) {
                    pairs.remove(&pair);
                    pairs.insert(ordered(one, other));
                    break;
                }
            }
        }
    }
    pairs
}

/// Stubs are paired by chance; a pair that is a loop or stands already switches ends with another.
/// A dense graph is what a thin one leaves out, so there is always someone to switch with.
fn regular(n: u32, degree: u32, random: &mut Random) -> Pairs {
    if degree > (n - 1) / 2 {
        let without = regular(n, n - 1 - degree, random);
        return complete(n).difference(&without).copied().collect();
    }
    loop {
        let mut stubs: Vec<u32> = (0..n).flat_map(|it| (0..degree).map(move |_| it)).collect();
        random.shuffle(&mut stubs);
        if let Some(pairs) = paired(&stubs, random) {
            return pairs;
        }
    }
}

fn paired(stubs: &[u32], random: &mut Random) -> Option<Pairs> {
    let mut list = Vec::with_capacity(stubs.len() / 2);
    let mut pairs = Pairs::new();
    let mut bad = Vec::new();
    for pair in stubs.chunks_exact(2) {
        let (one, other) = (pair[0], pair[1]);
        if one != other && pairs.insert(ordered(one, other)) {
            list.push((one, other));
        } else {
            bad.push((one, other));
        }
    }
    for (one, other) in bad {
        let (place, third, fourth) = partner(&list, &pairs, (one, other), random)?;
        pairs.remove(&ordered(third, fourth));
        pairs.insert(ordered(one, third));
        pairs.insert(ordered(other, fourth));
        list[place] = (one, third);
        list.push((other, fourth));
    }
    Some(pairs)
}

/// An edge whose ends can be given to `one` and `other` instead.
fn partner(
    list: &[(u32, u32)],
    pairs: &Pairs,
    (one, other): (u32, u32),
    random: &mut Random,
) -> Option<(usize, u32, u32)> {
    for _ in 0..SWITCHES_MAX {
        let place = random.index(list.len());
        let &(mut third, mut fourth) = list.get(place)?;
        if random.below(2) == 1 {
            std::mem::swap(&mut third, &mut fourth);
        }
        let (new, also) = (ordered(one, third), ordered(other, fourth));
        let is_simple = one != third && other != fourth && new != also;
        if is_simple && !pairs.contains(&new) && !pairs.contains(&also) {
            return Some((place, third, fourth));
        }
    }
    None
}

/// A star of `edges` + 1, then newcomers who choose among the ends of edges, so that each is chosen
/// in proportion to its degree.
fn preferential(n: u32, edges: u32, random: &mut Random) -> Pairs {
    let mut pairs = Pairs::new();
    let mut ends = Vec::new();
    for leaf in 1..=edges {
        pairs.insert((0, leaf));
        ends.extend([0, leaf]);
    }
    for newcomer in edges + 1..n {
        let mut chosen = BTreeSet::new();
        while chosen.len() < edges as usize {
            chosen.insert(ends[random.index(ends.len())]);
        }
        for other in chosen {
            pairs.insert((other, newcomer));
            ends.extend([other, newcomer]);
        }
    }
    pairs
}

/// Points in the unit square; the greatest distance is √2.
fn waxman(n: u32, (alpha, beta): (f64, f64), random: &mut Random) -> Pairs {
    let points: Vec<(f64, f64)> = (0..n).map(|_| (unit(random), unit(random))).collect();
    let distance = |one: u32, other: u32| {
        let (one, other) = (points[one as usize], points[other as usize]);
        libm::hypot(one.0 - other.0, one.1 - other.1)
    };
    let mut pairs = Pairs::new();
    let mut parts = UnionFind::<u32>::new(n as usize);
    for (one, other) in complete(n) {
        let scale = beta * std::f64::consts::SQRT_2;
        if unit(random) < alpha * libm::exp(-distance(one, other) / scale) {
            pairs.insert((one, other));
            parts.union(one, other);
        }
    }
    // Whoever is not connected to the first gets an edge to the nearest of those before it.
    for one in 1..n {
        if parts.equiv(0, one) {
            continue;
        }
        let before = (0..one).filter(|&it| parts.equiv(0, it));
        let nearest = before.min_by(|&a, &b| distance(one, a).total_cmp(&distance(one, b)));
        if let Some(other) = nearest {
            pairs.insert((other, one));
            parts.union(other, one);
        }
    }
    pairs
}

fn unit(random: &mut Random) -> f64 {
    crate::underlay::unit(random)
}

fn below(random: &mut Random, bound: u32) -> u32 {
    u32::try_from(random.below(bound.into())).unwrap_or(0)
}
