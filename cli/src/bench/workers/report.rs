//! What was measured of keyed workers, as a table or as JSON.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::super::names::BenchError;
use super::super::report::print_json;

/// One size of group; a figure that was not taken is `null`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    pub(super) members: u32,
    pub(super) entry: &'static str,
    pub(super) keys: u64,
    pub(super) rate: u32,
    pub(super) bodies_per_s: u32,
    pub(super) killed: bool,
    /// By whoever waited; what it has by then.
    pub(super) interrupted: bool,
    /// From the first request to the last answer.
    pub(super) seconds: f64,
    pub(super) asked: u64,
    pub(super) answered: u64,
    pub(super) answered_per_s: f64,
    /// From when a request was due to its answer.
    pub(super) small_p50_us: Option<f64>,
    pub(super) small_p99_us: Option<f64>,
    pub(super) small_p999_us: Option<f64>,
    pub(super) body_p50_us: Option<f64>,
    pub(super) body_p99_us: Option<f64>,
    pub(super) body_p999_us: Option<f64>,
    /// Requests that were never answered, by any attempt.
    pub(super) lost: u64,
    /// Attempts that failed and were made again: hosts that died.
    pub(super) repeated: u64,
    pub(super) repeated_why: BTreeMap<String, u64>,
    /// Attempts that went to a host which did not have the key.
    pub(super) misroutes: u64,
    /// Processor time over time, of all nodes and of the load.
    pub(super) cores: Option<f64>,
    /// Of all nodes and of the load, since the program began.
    pub(super) memory_peak_mb: Option<f64>,
    /// Round trips of control messages between members, as their sessions knew them each second.
    pub(super) control_rtt_p50_us: Option<f64>,
    pub(super) control_rtt_p99_us: Option<f64>,
    /// First requests of all keys, before the load.
    pub(super) activations_per_s: Option<f64>,
    /// What memory grew by for each of them, with all that came of it.
    pub(super) bytes_per_idle_worker: Option<f64>,
}

/// Prints everything that was measured.
pub(super) fn print(reports: &[Report], json: bool) -> Result<(), BenchError> {
    if json {
        return print_json(reports);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let mut head = vec![String::new()];
    head.extend(reports.iter().map(|report| {
        let (members, entry) = (report.members, report.entry);
        format!("{members} members, {entry}")
    }));
    table.set_header(head);
    for (name, show) in ROWS {
        let mut row = vec![(*name).to_owned()];
        row.extend(reports.iter().map(show));
        table.add_row(row);
    }
    println!("{table}");
    for report in reports {
        for (why, count) in &report.repeated_why {
            println!(
                "{} members: {count} attempts made again: {why}",
                report.members
            );
        }
    }
    Ok(())
}

type Row = (&'static str, fn(&Report) -> String);

const ROWS: &[Row] = &[
    ("requests/s asked", |it| it.rate.to_string()),
    ("of these with 300 kB", |it| it.bodies_per_s.to_string()),
    ("answered/s", |it| format!("{:.0}", it.answered_per_s)),
    ("small: p50 ms", |it| millis(it.small_p50_us)),
    ("small: p99 ms", |it| millis(it.small_p99_us)),
    ("small: p99.9 ms", |it| millis(it.small_p999_us)),
    ("bodies: p50 ms", |it| millis(it.body_p50_us)),
    ("bodies: p99 ms", |it| millis(it.body_p99_us)),
    ("bodies: p99.9 ms", |it| millis(it.body_p999_us)),
    ("lost", |it| it.lost.to_string()),
    ("attempts made again", |it| it.repeated.to_string()),
    ("misroutes", |it| it.misroutes.to_string()),
    ("processors used", |it| shown(it.cores, 2)),
    ("memory peak MB", |it| shown(it.memory_peak_mb, 0)),
    ("control round trip: p50 ms", |it| {
        millis(it.control_rtt_p50_us)
    }),
    ("control round trip: p99 ms", |it| {
        millis(it.control_rtt_p99_us)
    }),
    ("workers started/s", |it| shown(it.activations_per_s, 0)),
    ("bytes per idle worker", |it| {
        shown(it.bytes_per_idle_worker, 0)
    }),
    ("interrupted", |it| it.interrupted.to_string()),
];

fn millis(micros: Option<f64>) -> String {
    shown(micros.map(|micros| micros / 1_000.0), 2)
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.digits$}"))
}
