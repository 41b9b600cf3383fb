//! What was measured of the wire: Archipelago, bare TCP and the ratio side by side, or as JSON.

use std::collections::BTreeMap;

use archipelago_load::{Sample, Shape, Workload};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value};

use super::WireError;

/// Over what a turn ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Ours,
    Raw,
}

/// Everything that was measured until now.
#[derive(Debug, Default)]
pub(crate) struct Report(BTreeMap<(Workload, Transport), Sample>);

/// One figure of a workload: what it is called after the workload's key, and its value.
type Figure = (&'static str, Option<f64>);

impl Report {
    /// Adds a turn.
    pub(crate) fn add(&mut self, workload: Workload, transport: Transport, turn: &Sample) {
        let sample = self.0.entry((workload, transport));
        sample.or_default().add(turn);
    }

    /// Prints what there is; a figure that was not taken is `null`, or a dash.
    pub(crate) fn print(&self, json: bool) -> Result<(), WireError> {
        if json {
            println!("{}", serde_json::to_string(&self.object())?);
        } else {
            println!("{}", self.table());
        }
        Ok(())
    }

    fn object(&self) -> Value {
        let mut object = Map::new();
        for (transport, prefix) in [(Transport::Ours, ""), (Transport::Raw, "raw_")] {
            for workload in Workload::ALL {
                for (name, figure) in self.figures(workload, transport) {
                    let key = format!("{prefix}{}_{name}", workload.key());
                    object.insert(key, figure.into());
                }
            }
            for (name, figure) in self.totals(transport) {
                object.insert(format!("{prefix}{name}"), figure.into());
            }
        }
        Value::Object(object)
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["", "archipelago", "raw tcp", "ratio"]);
        for workload in Workload::ALL {
            let ours = self.figures(workload, Transport::Ours);
            let raw = self.figures(workload, Transport::Raw);
            for ((name, ours), (_, raw)) in ours.into_iter().zip(raw) {
                let name = format!("{} {name}", workload.key());
                add_row(&mut table, &name, ours, raw);
            }
        }
        let (ours, raw) = (self.totals(Transport::Ours), self.totals(Transport::Raw));
        for ((name, ours), (_, raw)) in ours.into_iter().zip(raw) {
            add_row(&mut table, name, ours, raw);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// All figures of a workload, also those that were not taken.
    fn figures(&self, workload: Workload, transport: Transport) -> Vec<Figure> {
        let sample = self.0.get(&(workload, transport));
        let mut figures = Vec::new();
        let is_oneway = workload.shape() == Shape::Oneway;
        match workload.shape() {
            Shape::Oneway => {
                figures.push(("msgs_per_s", sample.map(Sample::per_second)));
                figures.push(("mb_per_s", sample.map(Sample::megabytes_per_second)));
            }
            Shape::Requests(_) => figures.push(("per_s", sample.map(Sample::per_second))),
            Shape::Mixed => {
                let rate = sample.map(Sample::megabytes_per_second);
                figures.push(("bodies_mb_per_s", rate));
            }
            Shape::Paced => {}
        }
        // Of messages in one direction: from the decision to send to the receiver's hands.
        let micros = |percent| sample.and_then(|sample| sample.latency.micros(percent));
        let names = if is_oneway {
            ["delay_p50_us", "delay_p99_us", "delay_p999_us"]
        } else {
            ["p50_us", "p99_us", "p999_us"]
        };
        let percents = [50.0, 99.0, 99.9].map(micros);
        figures.extend(names.into_iter().zip(percents));
        if let Shape::Requests(_) = workload.shape() {
            figures.push((
                "typical_us",
                sample.and_then(|sample| sample.typical.micros(50.0)),
            ));
        }
        let processor = sample.and_then(Sample::processor_micros);
        figures.push(("cpu_us_per_message", processor));
        figures
    }

    /// Of all workloads together.
    fn totals(&self, transport: Transport) -> [Figure; 4] {
        let of_transport = self.0.iter().filter(|((_, of), _)| *of == transport);
        let samples: Vec<&Sample> = of_transport.map(|(_, sample)| sample).collect();
        let sum = |count: fn(&Sample) -> u64| {
            let counts = samples.iter().map(|sample| count(sample));
            (!samples.is_empty()).then(|| counts.sum::<u64>() as f64)
        };
        let peak = |bytes: fn(&Sample) -> Option<u64>| {
            let most = samples.iter().filter_map(|sample| bytes(sample)).max();
            most.map(|most| most as f64 / 1e6)
        };
        [
            ("lost", sum(|sample| sample.lost)),
            ("reordered", sum(|sample| sample.reordered)),
            ("asking_peak_mb", peak(|sample| sample.cost.asking_peak)),
            ("serving_peak_mb", peak(|sample| sample.cost.serving_peak)),
        ]
    }
}

/// A row, unless nothing was measured.
fn add_row(table: &mut Table, name: &str, ours: Option<f64>, raw: Option<f64>) {
    if ours.is_none() && raw.is_none() {
        return;
    }
    let ratio = ours.zip(raw).filter(|(_, raw)| *raw > 0.0);
    let ratio = ratio.map(|(ours, raw)| format!("{:.2}", ours / raw));
    let name = name.replace('_', " ");
    let dash = || "–".to_owned();
    table.add_row([name, shown(ours), shown(raw), ratio.unwrap_or_else(dash)]);
}

fn shown(figure: Option<f64>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(figure) if figure >= 1e6 => format!("{:.2} M", figure / 1e6),
        Some(figure) if figure >= 1e4 => format!("{:.0} k", figure / 1e3),
        Some(figure) if figure >= 100.0 || figure == 0.0 => format!("{figure:.0}"),
        Some(figure) => format!("{figure:.2}"),
    }
}
