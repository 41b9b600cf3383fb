//! What a graph is like: distances, clustering, centrality, cores, cuts, inequality, robustness.
//!
//! All of it works on an [`Adjacency`], which any undirected petgraph graph becomes: loops and
//! parallel edges do not count, and there are no weights. Nothing here draws chance but where an
//! argument lends it. For very large graphs, distances and betweenness take a sample of sources.
//!
//! | | source | cost |
//! |---|---|---|
//! | [`distances`] | breadth-first search | O(sources · m) |
//! | [`clustering`] | D. Watts, S. Strogatz 1998; M. Newman 2003 | O(Σ degree²) |
//! | [`betweenness`] | U. Brandes 2001; U. Brandes, C. Pich 2007 | O(sources · m) |
//! | [`cores`] | V. Batagelj, M. Zaveršnik 2003 | O(m) |
//! | [`cuts`] | J. Hopcroft, R. Tarjan 1973; D. Matula 1987 | O(m); λ · m per vertex of a dominating set |
//! | [`gini`] | C. Gini 1912 | O(n log n) |
//! | [`robustness`] | R. Albert et al. 2000; C. Schneider et al. 2011; M. Newman, R. Ziff 2001 | O(m) |

mod adjacency;
mod betweenness;
mod clustering;
mod cores;
mod cuts;
mod distances;
mod gini;
mod robustness;
mod summary;

pub use adjacency::Adjacency;
pub use betweenness::betweenness;
pub use clustering::{Clustering, clustering};
pub use cores::cores;
pub use cuts::{Cuts, components, cuts, edge_connectivity};
pub use distances::{Distances, distances};
pub use gini::gini;
pub use robustness::{Removal, Robustness, robustness};
pub use summary::{Spread, Summary};
