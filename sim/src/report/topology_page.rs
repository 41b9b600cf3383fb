//! A topology for people: what its graph of sessions is like, and its picture.

use super::format::{count, escape, figure};
use super::page::Page;
use super::plots::{Lines, bars};
use crate::metrics::Summary;

/// What the graph of sessions is like, as a table.
pub fn topology_rows(summary: &Summary) -> Vec<(String, String)> {
    let number = |value: usize| count(value as u64);
    let sources = if summary.is_exact {
        String::new()
    } else {
        format!(" (from {} sources)", number(summary.sources))
    };
    let all = summary.vertices as u64;
    let mesh = all * all.saturating_sub(1) / 2;
    let cut = summary
        .edge_connectivity
        .map_or("not computed".to_owned(), number);
    let degree = &summary.degree;
    [
        ("nodes", count(all)),
        (
            "sessions",
            format!("{} (full mesh: {})", number(summary.edges), count(mesh)),
        ),
        (
            "sessions per node",
            format!(
                "min {:.0}, mean {:.1}, max {:.0}",
                degree.min, degree.mean, degree.max
            ),
        ),
        ("sessions per node, Gini", figure(summary.degree_gini)),
        ("parts", number(summary.components)),
        ("diameter", format!("{}{sources}", summary.diameter)),
        ("radius", format!("{}{sources}", summary.radius)),
        ("mean path", format!("{:.2}{sources}", summary.path_mean)),
        ("clustering", figure(summary.clustering)),
        ("betweenness, Gini", figure(summary.betweenness_gini)),
        ("highest core", summary.core_max.to_string()),
        (
            "nodes whose loss cuts it",
            number(summary.articulation_points),
        ),
        ("sessions whose loss cuts it", number(summary.bridges)),
        ("fewest sessions that cut it", cut),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// The same as a page, with the picture.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn topology_page(
    (name, about): (&str, &str),
    command: &str,
    summary: &Summary,
    picture: &str,
) -> String {
    let mut page = Page::new(name, about);
    page.begin_plots();
    page.plot(
        picture,
        "Map",
        "Discs are groups of nodes; lines lead from reflectors to the other groups that they are in.",
    );
    let degrees = (0u64..).zip(&summary.degrees);
    let degrees: Vec<_> = degrees
        .filter(|&(_, &nodes)| nodes > 0)
        .map(|(d, &n)| (d, n as u64))
        .collect();
    page.plot(
        &bars("sessions", "nodes", &degrees),
        "Sessions per node",
        "When all groups have formed.",
    );
    let curve = |largest: &[f64]| -> Vec<(f64, f64)> {
        let last = largest.len().saturating_sub(1).max(1) as f64;
        largest
            .iter()
            .enumerate()
            .map(|(at, &share)| (at as f64 / last, share))
            .collect()
    };
    let plot = Lines {
        x: "share removed",
        y: "share in the largest part",
        lines: vec![
            ("by chance", curve(&summary.robustness_random)),
            ("most sessions first", curve(&summary.robustness_targeted)),
        ],
        y_top: 0.99,
        ..Lines::default()
    };
    page.plot(
        &plot.svg(),
        "Robustness",
        "Of all nodes, without repair: how many still hang together.",
    );
    page.end_plots();
    page.heading("Every figure");
    page.facts(&topology_rows(summary));
    let version = env!("CARGO_PKG_VERSION");
    page.finish(&format!(
        "<code>{}</code> · archipelago {version}",
        escape(command)
    ))
}
