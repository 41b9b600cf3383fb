//! How far simulated rows are from the live ones of the same plan.

use serde::Serialize;

use super::Topology;
use super::row::{Measured, Row};

/// One figure of one number of nodes, live and simulated.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Deviation {
    pub(crate) nodes: usize,
    pub(crate) topology: &'static str,
    pub(crate) figure: &'static str,
    pub(crate) live: f64,
    pub(crate) simulated: f64,
    /// Of the live figure.
    pub(crate) percent: f64,
}

/// What a comparison reads from a row.
type Read = fn(&Row) -> Option<f64>;

/// What both sides have.
const FIGURES: [(&str, Read); 8] = [
    ("sessions_mean", |row| Some(row.sessions_mean)),
    ("sessions_max", |row| Some(row.sessions_max as f64)),
    ("formed_s", |row| row.formed_s),
    ("control_messages_per_node_per_s", |row| {
        row.control_messages_per_node_per_s
    }),
    ("join_one_ms", |row| row.join_one_ms),
    ("first_message_ms_p50", |row| row.first_message_ms_p50),
    ("killed_seen_ms_p99", |row| row.killed_seen_ms_p99),
    ("stopped_seen_ms_p99", |row| row.stopped_seen_ms_p99),
];

impl Measured {
    /// Puts every simulated row beside the live one of the same plan, where there is one.
    pub(super) fn compare(&mut self) {
        let topologies = [Topology::SGroups, Topology::FullMesh];
        let names = topologies.map(|topology| (topology.name(), topology.simulated_name()));
        let pairs = self.rows.iter().filter_map(|row| {
            let (live, _) = names
                .iter()
                .find(|(_, simulated)| *simulated == Some(row.topology))?;
            let of_live = |other: &&Row| other.topology == *live && other.nodes == row.nodes;
            Some((self.rows.iter().find(of_live)?, row))
        });
        self.deviations = pairs
            .flat_map(|(live, simulated)| between(live, simulated))
            .collect();
    }
}

fn between(live: &Row, simulated: &Row) -> Vec<Deviation> {
    let figures = FIGURES.iter().filter_map(|(figure, read)| {
        let (was, is) = (read(live)?, read(simulated)?);
        Some(Deviation {
            nodes: live.nodes,
            topology: live.topology,
            figure,
            live: was,
            simulated: is,
            percent: 100.0 * (is - was) / was,
        })
    });
    figures.collect()
}
