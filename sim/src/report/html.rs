//! The report of one run, and several runs side by side.

use super::Figure;
use super::figures::{figures, mode, rows};
use super::format::{count, escape, figure, ms};
use super::page::Page;
use super::plots::{Lines, bars, named_bars};
use crate::run::{Control, OnDemand, Robustness, RunResult, Sample, Times};

/// Violations that are listed.
const LISTED_MAX: usize = 30;
/// One run as a page.
pub fn run_page(result: &RunResult) -> String {
    let mut page = Page::new(&result.name, &result.about);
    page.cards(&cards(result));
    verdict(&mut page, result);
    page.heading("Along the way");
    page.begin_plots();
    along(&mut page, result);
    page.end_plots();
    page.heading("Distributions");
    page.begin_plots();
    distributions(&mut page, result);
    page.end_plots();
    page.heading("The network");
    page.begin_plots();
    page.plot(
        &result.picture,
        "Map",
        "Discs are groups of nodes; lines lead from reflectors to the other groups that they are in.",
    );
    network(&mut page, result);
    page.end_plots();
    page.heading("Every figure");
    page.facts(&rows(result));
    if let Some(control) = &result.control {
        page.heading("Control messages by kind");
        page.table(&["kind".to_owned(), "messages".to_owned()], &kinds(control));
    }
    page.finish(&footer(result))
}

/// Several runs side by side.
pub fn compare_page(results: &[RunResult]) -> String {
    let names: Vec<_> = results.iter().map(label).collect();
    let mut page = Page::new("Side by side", &names.join(" · "));
    for result in results {
        verdict(&mut page, result);
    }
    page.begin_plots();
    let all: Vec<Vec<Figure>> = results.iter().map(figures).collect();
    for place in 0..all.first().map_or(0, Vec::len) {
        let found: Vec<_> = all.iter().filter_map(|run| run.get(place)).collect();
        let Some(first) = found.first().filter(|first| first.is_drawn) else {
            continue;
        };
        if found.iter().all(|figure| !figure.value.is_finite()) {
            continue;
        }
        let values = names.iter().zip(&found);
        let values = values.map(|(name, f)| (name.clone(), f.value, figure(f.value)));
        let unit = if first.unit.is_empty() {
            String::new()
        } else {
            format!("In {}.", first.unit)
        };
        page.plot(&named_bars(&values.collect::<Vec<_>>()), first.label, &unit);
    }
    page.end_plots();
    page.heading("Every figure");
    let head: Vec<_> = std::iter::once(String::new()).chain(names).collect();
    let rows = (0..all.first().map_or(0, Vec::len)).map(|place| compared(&all, place));
    page.table(&head, &rows.collect::<Vec<_>>());
    let footers: Vec<_> = results.iter().map(footer).collect();
    page.finish(&footers.join("<br>"))
}

/// A run's name, with what was set from outside.
pub(super) fn label(result: &RunResult) -> String {
    let parameters = result.parameters.iter();
    let parameters = parameters.map(|(path, value)| format!(" {path}={value}"));
    std::iter::once(result.name.clone())
        .chain(parameters)
        .collect()
}

fn compared(all: &[Vec<Figure>], place: usize) -> Vec<String> {
    let of_all = all.iter().filter_map(|run| run.get(place));
    let name = all
        .first()
        .and_then(|run| run.get(place))
        .map_or(String::new(), name);
    std::iter::once(name)
        .chain(of_all.map(|f| figure(f.value)))
        .collect()
}

pub(super) fn name(figure: &Figure) -> String {
    if figure.unit.is_empty() {
        figure.label.to_owned()
    } else {
        format!("{}, {}", figure.label, figure.unit)
    }
}

fn cards(result: &RunResult) -> Vec<(&'static str, String)> {
    let dash = || "–".to_owned();
    let of = |times: &Times, value: f64| if times.count == 0 { dash() } else { ms(value) };
    vec![
        ("nodes", count(result.nodes)),
        ("groups", count(result.groups)),
        (
            "sessions per node, mean / most",
            format!("{:.1} / {}", result.sessions_mean, result.sessions_max),
        ),
        (
            "formed in",
            result.formed_s.map_or_else(dash, |s| format!("{s:.2} s")),
        ),
        (
            "control messages per node and s",
            result
                .control
                .as_ref()
                .map_or_else(dash, |it| format!("{:.1}", it.per_node_per_s)),
        ),
        (
            "end of a member known, longest",
            of(&result.detection, result.detection.max_ms),
        ),
        (
            "delivery, median",
            of(&result.delivery.latency, result.delivery.latency.p50_ms),
        ),
        (
            "virtual time per wall clock",
            format!("{:.1}×", result.virtual_s / result.wall_s.max(1e-9)),
        ),
    ]
}

fn verdict(page: &mut Page, result: &RunResult) {
    let name = escape(&label(result));
    if result.interrupted {
        page.paragraph(&format!(
            "<b class=\"bad\">{name}: interrupted</b>; what follows is what there was."
        ));
    } else if result.violations_count == 0 {
        page.paragraph(&format!("<b class=\"good\">{name}: everything held.</b>"));
    } else {
        page.paragraph(&format!(
            "<b class=\"bad\">{name}: {} violations.</b>",
            count(result.violations_count)
        ));
    }
    let listed = result.violations.iter().take(LISTED_MAX);
    let rows: Vec<_> = listed
        .map(|v| (v.invariant.clone(), v.text.clone()))
        .collect();
    if !rows.is_empty() {
        page.facts(&rows);
    }
}

/// Plots over time.
struct Along<'a> {
    series: &'a [Sample],
    marks: Vec<f64>,
}

impl Along<'_> {
    fn of(&self, value: fn(&Sample) -> f64) -> Vec<(f64, f64)> {
        let samples = self.series.iter();
        samples.map(|sample| (sample.at_s, value(sample))).collect()
    }

    /// The first sample has no stretch of time to be a rate over.
    fn rate(&self, value: fn(&Sample) -> f64) -> Vec<(f64, f64)> {
        self.of(value).split_off(self.series.len().min(1))
    }

    fn svg(&self, y: &'static str, lines: Vec<(&'static str, Vec<(f64, f64)>)>) -> String {
        let plot = Lines {
            x: "seconds",
            y,
            lines,
            marks: self.marks.clone(),
            ..Lines::default()
        };
        plot.svg()
    }

    fn is_steady(&self) -> bool {
        let mut pairs = self.series.windows(2);
        pairs.all(|pair| pair[0].running == pair[1].running)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn along(page: &mut Page, result: &RunResult) {
    let along = Along {
        series: &result.series,
        marks: result.marks.iter().map(|mark| mark.at_s).collect(),
    };
    let mean = ("mean", along.of(|s| s.sessions_mean));
    let most = ("most", along.of(|s| s.sessions_max as f64));
    let caption = format!("Of a running node. Vertical lines: {}.", described(result));
    page.plot(
        &along.svg("sessions", vec![mean, most]),
        "Sessions",
        &caption,
    );
    let control = vec![("control messages", along.rate(|s| s.control_per_s))];
    let caption = "Control messages that a node takes in.";
    page.plot(
        &along.svg("per node and s", control),
        "Control traffic",
        caption,
    );
    if result.delivery.sent > 0 {
        let delivered = vec![("messages", along.rate(|s| s.delivered_per_s))];
        let caption = "All mailboxes together.";
        page.plot(
            &along.svg("per second", delivered),
            "Delivered messages",
            caption,
        );
    }
    if let Some(on_demand) = result.on_demand.as_ref().filter(|it| it.opened > 0) {
        let open = vec![("open", along.of(|s| s.on_demand as f64))];
        let caption = on_demand_caption(on_demand);
        page.plot(&along.svg("sessions", open), "Sessions on demand", &caption);
    }
    if !along.is_steady() {
        let running = vec![("running", along.of(|s| s.running as f64))];
        let caption = "Stopped ones are not counted.";
        page.plot(&along.svg("nodes", running), "Running nodes", caption);
    }
}

fn on_demand_caption(on_demand: &OnDemand) -> String {
    format!(
        "Between nodes that share no group; {} opened, {} closed.",
        count(on_demand.opened),
        count(on_demand.closed)
    )
}

fn described(result: &RunResult) -> String {
    let mut texts: Vec<String> = Vec::new();
    for mark in result.marks.iter().take(6) {
        texts.push(format!("{:.0} s {}", mark.at_s, mark.text));
    }
    match result.marks.len() {
        0 => "none, since nothing was done".to_owned(),
        1..=6 => texts.join(", "),
        more => format!("{}, and {} more", texts.join(", "), more - 6),
    }
}

fn distributions(page: &mut Page, result: &RunResult) {
    let curves = |named: &[(&'static str, &Times)]| -> Lines<'static> {
        let some = named.iter().filter(|(_, times)| times.curve.len() > 1);
        let lines = some.map(|(name, times)| (*name, times.curve.clone()));
        Lines {
            x: "milliseconds",
            y: "share",
            lines: lines.collect(),
            is_log_x: true,
            y_top: 0.99,
            ..Lines::default()
        }
    };
    let delivery = &result.delivery;
    let plot = curves(&[
        ("every message", &delivery.latency),
        ("first of a stream", &delivery.first),
    ]);
    let stretch = format!(
        "From sender to mailbox. Over the link's own latency: median {:.2}, first messages {:.2}.",
        delivery.stretch.p50, delivery.stretch_first.p50
    );
    page.plot(&plot.svg(), "Delivery", &stretch);
    let toolbox = &result.toolbox;
    let none = Times::default();
    let calls = toolbox.calls.as_ref().map_or(&none, |it| &it.latency);
    let names = toolbox.names.as_ref().map_or(&none, |it| &it.latency);
    let casts = toolbox.groupcasts.as_ref();
    let casts = casts.map_or(&none, |it| &it.latency);
    let keyed = toolbox.keyed.as_ref().map_or(&none, |it| &it.latency);
    if calls.count + names.count + casts.count + keyed.count > 0 {
        let plot = curves(&[
            ("call", calls),
            ("registration", names),
            ("groupcast", casts),
            ("keyed request", keyed),
        ]);
        let caption = "Until a call or keyed request was answered, a name confirmed, a groupcast handed over.";
        page.plot(&plot.svg(), "Toolbox", caption);
    }
    let plot = curves(&[("join", &result.join), ("rejoin", &result.rejoin)]);
    page.plot(
        &plot.svg(),
        "Join",
        "From a node's start to being up in a group.",
    );
    let plot = curves(&[("detection", &result.detection)]);
    let caption = "From a member's end to the word of it at each other member.";
    page.plot(&plot.svg(), "Detection", caption);
    let plot = curves(&[("after the mending", &delivery.after_mending)]);
    let caption = "What had waited for links to mend: from the mending to its mailbox.";
    page.plot(&plot.svg(), "Delivery after a cut", caption);
    let caption = "How many nodes had so many sessions at the end.";
    page.plot(
        &bars("sessions", "nodes", &result.sessions),
        "Sessions per node",
        caption,
    );
}

fn network(page: &mut Page, result: &RunResult) {
    if let Some(robustness) = &result.robustness {
        page.plot(&robustness_plot(robustness), "Robustness", ROBUSTNESS);
    }
    if let Some(load) = result.load.as_ref().filter(|_| result.reflectors > 1) {
        let equal = vec![(0.0, 0.0), (1.0, 1.0)];
        let plot = Lines {
            x: "share of the reflectors",
            y: "share of their load",
            lines: vec![("load", load.lorenz.clone()), ("all alike", equal)],
            ..Lines::default()
        };
        let caption = format!(
            "Lorenz curve of the control messages that reflectors take in; Gini {:.3}. The busiest takes {:.1} a second, a member {:.1}.",
            load.gini, load.max_per_s, load.member_mean_per_s
        );
        page.plot(&plot.svg(), "Load of reflectors", &caption);
    }
    if let Some(lookups) = result.lookups.as_ref().filter(|it| !it.hops.is_empty()) {
        let caption = "How many look-ups reached so many reflectors before the answer was there.";
        let plot = bars("reflectors", "look-ups", &lookups.hops);
        page.plot(&plot, "Length of look-ups", caption);
    }
}

const ROBUSTNESS: &str = "Of all nodes, without repair: how many still hang together.";

fn robustness_plot(robustness: &Robustness) -> String {
    let plot = Lines {
        x: "share removed",
        y: "share in the largest part",
        lines: vec![
            ("by chance", robustness.random.clone()),
            ("most sessions first", robustness.targeted.clone()),
        ],
        y_top: 0.99,
        ..Lines::default()
    };
    plot.svg()
}

fn kinds(control: &Control) -> Vec<Vec<String>> {
    let mut kinds: Vec<_> = control.by_kind.iter().collect();
    kinds.sort_by_key(|&(name, &messages)| (std::cmp::Reverse(messages), name));
    let rows = kinds.into_iter();
    rows.map(|(name, &messages)| vec![name.clone(), count(messages)])
        .collect()
}

pub(super) fn footer(result: &RunResult) -> String {
    format!(
        "<code>{}</code> · seed {} · digest <code>{}</code> · archipelago {} · {}",
        escape(&result.command),
        result.seed,
        escape(&result.digest),
        escape(&result.version),
        escape(&mode(result))
    )
}
