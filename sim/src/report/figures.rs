//! The numbers of a result by name: what tables, CSV, comparisons and sweeps share.

use super::format::{count, figure, ms};
use crate::run::{RunResult, Times, ToolboxKeyed};

/// One number of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// For machines.
    pub key: &'static str,
    /// For people.
    pub label: &'static str,
    /// The unit; empty for counts and ratios.
    pub unit: &'static str,
    /// Whether reports that put runs beside each other draw it; tables have all.
    pub is_drawn: bool,
    /// Not a number where there was nothing to measure.
    pub value: f64,
}

/// What a figure is, and where it is in a result.
struct Shape(
    &'static str,
    &'static str,
    &'static str,
    Drawn,
    fn(&RunResult) -> f64,
);

/// Whether a figure is among those that are drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drawn {
    Yes,
    No,
}

use Drawn::{No, Yes};

/// Every number that results can be compared by.
#[rustfmt::skip]
const SHAPES: &[Shape] = &[
    Shape("nodes", "nodes", "", No, |it| whole(it.nodes)),
    Shape("groups", "groups", "", No, |it| whole(it.groups)),
    Shape("reflectors", "reflectors", "", No, |it| whole(it.reflectors)),
    Shape("tiers", "tiers of reflectors", "", No, |it| whole(it.tiers)),
    Shape("sessions_mean", "sessions per node, mean", "", Yes, |it| it.sessions_mean),
    Shape("sessions_max", "sessions of a node, most", "", Yes, |it| whole(it.sessions_max)),
    Shape("formed_s", "formed in", "s", Yes, |it| it.formed_s.unwrap_or(f64::NAN)),
    Shape("join_p50_ms", "join, median", "ms", No, |it| of(&it.join, it.join.p50_ms)),
    Shape("join_max_ms", "join, longest", "ms", Yes, |it| of(&it.join, it.join.max_ms)),
    Shape("rejoin_max_ms", "rejoin, longest", "ms", No, |it| of(&it.rejoin, it.rejoin.max_ms)),
    Shape("detection_p50_ms", "detection, median", "ms", No, |it| of(&it.detection, it.detection.p50_ms)),
    Shape("detection_max_ms", "detection, longest", "ms", Yes, |it| of(&it.detection, it.detection.max_ms)),
    Shape("false_deaths", "deaths of the living", "", No, |it| whole(it.false_deaths)),
    Shape("healed_s", "agreed after the last change", "s", No, |it| it.healed_s.unwrap_or(f64::NAN)),
    Shape("control_per_node_per_s", "control messages per node and s", "", Yes, |it| some(&it.control, |it| it.per_node_per_s)),
    Shape("forming_per_node", "control messages per node to form", "", No, |it| some(&it.control, |it| it.forming_per_node)),
    Shape("sent", "messages sent", "", No, |it| whole(it.delivery.sent)),
    Shape("delivered", "messages delivered", "", No, |it| whole(it.delivery.delivered)),
    Shape("latency_p50_ms", "delivery, median", "ms", Yes, |it| of(&it.delivery.latency, it.delivery.latency.p50_ms)),
    Shape("latency_p99_ms", "delivery, 99 %", "ms", No, |it| of(&it.delivery.latency, it.delivery.latency.p99_ms)),
    Shape("first_p50_ms", "first message, median", "ms", Yes, |it| of(&it.delivery.first, it.delivery.first.p50_ms)),
    Shape("after_mending_max_ms", "what waited for links to mend, longest after", "ms", No, |it| of(&it.delivery.after_mending, it.delivery.after_mending.max_ms)),
    Shape("stretch_p50", "stretch, median", "", Yes, |it| at_least_one(it.delivery.stretch.count, it.delivery.stretch.p50)),
    Shape("calls_answered", "calls answered", "", No, |it| some(&it.toolbox.calls, |it| whole(it.answered))),
    Shape("calls_failed", "calls that failed", "", No, |it| some(&it.toolbox.calls, |it| whole(it.begun.saturating_sub(it.answered)))),
    Shape("calls_per_s", "calls answered per s", "", Yes, |it| some(&it.toolbox.calls, |it| it.per_s)),
    Shape("call_p50_ms", "call, median", "ms", No, |it| some(&it.toolbox.calls, |it| of(&it.latency, it.latency.p50_ms))),
    Shape("call_p99_ms", "call, 99 %", "ms", Yes, |it| some(&it.toolbox.calls, |it| of(&it.latency, it.latency.p99_ms))),
    Shape("names_registered", "names registered", "", No, |it| some(&it.toolbox.names, |it| whole(it.registered))),
    Shape("names_failed", "registrations that failed", "", No, |it| some(&it.toolbox.names, |it| whole(it.failed))),
    Shape("names_per_s", "names registered per s", "", Yes, |it| some(&it.toolbox.names, |it| it.per_s)),
    Shape("register_p50_ms", "registration, median", "ms", No, |it| some(&it.toolbox.names, |it| of(&it.latency, it.latency.p50_ms))),
    Shape("register_p99_ms", "registration, 99 %", "ms", Yes, |it| some(&it.toolbox.names, |it| of(&it.latency, it.latency.p99_ms))),
    Shape("groupcast_delivered", "groupcasts handed over", "", No, |it| some(&it.toolbox.groupcasts, |it| whole(it.delivered))),
    Shape("groupcast_missing", "groupcasts not handed over", "", No, |it| some(&it.toolbox.groupcasts, |it| whole(it.expected.saturating_sub(it.delivered)))),
    Shape("groupcast_per_s", "groupcasts handed over per s", "", Yes, |it| some(&it.toolbox.groupcasts, |it| it.per_s)),
    Shape("groupcast_p50_ms", "groupcast, median", "ms", No, |it| some(&it.toolbox.groupcasts, |it| of(&it.latency, it.latency.p50_ms))),
    Shape("groupcast_p99_ms", "groupcast, 99 %", "ms", Yes, |it| some(&it.toolbox.groupcasts, |it| of(&it.latency, it.latency.p99_ms))),
    Shape("keyed_answered", "keyed requests answered", "", No, |it| some(&it.toolbox.keyed, |it| whole(it.answered))),
    Shape("keyed_failed", "keyed requests that failed", "", No, |it| some(&it.toolbox.keyed, |it| whole(it.refused + it.unanswered + it.of_the_dead))),
    Shape("keyed_redirected", "keyed requests redirected", "", No, |it| some(&it.toolbox.keyed, |it| whole(it.redirected))),
    Shape("keyed_workers", "keyed workers", "", No, |it| some(&it.toolbox.keyed, |it| whole(it.workers))),
    Shape("keyed_moved", "keyed workers moved", "", No, |it| some(&it.toolbox.keyed, |it| whole(it.moved))),
    Shape("keyed_per_s", "keyed requests answered per s", "", Yes, |it| some(&it.toolbox.keyed, |it| it.per_s)),
    Shape("keyed_p50_ms", "keyed request, median", "ms", No, |it| some(&it.toolbox.keyed, |it| of(&it.latency, it.latency.p50_ms))),
    Shape("keyed_p99_ms", "keyed request, 99 %", "ms", Yes, |it| some(&it.toolbox.keyed, |it| of(&it.latency, it.latency.p99_ms))),
    Shape("lookups", "look-ups", "", No, |it| some(&it.lookups, |it| whole(it.asked))),
    Shape("lookup_hops", "reflectors per look-up", "", Yes, |it| some(&it.lookups, |it| at_least_one(it.asked, it.hops_mean))),
    Shape("on_demand_opened", "on-demand sessions opened", "", No, |it| some(&it.on_demand, |it| whole(it.opened))),
    Shape("on_demand_closed", "on-demand sessions closed", "", No, |it| some(&it.on_demand, |it| whole(it.closed))),
    Shape("load_gini", "load of reflectors, Gini", "", Yes, |it| some(&it.load, |it| it.gini)),
    Shape("load_max_per_s", "busiest reflector, messages per s", "", No, |it| some(&it.load, |it| it.max_per_s)),
    Shape("events", "events", "", No, |it| whole(it.events)),
    Shape("events_per_s", "events per wall-clock s", "", No, |it| it.events_per_s),
    Shape("messages_per_s", "messages per wall-clock s", "", No, |it| it.messages_per_s),
    Shape("wall_s", "wall clock", "s", No, |it| it.wall_s),
    Shape("bytes_per_node", "memory per node", "B", No, |it| whole(it.bytes_per_node)),
    Shape("violations", "violations", "", No, |it| whole(it.violations_count)),
];

/// Every number that results can be compared by, in the same order always.
pub fn figures(result: &RunResult) -> Vec<Figure> {
    let of_shape = |&Shape(key, label, unit, drawn, value): &Shape| Figure {
        key,
        label,
        unit,
        is_drawn: drawn == Yes,
        value: value(result),
    };
    SHAPES.iter().map(of_shape).collect()
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn whole(count: u64) -> f64 {
    count as f64
}

/// Of something that was measured.
fn some<T>(measured: &Option<T>, value: impl FnOnce(&T) -> f64) -> f64 {
    measured.as_ref().map_or(f64::NAN, value)
}

const fn at_least_one(count: u64, value: f64) -> f64 {
    if count == 0 { f64::NAN } else { value }
}

const fn of(times: &Times, value: f64) -> f64 {
    at_least_one(times.count, value)
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
    if let Some(control) = &result.control {
        let text = format!(
            "{:.2} a node and second; {:.0} a node to form",
            control.per_node_per_s, control.forming_per_node
        );
        add("control messages", text);
    }
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
    add(
        "memory",
        format!("{each} B a node; {rss:.1} MB the whole process"),
    );
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
    }
    if delivery.latency.count > 0 {
        add("delivery", times(&delivery.latency));
        add("first message", times(&delivery.first));
    }
    if delivery.after_mending.count > 0 {
        let text = times(&delivery.after_mending);
        add("what waited, after the mending", text);
    }
    let (all, first) = (&delivery.stretch, &delivery.stretch_first);
    if all.count > 0 {
        let stretch = format!(
            "median {:.2}, 99 % {:.2}; first message {:.2}, {:.2}",
            all.p50, all.p99, first.p50, first.p99
        );
        add("stretch over the link", stretch);
    }
    toolbox(result, add);
    reflection(result, add);
}

/// Calls, names, groupcasts and keyed workers.
fn toolbox(result: &RunResult, add: &mut impl FnMut(&str, String)) {
    if let Some(calls) = &result.toolbox.calls {
        let text = format!(
            "{} begun, {} answered ({}/s), {} timed out, {} lost, {} refused",
            count(calls.begun),
            count(calls.answered),
            figure(calls.per_s),
            count(calls.timed_out),
            count(calls.lost),
            count(calls.refused)
        );
        add("calls", text);
        add("call", times(&calls.latency));
    }
    if let Some(names) = &result.toolbox.names {
        let text = format!(
            "{} registered ({}/s), {} failed; the least served member {:.2} of the mean",
            count(names.registered),
            figure(names.per_s),
            count(names.failed),
            names.least_served_share
        );
        add("names", text);
        add("registration", times(&names.latency));
    }
    if let Some(groupcasts) = &result.toolbox.groupcasts {
        let text = format!(
            "{} sent, {} of {} copies handed over ({}/s), {} told missed",
            count(groupcasts.sent),
            count(groupcasts.delivered),
            count(groupcasts.expected),
            figure(groupcasts.per_s),
            count(groupcasts.missed)
        );
        add("groupcasts", text);
        add("groupcast", times(&groupcasts.latency));
    }
    if let Some(keyed) = &result.toolbox.keyed {
        keyed_workers(keyed, add);
    }
}

fn keyed_workers(keyed: &ToolboxKeyed, add: &mut impl FnMut(&str, String)) {
    let text = format!(
        "{} asked, {} answered ({}/s), {} refused, {} unanswered, {} of entries that ended, {} under way",
        count(keyed.asked),
        count(keyed.answered),
        figure(keyed.per_s),
        count(keyed.refused),
        count(keyed.unanswered),
        count(keyed.of_the_dead),
        count(keyed.waiting)
    );
    add("keyed requests", text);
    add("keyed request", times(&keyed.latency));
    let text = format!(
        "{} at the end; {} started anew, {} with what they left; {} requests redirected, {} disordered",
        count(keyed.workers),
        count(keyed.started),
        count(keyed.moved),
        count(keyed.redirected),
        count(keyed.disordered)
    );
    add("keyed workers", text);
}

/// What goes by reflectors, or around them.
fn reflection(result: &RunResult, add: &mut impl FnMut(&str, String)) {
    if let Some(lookups) = &result.lookups {
        let failed: u64 = lookups.failed.values().sum();
        if lookups.asked + failed > 0 {
            let (asked, mean) = (count(lookups.asked), lookups.hops_mean);
            let longest = lookups.hops.last().map_or(0, |&(hops, _)| hops);
            let text = format!(
                "{asked}, over {mean:.2} reflectors each, {longest} at most; {failed} failed"
            );
            add("look-ups", text);
        }
    }
    if let Some(on_demand) = result.on_demand.as_ref().filter(|it| it.opened > 0) {
        let text = format!(
            "{} opened, {} closed, at most {} at once",
            count(on_demand.opened),
            count(on_demand.closed),
            count(on_demand.open_max)
        );
        add("on-demand sessions", text);
    }
    if let Some(load) = result.load.as_ref().filter(|_| result.reflectors > 0) {
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
