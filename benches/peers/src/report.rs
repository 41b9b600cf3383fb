//! What was measured, peer by peer: as a table, or as JSON.

use std::collections::BTreeMap;

use archipelago_load::{Sample, Shape, Workload};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value};

use crate::Failure;
use crate::peer::Peer;

/// Everything until now.
#[derive(Debug, Default)]
pub(crate) struct Report {
    samples: BTreeMap<(Workload, Peer), Sample>,
    /// Why a peer, or one of its figures, is missing.
    remarks: Vec<String>,
}

/// One line of the table: what it is called in JSON, and how it is read off a sample.
pub(crate) type Figure = (&'static str, fn(&Sample) -> Option<f64>);

/// The figures of a workload.
pub(crate) fn figures(workload: Workload) -> Vec<Figure> {
    let per_second: Figure = ("per_s", |sample| Some(sample.per_second()));
    match workload.shape() {
        Shape::Requests(1) => vec![
            ("p50_us", |sample| sample.typical.micros(50.0)),
            ("p99_us", |sample| sample.typical.micros(99.0)),
        ],
        Shape::Oneway if workload.body_len() >= 16_384 => {
            vec![("mb_per_s", |sample| Some(sample.megabytes_per_second()))]
        }
        Shape::Oneway => vec![per_second],
        Shape::Requests(_) => vec![per_second, ("p99_us", |sample| sample.latency.micros(99.0))],
        Shape::Paced | Shape::Mixed => vec![("p99_us", |sample| sample.latency.micros(99.0))],
    }
}

impl Report {
    /// Adds a turn.
    pub(crate) fn add(&mut self, peer: Peer, workload: Workload, turn: &Sample) {
        self.samples.entry((workload, peer)).or_default().add(turn);
    }

    /// A peer that is not there.
    pub(crate) fn absent(&mut self, peer: Peer, error: &Failure) {
        self.remarks
            .push(format!("{} did not run: {error}", peer.name()));
    }

    /// A turn that gave nothing.
    pub(crate) fn failed(&mut self, peer: Peer, workload: Workload, error: &Failure) {
        let remark = format!("{} over {}: {error}", workload.key(), peer.name());
        self.remarks.push(remark);
    }

    /// The workloads of which anything was measured.
    pub(crate) fn workloads(&self) -> Vec<Workload> {
        let all = Workload::ALL.into_iter();
        all.filter(|&it| self.samples.keys().any(|&(workload, _)| workload == it))
            .collect()
    }

    /// One figure of a peer, if it was measured.
    pub(crate) fn figure(&self, workload: Workload, peer: Peer, figure: Figure) -> Option<f64> {
        figure.1(self.samples.get(&(workload, peer))?)
    }

    /// Prints what there is.
    pub(crate) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            println!("{}", serde_json::to_string(&self.object())?);
            return Ok(());
        }
        println!("{}", self.table());
        for remark in &self.remarks {
            println!("{remark}");
        }
        Ok(())
    }

    fn object(&self) -> Value {
        let mut peers = Map::new();
        for peer in Peer::ALL {
            let mut mine = Map::new();
            for workload in self.workloads() {
                for figure in figures(workload) {
                    let key = format!("{}_{}", workload.key(), figure.0);
                    mine.insert(key, self.figure(workload, peer, figure).into());
                }
                let sample = self.samples.get(&(workload, peer));
                let lost = sample.map(|sample| sample.lost + sample.reordered);
                mine.insert(format!("{}_lost_or_reordered", workload.key()), lost.into());
            }
            peers.insert(peer.name().to_owned(), Value::Object(mine));
        }
        let remarks = self.remarks.iter().cloned().map(Value::from).collect();
        let all = [
            ("peers".to_owned(), Value::Object(peers)),
            ("remarks".to_owned(), remarks),
        ];
        Value::Object(all.into_iter().collect())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let names = Peer::ALL.map(|peer| peer.name().to_owned());
        table.set_header(std::iter::once(String::new()).chain(names));
        for workload in self.workloads() {
            for figure in figures(workload) {
                let values = Peer::ALL.map(|peer| self.figure(workload, peer, figure));
                let cells = values.map(|value| value.map_or("–".to_owned(), shown));
                let label = format!("{} {}", workload.key(), figure.0);
                table.add_row(std::iter::once(label).chain(cells));
            }
            let wrong = |peer| {
                let sample = self.samples.get(&(workload, peer));
                sample.map_or(0, |sample| sample.lost + sample.reordered)
            };
            let wrong = Peer::ALL.map(wrong);
            if wrong.iter().any(|&it| it > 0) {
                let label = format!("{} lost or reordered", workload.key());
                let cells = wrong.map(|it| it.to_string());
                table.add_row(std::iter::once(label).chain(cells));
            }
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

/// Three digits are more than repeats.
fn shown(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}
