//! The rows as a table, or as JSON.

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::row::{FIGURES, Row};
use crate::Failure;

/// Everything until now.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
}

impl Report {
    /// Prints what there is.
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            println!("{}", serde_json::to_string(&self.object()?)?);
            return Ok(());
        }
        println!("{}", self.table());
        for remark in self.remarks() {
            println!("{remark}");
        }
        Ok(())
    }

    /// By number of nodes, then as peers are listed.
    fn sorted(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by_key(|row| (row.nodes, row.peer));
        rows
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let names = FIGURES.iter().map(|figure| figure.0);
        table.set_header(["nodes", "peer"].into_iter().chain(names));
        for row in self.sorted() {
            let figures = FIGURES.iter().map(|figure| figure.1(row));
            let cells = figures.map(|value| value.map_or("–".to_owned(), shown));
            let head = [row.nodes.to_string(), row.peer.name().to_owned()];
            table.add_row(head.into_iter().chain(cells));
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// Why there are dashes.
    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for row in self.sorted() {
            let broke = row.broke.iter().map(|why| format!("did not form: {why}"));
            for remark in broke.chain(row.remarks.iter().cloned()) {
                remarks.push(format!("{} of {}: {remark}", row.nodes, row.peer.name()));
            }
        }
        let mut nameless: Vec<&str> = Vec::new();
        nameless.extend(self.rows.iter().filter_map(|row| row.peer.nameless()));
        nameless.dedup();
        remarks.extend(nameless.into_iter().map(str::to_owned));
        remarks
    }

    fn object(&self) -> Result<Value, Failure> {
        let rows = self.sorted().into_iter().map(|row| {
            let mut value = serde_json::to_value(row)?;
            for (name, figure) in FIGURES {
                value[name] = json!(figure(row));
            }
            Ok(value)
        });
        let rows: Result<Vec<Value>, serde_json::Error> = rows.collect();
        Ok(json!({ "rows": rows?, "remarks": self.remarks() }))
    }
}

/// Three digits are more than repeats.
fn shown(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        1.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::kind::Kind;

    fn report() -> Report {
        let mut broken = Row::new(Kind::Ractor, 100);
        broken.broke = Some("not within 60 s".to_owned());
        let mut nats = Row::new(Kind::Nats, 10);
        (nats.formed_s, nats.memory_mb) = (Some(1.5), Some(120.0));
        Report {
            rows: vec![broken, nats],
        }
    }

    #[test]
    fn a_dash_has_its_reason_below() {
        let report = report();
        assert!(report.table().to_string().contains('–'));
        let remarks = report.remarks();
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        assert_eq!(remarks[0], "100 of ractor: did not form: not within 60 s");
    }

    #[test]
    fn json_has_every_column_of_every_row() {
        let object = report().object().expect("is written");
        assert_eq!(object["rows"][0]["peer"], "nats");
        assert_eq!(object["rows"][0]["memory_mb_per_node"], 12.0);
        assert_eq!(object["rows"][1]["formed_s"], Value::Null);
    }
}
