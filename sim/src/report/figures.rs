//! The numbers of a result by name: what tables, CSV, comparisons and sweeps share.

use super::format::{count, figure, ms};
use crate::run::{RunResult, Times};

/// One number of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// For machines.
    pub key: &'static str,
    /// For people.
    pub label: &'static str,
    /// The unit; empty for counts and ratios.
    pub unit: &'static str,
    /// Not a number where there was nothing to measure.
    pub value: f64,
}

/// Every number that results can be compared by.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn figures(result: &RunResult) -> Vec<Figure> {
    let mut all = Vec::new();
    let mut add = |key, label, unit, value| {
        all.push(Figure {
            key,
            label,
            unit,
            value,
        });
    };
    add("nodes", "nodes", "", result.nodes as f64);
    add("groups", "groups", "", result.groups as f64);
    add("reflectors", "reflectors", "", result.reflectors as f64);
    add("tiers", "tiers of reflectors", "", result.tiers as f64);
    add(
        "sessions_mean",
        "sessions per node, mean",
        "",
        result.sessions_mean,
    );
    add(
        "sessions_max",
        "sessions of a node, most",
        "",
        result.sessions_max as f64,
    );
    add(
        "formed_s",
        "formed in",
        "s",
        result.formed_s.unwrap_or(f64::NAN),
    );
    add(
        "join_p50_ms",
        "join, median",
        "ms",
        of(&result.join, result.join.p50_ms),
    );
    add(
        "join_max_ms",
        "join, longest",
        "ms",
        of(&result.join, result.join.max_ms),
    );
    add(
        "rejoin_max_ms",
        "rejoin, longest",
        "ms",
        of(&result.rejoin, result.rejoin.max_ms),
    );
    let detection = &result.detection;
    add(
        "detection_p50_ms",
        "detection, median",
        "ms",
        of(detection, detection.p50_ms),
    );
    add(
        "detection_max_ms",
        "detection, longest",
        "ms",
        of(detection, detection.max_ms),
    );
    add(
        "false_deaths",
        "deaths of the living",
        "",
        result.false_deaths as f64,
    );
    add(
        "healed_s",
        "agreed after the last change",
        "s",
        result.healed_s.unwrap_or(f64::NAN),
    );
    let control = &result.control;
    add(
        "control_per_node_per_s",
        "control messages per node and s",
        "",
        control.per_node_per_s,
    );
    add(
        "forming_per_node",
        "control messages per node to form",
        "",
        control.forming_per_node,
    );
    let delivery = &result.delivery;
    add("sent", "messages sent", "", delivery.sent as f64);
    add(
        "delivered",
        "messages delivered",
        "",
        delivery.delivered as f64,
    );
    let (latency, first) = (&delivery.latency, &delivery.first);
    add(
        "latency_p50_ms",
        "delivery, median",
        "ms",
        of(latency, latency.p50_ms),
    );
    add(
        "latency_p99_ms",
        "delivery, 99 %",
        "ms",
        of(latency, latency.p99_ms),
    );
    add(
        "first_p50_ms",
        "first message, median",
        "ms",
        of(first, first.p50_ms),
    );
    let stretch = if delivery.stretch.count == 0 {
        f64::NAN
    } else {
        delivery.stretch.p50
    };
    add("stretch_p50", "stretch, median", "", stretch);
    add("lookups", "look-ups", "", result.lookups.asked as f64);
    let hops = if result.lookups.asked == 0 {
        f64::NAN
    } else {
        result.lookups.hops_mean
    };
    add("lookup_hops", "questions per look-up", "", hops);
    add(
        "on_demand_opened",
        "on-demand sessions opened",
        "",
        result.on_demand.opened as f64,
    );
    add(
        "on_demand_closed",
        "on-demand sessions closed",
        "",
        result.on_demand.closed as f64,
    );
    add(
        "load_gini",
        "load of reflectors, Gini",
        "",
        result.load.gini,
    );
    add(
        "load_max_per_s",
        "busiest reflector, messages per s",
        "",
        result.load.max_per_s,
    );
    add("events", "events", "", result.events as f64);
    add(
        "events_per_s",
        "events per wall-clock s",
        "",
        result.events_per_s,
    );
    add(
        "messages_per_s",
        "messages per wall-clock s",
        "",
        result.messages_per_s,
    );
    add("wall_s", "wall clock", "s", result.wall_s);
    add(
        "bytes_per_node",
        "memory per node",
        "B",
        result.bytes_per_node as f64,
    );
    add(
        "violations",
        "violations",
        "",
        result.violations_count as f64,
    );
    all
}

/// How it began, and what was there.
pub(super) fn mode(result: &RunResult) -> String {
    if result.mode.contains(&result.start) {
        format!("mode: {}", result.mode)
    } else {
        format!("{} start, {} mode", result.start, result.mode)
    }
}

/// A table for people: what was run, and what it came to.
pub fn rows(result: &RunResult) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut add = |label: &str, value: String| rows.push((label.to_owned(), value));
    let world = format!(
        "{} nodes, {} groups, {} reflectors; {}",
        count(result.nodes),
        count(result.groups),
        count(result.reflectors),
        mode(result)
    );
    add("world", world);
    add(
        "time",
        format!(
            "{:.1} s virtual in {:.2} s ({} events, {}/s, {} thread{})",
            result.virtual_s,
            result.wall_s,
            count(result.events),
            figure(result.events_per_s),
            result.threads,
            if result.threads == 1 { "" } else { "s" }
        ),
    );
    let formed = result
        .formed_s
        .map_or("not".to_owned(), |s| format!("in {s:.2} s"));
    add("formed", formed);
    add(
        "sessions per node",
        format!(
            "min {}, mean {:.1}, max {} (full mesh: {})",
            result.sessions_min,
            result.sessions_mean,
            result.sessions_max,
            count(result.nodes.saturating_sub(1))
        ),
    );
    add(
        "control messages",
        format!(
            "{:.2} a node and second; {:.0} a node to form",
            result.control.per_node_per_s, result.control.forming_per_node
        ),
    );
    if result.join.count > 0 {
        add("join", times(&result.join));
    }
    if result.rejoin.count > 0 {
        add("rejoin, late join", times(&result.rejoin));
    }
    if result.detection.count > 0 || result.detection_missed > 0 {
        let missed = result.detection_missed;
        let text = format!("{}; {missed} never told", times(&result.detection));
        add("end of a member known", text);
    }
    add("deaths of the living", count(result.false_deaths));
    if let Some(healed) = result.healed_s {
        add("agreed after the last change", format!("{healed:.2} s"));
    }
    delivery(result, &mut add);
    let (rss, each) = (result.rss_mb, count(result.bytes_per_node));
    add("memory", format!("{rss:.1} MB; {each} B a node"));
    add(
        "digest",
        format!("{} (seed {})", result.digest, result.seed),
    );
    add("violations", count(result.violations_count));
    rows
}

fn delivery(result: &RunResult, add: &mut impl FnMut(&str, String)) {
    let delivery = &result.delivery;
    if delivery.flows + delivery.flows_skipped > 0 {
        let sent = format!(
            "{} sent, {} delivered, {} told lost, in {} streams ({} could not begin)",
            count(delivery.sent),
            count(delivery.delivered),
            count(delivery.told_lost),
            count(delivery.flows),
            count(delivery.flows_skipped)
        );
        add("messages", sent);
        add("delivery", times(&delivery.latency));
        add("first message", times(&delivery.first));
        let (all, first) = (&delivery.stretch, &delivery.stretch_first);
        let stretch = format!(
            "median {:.2}, 99 % {:.2}; first message {:.2}, {:.2}",
            all.p50, all.p99, first.p50, first.p99
        );
        add("stretch over the link", stretch);
    }
    let lookups = &result.lookups;
    let failed: u64 = lookups.failed.values().sum();
    if lookups.asked + failed > 0 {
        let text = format!(
            "{}, {:.2} questions each, {failed} failed",
            count(lookups.asked),
            lookups.hops_mean
        );
        add("look-ups", text);
    }
    let on_demand = &result.on_demand;
    if on_demand.opened > 0 {
        let text = format!(
            "{} opened, {} closed, at most {} at once",
            count(on_demand.opened),
            count(on_demand.closed),
            count(on_demand.open_max)
        );
        add("on-demand sessions", text);
    }
    if result.reflectors > 0 {
        let load = &result.load;
        let text = format!(
            "Gini {:.3}; mean {:.1}/s, busiest {:.1}/s, a member {:.1}/s",
            load.gini, load.mean_per_s, load.max_per_s, load.member_mean_per_s
        );
        add("load of reflectors", text);
    }
}

fn times(times: &Times) -> String {
    format!(
        "p50 {}, p99 {}, max {} ({})",
        ms(times.p50_ms),
        ms(times.p99_ms),
        ms(times.max_ms),
        count(times.count)
    )
}

const fn of(times: &Times, value: f64) -> f64 {
    if times.count == 0 { f64::NAN } else { value }
}
