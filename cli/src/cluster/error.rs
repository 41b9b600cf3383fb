//! What can be wrong with a cluster file: each error names the line and the remedy.

use std::path::PathBuf;

/// A cluster that cannot be brought up; nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of another kind; the parser shows the line.
    #[error("{}: {source}", path.display())]
    Syntax {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
    /// The file says something that cannot be.
    #[error("{}:{line}: {problem}; {remedy}", path.display())]
    Meaning {
        path: PathBuf,
        line: usize,
        problem: String,
        remedy: String,
    },
    /// Numbers that do not make a cluster.
    #[error("{problem}; {remedy}")]
    Numbers { problem: String, remedy: String },
}

/// Something wrong at a place of the file, before the place is turned into a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) offset: usize,
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Complaint {
    pub(super) fn at(offset: usize, problem: String, remedy: impl Into<String>) -> Self {
        Self {
            offset,
            problem,
            remedy: remedy.into(),
        }
    }

    pub(super) fn in_file(self, path: PathBuf, text: &str) -> ClusterError {
        let before = text.get(..self.offset).unwrap_or(text);
        ClusterError::Meaning {
            path,
            line: before.matches('\n').count() + 1,
            problem: self.problem,
            remedy: self.remedy,
        }
    }
}
