//! What was measured of the wire: Archipelago, bare TCP and the ratio side by side, or as JSON.

use std::collections::BTreeMap;

use archipelago_load::{Sample, Shape, Workload};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value};

use super::WireError;

/// Over what a turn ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    /// Nodes with threads of their own.
    Own,
    /// Nodes on the caller's threads.
    Caller,
    /// Bare TCP.
    Raw,
}

impl Transport {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 3] = [Self::Own, Self::Caller, Self::Raw];

    /// What stands before the names of its figures.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Own => "",
            Self::Caller => "caller_",
            Self::Raw => "raw_",
        }
    }

    const fn heading(self) -> &'static str {
        match self {
            Self::Own => "archipelago",
            Self::Caller => "on the caller's threads",
            Self::Raw => "raw tcp",
        }
    }
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
        for transport in Transport::ALL {
            let prefix = transport.prefix();
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
        let is_there = |of: &Transport| self.0.keys().any(|(_, transport)| transport == of);
        let columns: Vec<_> = Transport::ALL.into_iter().filter(is_there).collect();
        let mut header = vec![""];
        for column in &columns {
            header.push(column.heading());
            header.extend((*column != Transport::Raw).then_some("/ raw"));
        }
        table.set_header(header);
        for workload in Workload::ALL {
            let of = |transport| self.figures(workload, transport);
            add_rows(&mut table, workload.key(), &columns, of);
        }
        add_rows(&mut table, "", &columns, |transport| {
            self.totals(transport).to_vec()
        });
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

/// The rows of a workload, without those of which nothing was measured.
fn add_rows(
    table: &mut Table,
    workload: &str,
    columns: &[Transport],
    of: impl Fn(Transport) -> Vec<Figure>,
) {
    let figures: Vec<_> = columns.iter().map(|column| of(*column)).collect();
    for (index, (name, raw)) in of(Transport::Raw).into_iter().enumerate() {
        let cells = figures
            .iter()
            .map(|all| all.get(index).and_then(|one| one.1));
        let cells: Vec<Option<f64>> = cells.collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let mut row = vec![format!("{workload} {name}").trim().replace('_', " ")];
        for (column, figure) in columns.iter().zip(cells) {
            row.push(shown(figure));
            row.extend((*column != Transport::Raw).then(|| ratio(figure, raw)));
        }
        table.add_row(row);
    }
}

fn ratio(ours: Option<f64>, raw: Option<f64>) -> String {
    let both = ours.zip(raw).filter(|(_, raw)| *raw > 0.0);
    both.map_or_else(
        || "–".to_owned(),
        |(ours, raw)| format!("{:.2}", ours / raw),
    )
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
