//! What can be wrong with a file: where, what, and what helps.

/// A file that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A line that cannot be understood.
    #[error("line {line}: {problem}; {remedy}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
        /// What is expected instead.
        remedy: &'static str,
    },
    /// The file as a whole is wrong.
    #[error("{problem}; {remedy}")]
    Whole {
        /// What is wrong.
        problem: String,
        /// What is expected instead.
        remedy: &'static str,
    },
    /// More than the reader takes.
    #[error("more than {limit} {what}; split the file or leave some out")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl FormatError {
    pub(crate) fn line(line: usize, problem: impl Into<String>, remedy: &'static str) -> Self {
        Self::Line {
            line,
            problem: problem.into(),
            remedy,
        }
    }

    pub(crate) fn whole(problem: impl Into<String>, remedy: &'static str) -> Self {
        Self::Whole {
            problem: problem.into(),
            remedy,
        }
    }
}
