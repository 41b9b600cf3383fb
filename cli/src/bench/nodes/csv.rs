//! What was measured, for spreadsheets: the fields of the JSON rows, in their order.

use serde_json::Value;

use super::row::{Measured, Row};

/// A head and a line for each row; a figure that was not taken is empty.
pub(super) fn render(measured: &Measured) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for (place, row) in measured.rows.iter().enumerate() {
        let fields = fields(row)?;
        if place == 0 {
            let names = fields.iter().map(|(name, _)| name.as_str());
            text.push_str(&line(names));
        }
        text.push_str(&line(fields.iter().map(|(_, value)| value.as_str())));
    }
    Ok(text)
}

fn fields(row: &Row) -> Result<Vec<(String, String)>, serde_json::Error> {
    let Value::Object(fields) = serde_json::to_value(row)? else {
        return Ok(Vec::new());
    };
    Ok(fields
        .into_iter()
        .map(|(name, value)| (name, cell(value)))
        .collect())
}

fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(&text),
        Value::Array(all) => {
            let all = all.iter().filter_map(Value::as_str);
            quoted(&all.collect::<Vec<_>>().join("; "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let mut line = cells.collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_as_many_cells_as_the_head_and_commas_are_quoted() {
        let row = Row {
            nodes: 7,
            failures: vec!["one, two".to_owned(), "three".to_owned()],
            ..Row::default()
        };
        let measured = Measured {
            rows: vec![row],
            ..Measured::default()
        };
        let text = render(&measured).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("\"one, two; three\""), "{text}");
        let cells = lines[1].replace("one, two", "");
        assert_eq!(cells.matches(',').count(), lines[0].matches(',').count());
    }
}
