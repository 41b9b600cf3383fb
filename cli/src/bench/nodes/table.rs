//! What was measured, for people.

use archipelago_sim::report::count;
use comfy_table::{Table, presets};

use super::row::{Joins, Measured, Row};

const HEAD: [&str; 15] = [
    "nodes",
    "topology",
    "processes",
    "formed s",
    "sessions mean/max",
    "in all",
    "MB/node",
    "idle %/node",
    "control/s",
    "join ms",
    "look-up ms",
    "first ms",
    "killed p99 ms",
    "stopped p99 ms",
    "messages/s",
];

/// The tables, and below them what did not hold.
pub(super) fn render(measured: &Measured) -> String {
    let mut text = String::new();
    if !measured.rows.is_empty() {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(head());
        measured.rows.iter().for_each(|one| {
            table.add_row(row(one));
        });
        text.push_str(&table.to_string());
    }
    for one in &measured.rows {
        for failure in &one.failures {
            text.push_str(&format!("\n{} {}: {failure}", one.nodes, one.topology));
        }
    }
    for one in &measured.deviations {
        text.push_str(&format!(
            "\n{} {}, {}: {:.2} live, {:.2} simulated ({:+.0} %)",
            one.nodes, one.topology, one.figure, one.live, one.simulated, one.percent
        ));
    }
    for one in &measured.joins {
        text.push('\n');
        text.push_str(&joins(one));
    }
    if measured.interrupted {
        text.push_str("\ninterrupted");
    }
    text
}

/// What the columns are.
pub(super) fn head() -> Vec<String> {
    HEAD.iter().map(ToString::to_string).collect()
}

/// A row's cells.
pub(super) fn row(row: &Row) -> Vec<String> {
    vec![
        count(row.nodes as u64),
        row.topology.to_owned(),
        row.processes.to_string(),
        figure(row.formed_s, 2),
        format!("{:.1} / {}", row.sessions_mean, row.sessions_max),
        count(row.sessions_total as u64),
        figure(row.memory_mb_per_node, 2),
        figure(row.idle_cpu_percent_per_node, 4),
        figure(row.control_messages_per_node_per_s, 2),
        figure(row.join_one_ms, 0),
        figure(row.lookup_ms_p50, 2),
        figure(row.first_message_ms_p50, 2),
        figure(row.killed_seen_ms_p99, 0),
        figure(row.stopped_seen_ms_p99, 0),
        figure(row.messages_per_s, 0),
    ]
}

/// A storm of joins in one line, and what did not hold of it.
pub(super) fn joins(joins: &Joins) -> String {
    let refused: Vec<String> = joins
        .refused
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    let refused = if refused.is_empty() {
        "none refused".to_owned()
    } else {
        format!("refused: {}", refused.join(", "))
    };
    let mut text = format!(
        "{} joins through one seed into {} group(s) of at most {}: {} in, {refused}, after {} s; \
         p50 {} ms, p99 {} ms; {} connections turned away for a while",
        joins.joins,
        joins.groups,
        joins.members_max,
        joins.joined,
        figure(joins.settled_s, 2),
        figure(joins.join_ms_p50, 0),
        figure(joins.join_ms_p99, 0),
        joins.connections_refused,
    );
    for failure in &joins.failures {
        text.push_str(&format!("\nFAILED: {failure}"));
    }
    text
}

fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}
