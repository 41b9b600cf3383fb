//! A plan of groups as a scenario describes it; [`OverlayConfig::build`] makes the [`Overlay`].
//!
//! ```toml
//! [topology.hierarchy]
//! groups = 10000
//! size = 100
//! ```

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::exchange::OverlayFormat;

/// Who is in which group, described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OverlayConfig {
    /// Everybody in one group: the baseline, what clusters do without groups.
    FullMesh {
        /// 1 to 20,000.
        nodes: u32,
    },
    /// Groups under one backbone of their reflectors.
    Flat(Flat),
    /// Groups under tiers of reflectors.
    Hierarchy(Hierarchy),
    /// Groups, or pairs of nodes, along a graph.
    Shaped(Shaped),
    /// Everybody in one group, and further memberships by chance.
    Overlapping(Overlapping),
    /// Groups of neighbours in a real underlay, a tier per region, and one above.
    Regional(Regional),
    /// Groups and tiers as the planner of clusters makes them, by round-trip time.
    Grouped(Grouped),
    /// A plan, or any graph, from a file.
    File(FromFile),
}

/// Groups of equal size, whose reflectors form one backbone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flat {
    /// How many groups, 1 to 200,000.
    pub groups: u32,
    /// Members of each, 1 to 20,000.
    pub size: u32,
    /// Of those, in the backbone: 0 (no backbone) to `size`. Default 3.
    #[serde(default = "reflectors")]
    pub reflectors: u32,
    /// Members of each that are in one other group by chance, beside the backbone. Default 0.
    #[serde(default)]
    pub overlap: u32,
}

/// Tiers: the reflectors of several groups form a group above them, and so on up to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hierarchy {
    /// How many groups at the bottom, 1 to 200,000.
    pub groups: u32,
    /// Members of each, 1 to 20,000.
    pub size: u32,
    /// Members of each group that are in its parent: 1 to 8. Default 3.
    #[serde(default = "reflectors")]
    pub reflectors: u32,
    /// Members that a parent is to have, `2 × reflectors` to 20,000. Default 100.
    #[serde(default = "parent_size")]
    pub parent_size: u32,
    /// Parents of each group, 1 to 4, for redundancy. Default 1.
    #[serde(default = "one")]
    pub parents: u32,
    /// The most tiers above the bottom, 1 to 8; the last is one group, however large. Default 8.
    #[serde(default = "tiers")]
    pub tiers: u32,
}

/// Groups, or pairs of nodes, along a graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shaped {
    /// The graph.
    pub shape: Shape,
    /// What its vertices and edges stand for. Default groups that share members.
    #[serde(default)]
    pub mapping: Mapping,
}

/// What the vertices and edges of a graph stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Mapping {
    /// A vertex is a group, an edge are reflectors that two groups share. They come from the end
    /// that has lent fewer, its members taking turns, so groups grow with what they borrow.
    Groups {
        /// Members of each group of its own, 1 to 20,000. Default 10.
        #[serde(default = "size")]
        size: u32,
        /// Reflectors on each edge, 1 to `size`. Default 1.
        #[serde(default = "one")]
        reflectors: u32,
    },
    /// A vertex is a node, an edge is a group of two: the overlay is the graph itself.
    Pairs,
}

impl Default for Mapping {
    fn default() -> Self {
        Self::Groups {
            size: size(),
            reflectors: one(),
        }
    }
}

/// Graphs by name, with n vertices.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Shape {
    /// One behind the other.
    Chain {
        /// 1 to 200,000.
        n: u32,
    },
    /// A chain whose ends meet.
    Ring {
        /// 3 to 200,000.
        n: u32,
    },
    /// All around the first.
    Star {
        /// 1 to 200,000.
        n: u32,
    },
    /// All to all.
    Complete {
        /// 1 to 2,000.
        n: u32,
    },
    /// Each has so many below it, level by level.
    Tree {
        /// 1 to 200,000.
        n: u32,
        /// 1 to 1,000.
        arity: u32,
    },
    /// 2^dimension vertices, neighbours differ in one bit.
    Hypercube {
        /// 0 to 16.
        dimension: u32,
    },
    /// Each has the same number of neighbours, by chance.
    Regular {
        /// 2 to 200,000.
        n: u32,
        /// 1 to below n and 1,000; n × degree is even.
        degree: u32,
    },
    /// A ring lattice of which some edges end elsewhere (D. Watts, S. Strogatz 1998).
    WattsStrogatz {
        /// 3 to 200,000.
        n: u32,
        /// Neighbours in the lattice: even, 2 to below n and 1,000.
        degree: u32,
        /// The probability that an edge ends elsewhere, 0 to 1.
        rewire: f64,
    },
    /// Newcomers prefer those who have many neighbours (A.-L. Barabási, R. Albert 1999).
    BarabasiAlbert {
        /// 2 to 200,000.
        n: u32,
        /// Edges of each newcomer, 1 to below n and 1,000.
        edges: u32,
    },
    /// Points in a square, neighbours with probability alpha × exp(−distance / (beta × √2))
    /// (B. Waxman 1988); parts that stay apart are joined by one edge each.
    Waxman {
        /// 1 to 5,000.
        n: u32,
        /// How dense: above 0, to 1.
        alpha: f64,
        /// How far: above 0, to 10.
        beta: f64,
    },
}

/// Everybody in one group, and further memberships by chance, wherever that wires a loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlapping {
    /// 1 to 4,000,000.
    pub nodes: u32,
    /// 1 to `nodes`.
    pub groups: u32,
    /// Memberships beyond the first, 0 to 4,000,000; what falls where one is already is left out.
    #[serde(default)]
    pub overlaps: u32,
}

/// Groups of nodes at one site of the underlay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regional {
    /// 1 to 4,000,000, placed by the underlay.
    pub nodes: u32,
    /// The most members of a group, 1 to 20,000. Default 50.
    #[serde(default = "region_size")]
    pub size: u32,
    /// Members of each group in the group above it, 1 to 8. Default 3.
    #[serde(default = "reflectors")]
    pub reflectors: u32,
}

/// Groups and tiers as the planner of clusters makes them of nodes that an underlay places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grouped {
    /// 1 to 4,000,000.
    pub nodes: u32,
    /// Members that a group is to have, 2 to 1,000. Default 20.
    #[serde(default = "grouped_size")]
    pub size: u32,
    /// Members of each group in the group above it, 1 to 8. Default 2.
    #[serde(default = "two")]
    pub reflectors: u32,
    /// Members that a parent is to have, at least `2 × reflectors`. Default as `size`.
    #[serde(default)]
    pub parent_size: Option<u32>,
    /// What brings nodes together. Default the round-trip times of the underlay.
    #[serde(default)]
    pub by: Nearness,
}

/// What brings nodes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nearness {
    /// The underlay's latencies between their sites, there and back.
    #[default]
    RoundTrip,
    /// Nothing: groups of the same sizes by chance, to compare with.
    Chance,
}

/// A plan, or any graph, from a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromFile {
    /// The file.
    pub file: PathBuf,
    /// Default what the file's name tells.
    #[serde(default)]
    pub format: Option<OverlayFormat>,
    /// What a graph that is no exported plan stands for. Default groups that share members.
    #[serde(default)]
    pub mapping: Mapping,
}

const fn one() -> u32 {
    1
}

const fn two() -> u32 {
    2
}

const fn grouped_size() -> u32 {
    20
}

const fn reflectors() -> u32 {
    3
}

const fn size() -> u32 {
    10
}

const fn region_size() -> u32 {
    50
}

const fn parent_size() -> u32 {
    100
}

const fn tiers() -> u32 {
    8
}
