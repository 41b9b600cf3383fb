//! An underlay as a scenario describes it; [`UnderlayConfig::build`] makes the [`Underlay`] of it.
//!
//! ```toml
//! latency = { graph = { file = "Abilene.graphml" } }
//! access = { lognormal = { median_ms = 2.0, sigma = 0.8 } }
//! loss_percent = 0.1
//! ```
//! Everything has a default, so an empty description is a quiet data centre: 0.5 ms, nothing lost.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::distribution::{Constant, Distribution, Lognormal, Normal, Pareto, Uniform};
use crate::formats::GraphFormat;

/// The network below a world, described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnderlayConfig {
    /// One way, without access and jitter. Default constant, 0.5 ms.
    pub latency: LatencyModel,
    /// Whether a drawn latency holds for one message or for a pair of nodes. Default message.
    pub draw: Draw,
    /// Which node is at which site of a matrix, graph or set of coordinates. Default round robin.
    pub placement: Placement,
    /// Added at both ends, drawn once for each node. Default none.
    pub access: Option<Distribution>,
    /// Added to each message. Default none.
    pub jitter: Option<Distribution>,
    /// Messages lost, 0 to 100; what is lost arrives later, as a transport sends it again.
    pub loss_percent: f64,
    /// Messages that travel twice, 0 to 100. A transport drops the second one, so it costs
    /// bandwidth only.
    pub duplication_percent: f64,
    /// Megabits per second of each direction between two nodes. Default unlimited.
    pub bandwidth_mbit: Option<f64>,
    /// Megabits per second that a node sends to all others together. Default unlimited.
    pub uplink_mbit: Option<f64>,
    /// Nodes behind address translators, who can dial and cannot be dialled: 0 to 100 of a hundred.
    pub undialable_percent: f64,
    /// Further nodes that cannot be dialled, by number.
    pub undialable: BTreeSet<u32>,
    /// How latency changes with time. Default not at all.
    pub varying: Option<Varying>,
}

impl Default for UnderlayConfig {
    fn default() -> Self {
        Self {
            latency: LatencyModel::Constant(Constant { latency_ms: 0.5 }),
            draw: Draw::Message,
            placement: Placement::RoundRobin,
            access: None,
            jitter: None,
            loss_percent: 0.0,
            duplication_percent: 0.0,
            bandwidth_mbit: None,
            uplink_mbit: None,
            undialable_percent: 0.0,
            undialable: BTreeSet::new(),
            varying: None,
        }
    }
}

/// Where latencies come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LatencyModel {
    /// Always the same.
    Constant(Constant),
    /// Every value between two bounds alike.
    Uniform(Uniform),
    /// Normal, truncated from below.
    Normal(Normal),
    /// The logarithm is normal.
    Lognormal(Lognormal),
    /// A power law.
    Pareto(Pareto),
    /// A measured matrix, or several that follow each other.
    Matrix(MatrixConfig),
    /// Cloud regions, with the spread of their pings.
    Regions(RegionsConfig),
    /// Distances between points.
    Coordinates(CoordinatesConfig),
    /// Shortest paths of a graph.
    Graph(GraphConfig),
}

/// For how long a drawn latency holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Draw {
    /// For one message.
    #[default]
    Message,
    /// For a pair of nodes, both ways and for ever.
    Pair,
}

/// Which node is at which site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Placement {
    /// Node i at site i modulo the number of sites.
    #[default]
    RoundRobin,
    /// By chance, each site alike.
    Random,
    /// So many nodes at the first site, as many at the second, and so on, and again.
    Blocks(u32),
    /// The site of each node; nodes beyond the list begin it again.
    Given(Vec<u32>),
}

/// Whether measured times are there and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// There and back: one way is half of it.
    #[default]
    RoundTrip,
    /// One way.
    OneWay,
}

/// A matrix in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixConfig {
    /// One file, or time slices that follow each other and begin again.
    pub files: Vec<PathBuf>,
    /// How long a slice holds, seconds. Default 600.
    #[serde(default = "slice_s")]
    pub slice_s: f64,
    /// Default a square.
    #[serde(default)]
    pub format: MatrixFormat,
    /// Milliseconds that one unit of the file is. Default 1; 1000 for seconds. King lists are
    /// always in microseconds.
    #[serde(default = "one")]
    pub unit_ms: f64,
    /// Default round trip.
    #[serde(default)]
    pub way: Way,
    /// Between two nodes of one site where the diagonal says nothing, milliseconds. Default 0.25.
    #[serde(default = "local_ms")]
    pub local_ms: f64,
}

/// How a matrix is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatrixFormat {
    /// A row per line.
    #[default]
    Square,
    /// p2psim's list of pairs.
    King,
}

/// Pings between cloud regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionsConfig {
    /// A folder with a file `REGION.dat` for each region.
    pub folder: PathBuf,
    /// Only these, in this order. Default all, by name.
    #[serde(default)]
    pub only: Vec<String>,
}

/// Points, and the distance between them as latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoordinatesConfig {
    /// A point per line, in milliseconds; without a file every node gets a point by chance.
    pub file: Option<PathBuf>,
    /// The last number of a point is its height (Vivaldi's access time), added to every distance.
    /// Default false.
    pub heights: bool,
    /// Of points by chance: 1 to 8, default 2.
    pub dimensions: usize,
    /// The side of the box that points by chance are in, milliseconds. Default 100.
    pub side_ms: f64,
    /// What the distances are. Default round trip for files; points by chance are one way.
    pub way: Way,
    /// No distance is less, milliseconds. Default 0.25.
    pub local_ms: f64,
}

impl Default for CoordinatesConfig {
    fn default() -> Self {
        Self {
            file: None,
            heights: false,
            dimensions: 2,
            side_ms: 100.0,
            way: Way::RoundTrip,
            local_ms: local_ms(),
        }
    }
}

/// A graph whose shortest paths are the latencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphConfig {
    /// The file.
    pub file: PathBuf,
    /// Default what the file's name tells.
    #[serde(default)]
    pub format: Option<GraphFormat>,
    /// Default great circles.
    #[serde(default)]
    pub delays: Delays,
    /// The delay of an edge that has none, milliseconds. Default the median of the others.
    #[serde(default)]
    pub unknown_ms: Option<f64>,
    /// Added for each edge of a path, milliseconds. Default 0.
    #[serde(default)]
    pub hop_ms: f64,
    /// Between two nodes of one site, milliseconds. Default 0.25.
    #[serde(default = "local_ms")]
    pub local_ms: f64,
    /// What paths carry. Default what the whole underlay says.
    #[serde(default)]
    pub bandwidths: Option<Bandwidths>,
}

/// What the edges of a graph carry: a path carries what its narrowest edge does. Each pair of nodes
/// has that for itself; that others share the edge is not modelled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidths {
    /// The attribute of the edges. Default `LinkSpeedRaw`, as the Internet Topology Zoo has it.
    #[serde(default = "link_speed")]
    pub attribute: String,
    /// Megabits per second that one unit is. Default 0.000001 for `LinkSpeedRaw`, else 1.
    #[serde(default)]
    pub unit_mbit: Option<f64>,
    /// The bandwidth of an edge that says none, megabits per second. Default the median of the
    /// others.
    #[serde(default)]
    pub unknown_mbit: Option<f64>,
}

impl Default for Bandwidths {
    fn default() -> Self {
        Self {
            attribute: link_speed(),
            unit_mbit: None,
            unknown_mbit: None,
        }
    }
}

fn link_speed() -> String {
    LINK_SPEED.to_owned()
}

/// Where the Internet Topology Zoo says how many bits per second a link has.
pub(super) const LINK_SPEED: &str = "LinkSpeedRaw";

/// Where the delays of a graph's edges come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Delays {
    /// From the vertices' latitudes and longitudes.
    GreatCircle {
        /// How far light travels in glass, kilometres per millisecond; default 200.
        #[serde(default = "km_per_ms")]
        km_per_ms: f64,
    },
    /// From an attribute of the edges.
    Attribute {
        /// Its name.
        name: String,
        /// Milliseconds that one unit is; default 1.
        #[serde(default = "one")]
        unit_ms: f64,
    },
}

impl Default for Delays {
    fn default() -> Self {
        Self::GreatCircle {
            km_per_ms: km_per_ms(),
        }
    }
}

/// How latency changes with time: a factor for all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Varying {
    /// From each of these times on, that factor; before the first, 1.
    Schedule(Vec<Step>),
    /// 1 + amplitude × sin(2π (t / period + phase)).
    Sinusoid(Sinusoid),
}

/// A factor, and from when on it holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Seconds of virtual time, rising from step to step.
    pub at_s: f64,
    /// 0.01 to 1000.
    pub factor: f64,
}

/// The day's rhythm, say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sinusoid {
    /// Seconds, 0.001 to a year.
    pub period_s: f64,
    /// 0 to 0.99.
    pub amplitude: f64,
    /// Periods, 0 to 1; default 0.
    #[serde(default)]
    pub phase: f64,
}

const fn one() -> f64 {
    1.0
}

const fn local_ms() -> f64 {
    0.25
}

const fn slice_s() -> f64 {
    600.0
}

const fn km_per_ms() -> f64 {
    200.0
}
