//! What was measured, as one page with plots over the number of nodes.

use archipelago_sim::report::{Curve, curves_page};

use super::row::{Measured, Row};
use super::table;

/// What a plot draws of a row.
type Drawn = fn(&Row) -> Option<f64>;

/// Title, unit, and figure of each plot.
const PLOTS: [(&str, &str, Drawn); 11] = [
    ("Sessions of a node, mean", "sessions", |row| {
        some(row.sessions_mean)
    }),
    ("Sessions of the node with most", "sessions", |row| {
        some(row.sessions_max as f64)
    }),
    ("Time to form", "s", |row| row.formed_s),
    ("Memory of a node", "MB", |row| row.memory_mb_per_node),
    ("Processor of a node at rest", "% of a core", |row| {
        row.idle_cpu_percent_per_node
    }),
    ("Control messages of a node", "1/s", |row| {
        row.control_messages_per_node_per_s
    }),
    ("One more node joins", "ms", |row| row.join_one_ms),
    ("Look-up and first message, p50", "ms", |row| {
        row.first_message_ms_p50
    }),
    ("A killed node is known dead, p99", "ms", |row| {
        row.killed_seen_ms_p99
    }),
    ("A stopped node is known dead, p99", "ms", |row| {
        row.stopped_seen_ms_p99
    }),
    ("Messages across groups", "1/s", |row| row.messages_per_s),
];

fn some(figure: f64) -> Option<f64> {
    (figure > 0.0).then_some(figure)
}

/// The page.
pub(super) fn render(measured: &Measured) -> String {
    let mut topologies: Vec<&str> = measured.rows.iter().map(|row| row.topology).collect();
    topologies.dedup();
    let curves = PLOTS.map(|(title, unit, figure)| Curve {
        title,
        x: "nodes",
        y: unit,
        lines: topologies
            .iter()
            .map(|topology| (*topology, points(measured, topology, figure)))
            .collect(),
    });
    let about = format!(
        "Live nodes over loopback on one machine, in groups of {}, and all in one group; simulated \
         ones in virtual time, each with a processor of its own.",
        measured.group_size
    );
    let rows = measured.rows.iter().map(table::row).collect::<Vec<_>>();
    let broken = measured.rows.iter().flat_map(|row| {
        let what = format!("{} {}", row.nodes, row.topology);
        row.failures
            .iter()
            .map(move |failure| (what.clone(), failure.clone()))
    });
    let joins = measured.joins.iter().map(|one| {
        let what = format!("{} joins at once", one.joins);
        (what, table::joins(one))
    });
    let deviations = measured.deviations.iter().map(|one| {
        let what = format!("{} {}, {}", one.nodes, one.topology, one.figure);
        let by = format!(
            "{:.2} live, {:.2} simulated ({:+.0} %)",
            one.live, one.simulated, one.percent
        );
        (what, by)
    });
    let facts: Vec<(String, String)> = broken.chain(joins).chain(deviations).collect();
    let page = ("How many nodes", about.as_str(), "archipelago bench nodes");
    curves_page(
        page,
        &curves,
        (&table::head(), &rows),
        (
            "What did not hold, joins at once, and live beside simulated",
            &facts,
        ),
    )
}

fn points(measured: &Measured, topology: &str, figure: Drawn) -> Vec<(f64, f64)> {
    let rows = measured.rows.iter().filter(|row| row.topology == topology);
    rows.filter_map(|row| Some((row.nodes as f64, figure(row)?)))
        .collect()
}
