//! The report for people.

use comfy_table::{ContentArrangement, Table, presets};

use super::report::Report;

/// The report as a table, with the property that each row shows.
pub(crate) fn render(report: &Report) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Disabled);
    cluster(report, &mut table);
    traffic(report, &mut table);
    faults(report, &mut table);
    cost(report, &mut table);
    let mut text = table.to_string();
    for failure in &report.failures {
        text.push_str(&format!("\nFAILED: {failure}"));
    }
    let verdict = match (report.interrupted, report.ok) {
        (true, _) => "interrupted: the figures are those of the phases that were done",
        (false, true) => "every property held",
        (false, false) => "not every property held",
    };
    format!("{text}\n{verdict}, in {:.1} s", report.elapsed_s)
}

fn cluster(report: &Report, table: &mut Table) {
    row(
        table,
        "cluster",
        format!(
            "{} nodes, {} groups, {} reflectors",
            report.nodes, report.groups, report.reflectors
        ),
    );
    row(
        table,
        "formed in",
        format!(
            "{} ({} of CPU)",
            seconds(report.formed_s),
            seconds(report.forming_cpu_s)
        ),
    );
    row(
        table,
        "sessions per node",
        format!(
            "min {}, mean {:.1}, max {}   (full mesh: {})",
            report.sessions_min,
            report.sessions_mean,
            report.sessions_max,
            report.full_mesh_per_node
        ),
    );
    let kernel = report
        .sessions_kernel
        .map_or("not readable".to_owned(), |count| count.to_string());
    row(
        table,
        "sessions in total",
        format!(
            "{}   (by the kernel's count: {kernel}; full mesh: {})",
            report.sessions_total, report.full_mesh_total
        ),
    );
}

fn traffic(report: &Report, table: &mut Table) {
    row(
        table,
        "pairs across groups",
        format!(
            "{}: {} began by relay, {} went over to direct",
            report.pairs, report.pairs_relay_first, report.pairs_direct
        ),
    );
    let later = match report.messages_taken_later {
        0 => String::new(),
        later => format!(", {later} of them at a second try"),
    };
    row(
        table,
        "messages",
        format!(
            "{} sent{later}: {} lost, {} reordered, {} twice",
            report.messages_sent,
            report.messages_lost,
            report.messages_reordered,
            report.messages_duplicated
        ),
    );
    row(
        table,
        "first message",
        format!(
            "p50 {}, p99 {}",
            millis(report.first_message_ms_p50),
            millis(report.first_message_ms_p99)
        ),
    );
    row(
        table,
        "direct message",
        format!(
            "p50 {}, p99 {}",
            micros(report.direct_message_us_p50),
            micros(report.direct_message_us_p99)
        ),
    );
    row(
        table,
        "on-demand sessions",
        format!(
            "{} opened, {} closed by their idle time-out of {:.0} s (60 s outside the demo)",
            report.on_demand_opened, report.on_demand_closed, report.idle_timeout_s
        ),
    );
}

fn faults(report: &Report, table: &mut Table) {
    row(
        table,
        "a member killed",
        format!(
            "seen by {} of {}: p50 {}, max {}",
            report.member_killed_seen_by,
            report.member_killed_witnesses,
            millis(report.member_killed_seen_ms_p50),
            millis(report.member_killed_seen_ms_max)
        ),
    );
    row(
        table,
        "a member stopped",
        format!(
            "seen by {} of {}: p50 {}, max {}; back after {}",
            report.member_stopped_seen_by,
            report.member_stopped_witnesses,
            millis(report.member_stopped_seen_ms_p50),
            millis(report.member_stopped_seen_ms_max),
            millis(report.member_continued_back_ms_max)
        ),
    );
    row(
        table,
        "a reflector of each group killed",
        format!(
            "{} killed, {} look-ups under way: {} failed, longest gap {}",
            report.reflectors_killed,
            report.reflector_kill_lookups,
            report.reflector_kill_lookup_failures,
            millis(report.reflector_kill_gap_ms_max)
        ),
    );
    row(
        table,
        "deaths of the living",
        report.false_deaths.to_string(),
    );
}

fn cost(report: &Report, table: &mut Table) {
    let megabytes = |value: Option<f64>| value.map_or("?".to_owned(), |mb| format!("{mb:.1} MB"));
    row(
        table,
        "memory",
        format!(
            "{} in all, {} a node",
            megabytes(report.rss_mb),
            megabytes(report.rss_mb_per_node)
        ),
    );
    let idle = report
        .idle_cpu_percent_per_node
        .map_or("?".to_owned(), |percent| format!("{percent:.3} %"));
    row(
        table,
        "processor",
        format!(
            "{} in all; idle {idle} of a core a node",
            seconds(report.cpu_s)
        ),
    );
    let said = report
        .idle_control_messages_per_node_per_s
        .map_or("?".to_owned(), |said| {
            format!("{said:.1} a node and second, idle")
        });
    row(table, "control messages", said);
    let descriptors = report
        .descriptors
        .map_or("?".to_owned(), |count| count.to_string());
    row(table, "descriptors", descriptors);
}

fn row(table: &mut Table, name: &str, value: String) {
    table.add_row([name.to_owned(), value]);
}

fn seconds(value: Option<f64>) -> String {
    value.map_or("?".to_owned(), |value| format!("{value:.2} s"))
}

fn millis(value: Option<f64>) -> String {
    value.map_or("?".to_owned(), |value| format!("{value:.1} ms"))
}

fn micros(value: Option<f64>) -> String {
    value.map_or("?".to_owned(), |value| format!("{value:.0} µs"))
}
