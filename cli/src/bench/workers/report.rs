//! What was measured of keyed workers, as a table or as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago::NodeId;
use comfy_table::{Table, presets};
use serde::Serialize;

use super::super::report::print_json;
use super::WorkersError;
use super::phase::Phase;
use crate::live::latency::Latency;

/// Of what nodes are.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cluster {
    /// Hosts of workers.
    pub(super) members: u32,
    pub(super) topology: &'static str,
    pub(super) groups: usize,
    pub(super) entry: &'static str,
    pub(super) processes: usize,
    pub(super) keys: u64,
    /// A load is held if the 99th percentile of its small requests stays below, in ms.
    pub(super) p99_ms_max: f64,
}

/// The first request of every key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) lost: u64,
    pub(super) per_s: f64,
    pub(super) bytes_per_worker: Option<f64>,
}

/// A host that was killed, and the one that came.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    pub(super) node: NodeId,
    pub(super) at_us: u64,
    /// From the kill until the new one was in and ran its shards.
    pub(super) settled: Duration,
    /// When each member saw the death, after it.
    pub(super) seen_us: Vec<u64>,
}

/// Percentiles in ms; `null` where nothing was counted.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Percentiles {
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    p999_ms: Option<f64>,
}

impl Percentiles {
    fn of(latency: &Latency) -> Self {
        Self {
            p50_ms: latency.millis(50.0),
            p99_ms: latency.millis(99.0),
            p999_ms: latency.millis(99.9),
        }
    }
}

/// One load of one cluster.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    cluster: Cluster,
    rate: u32,
    bodies_per_s: u32,
    kill_and_add: bool,
    /// By whoever waited; what it has by then.
    interrupted: bool,
    /// From when the first request was due to the last answer.
    seconds: f64,
    asked: u64,
    answered: u64,
    answered_per_s: f64,
    /// From when a request was due to its answer.
    small: Percentiles,
    body: Percentiles,
    /// The same small requests without bodies beside them.
    small_alone: Percentiles,
    /// From when a request was due until the load handed it over; part of the above.
    behind: Percentiles,
    /// Requests that were never answered, by any attempt.
    lost: u64,
    /// Attempts that failed and were made again: hosts that died.
    repeated: u64,
    repeated_why: BTreeMap<String, u64>,
    /// Attempts that went to a host which did not have the key.
    misroutes: u64,
    /// Processor time over time, of all nodes and of the load.
    cores: Option<f64>,
    cores_at_rest: Option<f64>,
    /// Of all nodes and of the load, under it.
    memory_peak_mb: Option<f64>,
    data_mb_per_s: f64,
    /// A claim of a name confirmed by all members of a group, at rest and under the load.
    control_round_at_rest: Percentiles,
    control_round: Percentiles,
    /// What all nodes say of themselves; under load with a claim a second, heard by all.
    control_messages_per_node_per_s_at_rest: f64,
    control_messages_per_node_per_s: f64,
    /// Of all bytes that nodes sent, those of control messages.
    control_bytes_percent: f64,
    sessions_mean: f64,
    sessions_max: usize,
    /// Nodes that lived and were declared dead by anybody.
    deaths_of_living: usize,
    /// Where one was killed: when the last member saw it, and when its successor ran its shards.
    death_seen_ms_max: Option<f64>,
    settled_ms: Option<f64>,
    /// First requests of all keys, before the load.
    activations_per_s: f64,
    /// What memory grew by for each of them, with all that came of it.
    bytes_per_idle_worker: Option<f64>,
    /// All was answered, at that rate, and in time.
    held: bool,
}

impl Report {
    /// From the phases at rest, with a claim a second, with small requests beside it, and with all.
    pub(super) fn new(
        cluster: Cluster,
        rate: u32,
        bodies: u32,
        start: &Start,
        [quiet, rest, alone, all]: [&Phase; 4],
        loss: Option<Loss>,
    ) -> Self {
        let answered = all.answered();
        // What was still under way when its patience was over is lost as well.
        let missing = if all.is_done {
            all.asked - answered.min(all.asked)
        } else {
            0
        };
        let lost = start.lost + alone.lost + all.lost.max(missing);
        let answered_per_s = answered as f64 / all.seconds.max(1e-9);
        let small = Percentiles::of(&all.small);
        let in_time = small.p99_ms.is_some_and(|p99| p99 <= cluster.p99_ms_max);
        let bytes = (all.control_bytes + all.data_bytes).max(1);
        let is_killed = |node: &&NodeId| loss.as_ref().is_some_and(|loss| loss.node == **node);
        let killed = all.deaths.iter().filter(is_killed).count();
        let ends: usize = all.sessions.iter().sum();
        let seen = loss.as_ref().and_then(|loss| loss.seen_us.iter().max());
        Self {
            cluster,
            rate,
            bodies_per_s: bodies,
            kill_and_add: loss.is_some(),
            interrupted: !all.is_done,
            seconds: all.seconds,
            asked: all.asked,
            answered,
            answered_per_s,
            small,
            body: Percentiles::of(&all.body),
            small_alone: Percentiles::of(&alone.small),
            behind: Percentiles::of(&all.behind),
            lost,
            repeated: all.repeated.values().sum(),
            repeated_why: all.repeated.clone(),
            misroutes: all.misroutes,
            cores: all.cores,
            cores_at_rest: quiet.cores,
            memory_peak_mb: all.peak_bytes.map(|bytes| bytes as f64 / 1e6),
            data_mb_per_s: all.data_bytes as f64 / 1e6 / all.seconds.max(1e-9),
            control_round_at_rest: Percentiles::of(&rest.rounds),
            control_round: Percentiles::of(&all.rounds),
            control_messages_per_node_per_s_at_rest: quiet.control_per_node_per_s(),
            control_messages_per_node_per_s: all.control_per_node_per_s(),
            control_bytes_percent: all.control_bytes as f64 * 100.0 / bytes as f64,
            sessions_mean: ends as f64 / all.nodes.max(1) as f64,
            sessions_max: all.sessions.iter().copied().max().unwrap_or(0),
            deaths_of_living: all.deaths.len() - killed,
            death_seen_ms_max: seen.map(|&micros| micros as f64 / 1e3),
            settled_ms: loss.as_ref().map(|loss| loss.settled.as_secs_f64() * 1e3),
            activations_per_s: start.per_s,
            bytes_per_idle_worker: start.bytes_per_worker,
            held: lost == 0 && in_time && answered_per_s >= 0.99 * f64::from(rate),
        }
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }
}

/// Prints everything that was measured.
pub(super) fn print(reports: &[Report], json: bool) -> Result<(), WorkersError> {
    if json {
        return Ok(print_json(reports)?);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let mut head = vec![String::new()];
    head.extend(reports.iter().map(|report| {
        let Cluster {
            members,
            topology,
            entry,
            ..
        } = report.cluster;
        format!("{members} members,\n{topology}, {entry}")
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
            let members = report.cluster.members;
            println!("{members} members: {count} attempts made again: {why}");
        }
    }
    Ok(())
}

type Row = (&'static str, fn(&Report) -> String);

const ROWS: &[Row] = &[
    ("requests/s asked, of these with 300 kB", |it| {
        format!("{}, {}", it.rate, it.bodies_per_s)
    }),
    ("answered/s", |it| format!("{:.0}", it.answered_per_s)),
    ("small: p50, p99, p99.9 ms", |it| of(it.small)),
    ("bodies: p50, p99, p99.9 ms", |it| of(it.body)),
    ("small without bodies beside", |it| of(it.small_alone)),
    ("the load itself was late by", |it| of(it.behind)),
    ("lost", |it| it.lost.to_string()),
    ("attempts made again, misroutes", |it| {
        format!("{}, {}", it.repeated, it.misroutes)
    }),
    ("processors used, at rest", |it| {
        format!("{}, {}", shown(it.cores, 2), shown(it.cores_at_rest, 2))
    }),
    ("memory peak MB", |it| shown(it.memory_peak_mb, 0)),
    ("data MB/s; control bytes", |it| {
        format!("{:.1}; {:.2} %", it.data_mb_per_s, it.control_bytes_percent)
    }),
    ("claim heard by all, at rest", |it| {
        of(it.control_round_at_rest)
    }),
    ("under load", |it| of(it.control_round)),
    ("control messages/node/s: rest, load", |it| {
        let rest = it.control_messages_per_node_per_s_at_rest;
        format!("{rest:.1}, {:.1}", it.control_messages_per_node_per_s)
    }),
    ("sessions: mean, max", |it| {
        format!("{:.1}, {}", it.sessions_mean, it.sessions_max)
    }),
    ("deaths of the living", |it| it.deaths_of_living.to_string()),
    ("death seen by all, successor runs, ms", |it| {
        let (seen, settled) = (it.death_seen_ms_max, it.settled_ms);
        format!("{}, {}", shown(seen, 0), shown(settled, 0))
    }),
    ("workers started/s, bytes each", |it| {
        let bytes = shown(it.bytes_per_idle_worker, 0);
        format!("{:.0}, {bytes}", it.activations_per_s)
    }),
    ("held", |it| {
        let why = if it.interrupted { " (interrupted)" } else { "" };
        format!("{}{why}", if it.held { "yes" } else { "no" })
    }),
];

fn of(all: Percentiles) -> String {
    let shown = |millis| shown(millis, 2);
    let Percentiles {
        p50_ms,
        p99_ms,
        p999_ms,
    } = all;
    format!("{} / {} / {}", shown(p50_ms), shown(p99_ms), shown(p999_ms))
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.digits$}"))
}
