//! What was measured of one cluster.

use serde::Serialize;

use super::kind::Kind;

/// One cluster of one peer. A figure that is not there could not be measured: what broke says why.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) peer: Kind,
    pub(super) nodes: usize,
    /// From the order to join until every node sees what it should.
    pub(super) formed_s: Option<f64>,
    /// Processor time of all nodes for that.
    pub(super) formed_cpu_s: Option<f64>,
    pub(super) connections: Option<usize>,
    /// Of all nodes, what they share counted once.
    pub(super) memory_mb: Option<f64>,
    /// Of one core.
    pub(super) idle_percent_per_node: Option<f64>,
    /// From the order to register until all that should have found the name.
    pub(super) named_ms: Option<f64>,
    /// From the kill until all that should know.
    pub(super) killed_seen_ms: Option<f64>,
    /// Why the cluster is none.
    pub(super) broke: Option<String>,
    /// Why other figures are missing.
    pub(super) remarks: Vec<String>,
}

/// A column: what it is called in JSON and in the table, and how it is read off a row.
pub(super) type Figure = (&'static str, fn(&Row) -> Option<f64>);

/// The columns after peer and number of nodes.
pub(super) const FIGURES: [Figure; 8] = [
    ("formed_s", |row| row.formed_s),
    ("formed_cpu_s", |row| row.formed_cpu_s),
    ("connections", |row| row.connections.map(|it| it as f64)),
    ("memory_mb", |row| row.memory_mb),
    ("memory_mb_per_node", Row::memory_mb_per_node),
    ("idle_percent_per_node", |row| row.idle_percent_per_node),
    ("named_ms", |row| row.named_ms),
    ("killed_seen_ms", |row| row.killed_seen_ms),
];

impl Row {
    pub(super) const fn new(peer: Kind, nodes: usize) -> Self {
        Self {
            peer,
            nodes,
            formed_s: None,
            formed_cpu_s: None,
            connections: None,
            memory_mb: None,
            idle_percent_per_node: None,
            named_ms: None,
            killed_seen_ms: None,
            broke: None,
            remarks: Vec::new(),
        }
    }

    fn memory_mb_per_node(&self) -> Option<f64> {
        Some(self.memory_mb? / self.nodes as f64)
    }
}
