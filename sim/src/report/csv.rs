//! Results as CSV (RFC 4180): one line each, the same columns always.

use super::figures::figures;
use crate::run::RunResult;

const TEXTS: [&str; 6] = ["name", "parameters", "seed", "digest", "mode", "start"];

/// The names of the columns, without the end of the line.
pub fn csv_header() -> String {
    let figures = figures(&RunResult::default());
    let names = figures.iter().map(|figure| figure.key);
    let all: Vec<_> = TEXTS.into_iter().chain(names).collect();
    all.join(",")
}

/// A result, without the end of the line; what was not measured is empty.
pub fn csv_line(result: &RunResult) -> String {
    let parameters = result.parameters.iter();
    let parameters: Vec<_> = parameters
        .map(|(path, value)| format!("{path}={value}"))
        .collect();
    let mut fields = vec![
        quoted(&result.name),
        quoted(&parameters.join(" ")),
        result.seed.to_string(),
        result.digest.clone(),
        result.mode.clone(),
        result.start.clone(),
    ];
    fields.extend(figures(result).iter().map(|figure| {
        if figure.value.is_finite() {
            figure.value.to_string()
        } else {
            String::new()
        }
    }));
    fields.join(",")
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
