//! Edge lists: a pair per line, by commas, semicolons, tabs or blanks, and what else is said of it.
//!
//! A header that begins with `source,target` or `from,to` names the columns; without one the third
//! is `weight`. A line of one field is a vertex with no edge. Fields may stand in quotation marks
//! (RFC 4180).

use super::{Attributes, FormatError, Graph, lines};

const REMEDY: &str = "expected is a pair: from,to[,weight…]";

/// Reads a graph.
///
/// # Errors
/// [`FormatError`] with the line for an empty name or an open quotation, and for too much of
/// anything.
pub fn read(text: &str) -> Result<Graph, FormatError> {
    let mut graph = Graph::default();
    let mut columns = vec!["weight".to_owned()];
    let mut is_first = true;
    for (number, line) in lines(text) {
        let fields = split(line).ok_or_else(|| {
            FormatError::line(number, "a quotation that does not end", "close it by \"")
        })?;
        if std::mem::take(&mut is_first) && is_header(&fields) {
            columns = fields.get(2..).unwrap_or_default().to_vec();
            continue;
        }
        row(&mut graph, &columns, &fields).map_err(|error| place(error, number))?;
    }
    if graph.vertices().is_empty() {
        return Err(FormatError::whole("no edge", REMEDY));
    }
    Ok(graph)
}

fn row(graph: &mut Graph, columns: &[String], fields: &[String]) -> Result<(), FormatError> {
    let [from, rest @ ..] = fields else {
        return Ok(());
    };
    if from.is_empty() {
        return Err(FormatError::whole("an empty name", REMEDY));
    }
    let from = graph.vertex(from)?;
    let [to, values @ ..] = rest else {
        return Ok(());
    };
    if to.is_empty() {
        return Ok(());
    }
    let to = graph.vertex(to)?;
    let named = columns.iter().cloned().zip(values.iter().cloned());
    let attributes: Attributes = named.filter(|(_, value)| !value.is_empty()).collect();
    graph.edge(from, to, attributes)
}

fn place(error: FormatError, line: usize) -> FormatError {
    match error {
        FormatError::Whole { problem, remedy } => FormatError::line(line, problem, remedy),
        other => other,
    }
}

fn is_header(fields: &[String]) -> bool {
    let mut names = fields.iter().map(|field| field.to_ascii_lowercase());
    matches!(
        (names.next().as_deref(), names.next().as_deref()),
        (
            Some("source" | "from" | "src"),
            Some("target" | "to" | "dst")
        )
    )
}

/// The fields of a line; `None` if a quotation does not end.
fn split(line: &str) -> Option<Vec<String>> {
    let separator = [',', ';', '\t'].into_iter().find(|&it| line.contains(it));
    let Some(separator) = separator else {
        return Some(line.split_whitespace().map(unquote).collect());
    };
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut is_quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' => is_quoted = !is_quoted,
            _ if letter == separator && !is_quoted => {
                fields.push(std::mem::take(&mut field).trim().to_owned());
            }
            _ => field.push(letter),
        }
    }
    fields.push(field.trim().to_owned());
    (!is_quoted).then_some(fields)
}

fn unquote(field: &str) -> String {
    let inner = field.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(field).to_owned()
}

/// Writes a graph by commas: a header, the edges, then vertices that have none. What vertices say
/// about themselves is left out.
pub fn write(graph: &Graph) -> String {
    let mut names: Vec<&str> = Vec::new();
    for edge in graph.edges() {
        names.extend(edge.attributes.keys().map(String::as_str));
    }
    names.sort_unstable();
    names.dedup();
    let mut out = line(
        ["source", "target"]
            .into_iter()
            .chain(names.iter().copied()),
    );
    let mut is_used = vec![false; graph.vertices().len()];
    for edge in graph.edges() {
        let end = |place: usize| {
            graph
                .vertices()
                .get(place)
                .map_or("", |it| it.name.as_str())
        };
        let value = |name: &&str| edge.attributes.get(*name).map_or("", String::as_str);
        let values = names.iter().map(value);
        out.push_str(&line(
            [end(edge.from), end(edge.to)].into_iter().chain(values),
        ));
        for place in [edge.from, edge.to] {
            if let Some(used) = is_used.get_mut(place) {
                *used = true;
            }
        }
    }
    let unused = graph.vertices().iter().zip(is_used);
    for (vertex, _) in unused.filter(|(_, is_used)| !is_used) {
        out.push_str(&line([vertex.name.as_str(), ""].into_iter()));
    }
    out
}

fn line<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = fields.map(quote).collect();
    quoted.join(",") + "\n"
}

/// Quotation marks where a field would be read as something else without them. Line ends, which
/// this format cannot hold, become blanks.
fn quote(field: &str) -> String {
    let field = field.replace(['\n', '\r'], " ");
    let is_plain = |letter: char| letter.is_alphanumeric() || "._-:/+".contains(letter);
    if field.chars().all(is_plain) && !field.starts_with("//") {
        return field;
    }
    format!("\"{}\"", field.replace('"', "\"\""))
}
