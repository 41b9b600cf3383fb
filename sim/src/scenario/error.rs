//! What can be wrong with a scenario: each error names the line and what is allowed there.

/// A scenario that cannot be run; nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {problem}; {remedy}")]
pub struct ScenarioError {
    /// The line of the file, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
    /// What is allowed.
    pub remedy: String,
}

impl ScenarioError {
    /// At a line.
    pub fn new(line: usize, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            line,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// What the parser of TOML says.
    pub(super) fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let problem = error.message().trim().replace('\n', ", ");
        Self::new(line_of(text, offset), problem, "see https://toml.io")
    }
}

/// The line, from 1, that a byte of `text` is in.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}
