//! File formats of graphs, matrices and lists, read with bounds and typed errors.
//!
//! A reader takes text and gives plain values; what they mean (a delay, a group) is for others to
//! say. Hostile text costs at most its own length and a fixed bound, and never a panic.
//!
//! | graphs | | tables | |
//! |---|---|---|---|
//! | [`graphml`] | Internet Topology Zoo, yEd, Gephi | [`matrix`] | a square of numbers |
//! | [`gml`] | NetworkX, the Zoo's other form | [`king`] | p2psim's lists of pairs |
//! | [`dot`] | Graphviz | [`regions`] | pings between cloud regions |
//! | [`json`] | node-link, as D3 and NetworkX have it | [`points`] | coordinates |
//! | [`edges`] | lists of pairs, by commas or blanks | | |
//!
//! Cost: O(n log n) in the text's length, and twice its memory.

pub mod dot;
pub mod edges;
mod error;
pub mod gml;
mod graph;
pub mod graphml;
pub mod json;
pub mod king;
pub mod matrix;
pub mod points;
pub mod regions;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use error::FormatError;
pub use graph::{Attributes, Edge, Graph, Vertex};

/// The longest text that a reader takes: 64 MiB.
pub const TEXT_BYTES_MAX: usize = 64 << 20;
/// The most vertices of a graph that a reader takes.
pub const VERTICES_MAX: usize = 200_000;
/// The most edges of a graph that a reader takes.
pub const EDGES_MAX: usize = 2_000_000;
/// The most rows of a table that a reader takes.
pub const SITES_MAX: usize = 4_096;

/// How a graph is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GraphFormat {
    /// XML, `.graphml` or `.xml`.
    Graphml,
    /// Brackets, `.gml`.
    Gml,
    /// Graphviz, `.dot` or `.gv`.
    Dot,
    /// Node-link, `.json`.
    Json,
    /// Pairs, `.csv`, `.tsv`, `.txt`, `.edges`.
    Edges,
}

impl GraphFormat {
    /// The format that a file's name tells.
    pub fn of(file: &Path) -> Option<Self> {
        let extension = file.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "graphml" | "xml" => Some(Self::Graphml),
            "gml" => Some(Self::Gml),
            "dot" | "gv" => Some(Self::Dot),
            "json" => Some(Self::Json),
            "csv" | "tsv" | "txt" | "edges" => Some(Self::Edges),
            _ => None,
        }
    }

    /// Reads a graph.
    ///
    /// # Errors
    /// [`FormatError`], naming the line where there is one.
    pub fn read(self, text: &str) -> Result<Graph, FormatError> {
        bounded(text)?;
        match self {
            Self::Graphml => graphml::read(text),
            Self::Gml => gml::read(text),
            Self::Dot => dot::read(text),
            Self::Json => json::read(text),
            Self::Edges => edges::read(text),
        }
    }

    /// Writes a graph so that [`GraphFormat::read`] gives it back (GML has no writer: it is written
    /// as GraphML).
    pub fn write(self, graph: &Graph) -> String {
        match self {
            Self::Graphml | Self::Gml => graphml::write(graph),
            Self::Dot => dot::write(graph),
            Self::Json => json::write(graph),
            Self::Edges => edges::write(graph),
        }
    }
}

/// The text of a file of at most [`TEXT_BYTES_MAX`]. What is no UTF-8 is replaced: names only.
///
/// # Errors
/// What the file system answers.
pub(crate) fn load(path: &Path) -> io::Result<String> {
    let bytes_max = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    let read = file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if read > TEXT_BYTES_MAX {
        let problem = format!("longer than {TEXT_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Refuses text that is too long to be read at all.
pub(crate) fn bounded(text: &str) -> Result<(), FormatError> {
    if text.len() > TEXT_BYTES_MAX {
        let (what, limit) = ("bytes", TEXT_BYTES_MAX);
        return Err(FormatError::TooMuch { what, limit });
    }
    Ok(())
}

/// A finite number, or an error that names the line.
pub(crate) fn number(text: &str, line: usize, remedy: &'static str) -> Result<f64, FormatError> {
    let value = text.trim().parse::<f64>().ok();
    value
        .filter(|value| value.is_finite())
        .ok_or_else(|| FormatError::line(line, format!("'{}' is no number", excerpt(text)), remedy))
}

/// The beginning of some text, for messages.
pub(crate) fn excerpt(text: &str) -> String {
    let text = text.trim();
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The lines that say something: no blank ones, no comments by `#`, `%` or `//`; counted from 1.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().enumerate();
    let numbered = numbered.map(|(index, line)| (index + 1, line.trim()));
    numbered.filter(|(_, line)| {
        let is_comment = line.starts_with(['#', '%']) || line.starts_with("//");
        !line.is_empty() && !is_comment
    })
}
