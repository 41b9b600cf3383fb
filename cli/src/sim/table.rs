//! Tables for people.

use archipelago_sim::report::{count, figure, figures, rows};
use archipelago_sim::run::RunResult;
use comfy_table::{Table, presets};

/// Violations that are printed.
const PRINTED_MAX: usize = 20;

/// One run.
pub(super) fn print(result: &RunResult) {
    let mut table = framed();
    for (name, value) in rows(result) {
        table.add_row([name, value]);
    }
    println!("{table}");
    for violation in result.violations.iter().take(PRINTED_MAX) {
        println!("VIOLATION {}: {}", violation.invariant, violation.text);
    }
    let state = match (result.interrupted, result.violations_count) {
        (true, _) => "interrupted: this is what there was".to_owned(),
        (false, 0) => "everything held".to_owned(),
        (false, found) => format!("{} violations", count(found)),
    };
    println!("{state}, in {:.2} s", result.wall_s);
}

/// Several runs, a column each.
pub(super) fn print_compared(results: &[(String, RunResult)]) {
    let mut table = framed();
    let names = results.iter().map(|(name, _)| name.clone());
    table.set_header(std::iter::once(String::new()).chain(names));
    let all: Vec<_> = results.iter().map(|(_, result)| figures(result)).collect();
    let Some(first) = all.first() else { return };
    for (place, shape) in first.iter().enumerate() {
        let values: Vec<_> = all.iter().filter_map(|run| run.get(place)).collect();
        if values.iter().any(|value| value.value.is_finite()) {
            let label = if shape.unit.is_empty() {
                shape.label.to_owned()
            } else {
                format!("{}, {}", shape.label, shape.unit)
            };
            let values = values.iter().map(|value| figure(value.value));
            table.add_row(std::iter::once(label).chain(values));
        }
    }
    println!("{table}");
}

pub(crate) fn framed() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table
}
