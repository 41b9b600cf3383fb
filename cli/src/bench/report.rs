//! What was measured of names, as a table or as JSON.

use comfy_table::{Table, presets};
use serde::Serialize;

use super::names::BenchError;

/// One size of group; a figure that was not taken is `null`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) members: u32,
    /// That they are divided into.
    pub(crate) groups: u32,
    pub(crate) workers_per_member: u32,
    /// In virtual time, where a processor costs `packet_us` for each packet that arrives.
    pub(crate) simulated: bool,
    pub(crate) packet_us: u32,
    /// Confirmed registrations, each followed by its withdrawal.
    pub(crate) registrations: u64,
    pub(crate) registrations_failed: u64,
    pub(crate) registrations_per_s: f64,
    pub(crate) register_p50_us: Option<f64>,
    pub(crate) register_p99_us: Option<f64>,
    pub(crate) register_p999_us: Option<f64>,
    pub(crate) register_max_us: Option<f64>,
    /// Registrations of the member that got fewest, over the mean.
    pub(crate) least_served_share: f64,
    /// Control messages of all members while they registered, over `registrations`: what a
    /// registration and its withdrawal take, heartbeats included.
    pub(crate) control_messages_per_registration: f64,
    /// Their bytes, live.
    pub(crate) control_bytes_per_registration: Option<f64>,
    /// Mean time of a look-up, by one thread.
    pub(crate) whereis_ns: Option<f64>,
    /// Live: from one member's call until a group of all members of its group is up at each, over
    /// sessions that there are; the median of five.
    pub(crate) group_create_ms: Option<f64>,
    /// In the simulator: from the heal of a split into halves, which had registered the same
    /// names, until all members agree on all of them.
    pub(crate) agree_after_heal_ms: Option<f64>,
}

/// Prints each report as one line of JSON.
pub(super) fn print_json(reports: &[impl Serialize]) -> Result<(), serde_json::Error> {
    for report in reports {
        println!("{}", serde_json::to_string(report)?);
    }
    Ok(())
}

/// Prints everything that was measured.
pub(crate) fn print(reports: &[Report], json: bool) -> Result<(), BenchError> {
    if json {
        return Ok(print_json(reports)?);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "members",
        "groups",
        "registrations/s",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "least/mean",
        "whereis ns",
        "create ms",
        "agree after heal ms",
    ]);
    for report in reports {
        table.add_row([
            report.members.to_string(),
            report.groups.to_string(),
            format!("{:.0}", report.registrations_per_s),
            shown(report.register_p50_us),
            shown(report.register_p99_us),
            shown(report.register_p999_us),
            format!("{:.2}", report.least_served_share),
            shown(report.whereis_ns),
            shown_fine(report.group_create_ms),
            shown(report.agree_after_heal_ms),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// With a tenth, or a dash.
pub(super) fn shown_fine(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.1}"))
}

/// In whole numbers, or a dash.
pub(super) fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.0}"))
}
