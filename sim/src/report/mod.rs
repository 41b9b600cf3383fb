//! Results for people and machines: figures by name, CSV, and one self-contained page with plots.
//!
//! Nothing here measures; every number comes from a [`RunResult`](crate::run::RunResult).

mod csv;
mod curves_page;
mod figures;
mod format;
mod html;
mod page;
mod plots;
mod sequence;
mod statistics;
mod sweep_page;
mod topology_page;

#[cfg(test)]
mod tests;

pub use csv::{csv_header, csv_line};
pub use curves_page::{Curve, curves_page};
pub use figures::{Figure, figures, rows};
pub use format::{count, figure, ms};
pub use html::{compare_page, run_page};
pub use sequence::{Told, ToldKind, messages, sequence_page, told};
pub use statistics::{Interval, interval};
pub use sweep_page::{Point, points, sweep_page};
pub use topology_page::{topology_page, topology_rows};
