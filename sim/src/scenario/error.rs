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

impl ScenarioError {
    /// What `serde` says of a part of the file, its expectation turned into what is allowed.
    pub(super) fn unfit(text: &str, offset: usize, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(offset, |span| span.start);
        let message = error.message().trim().replace('\n', ", ");
        let (problem, expected) = message
            .split_once(", expected ")
            .or_else(|| Some(("a value of another kind", message.strip_prefix("wanted ")?)))
            .unwrap_or((message.as_str(), "as its documentation says"));
        let allowed = match expected.trim_start_matches("one of ") {
            "f64" => "a number",
            "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
            other => other,
        };
        Self::new(
            line_of(text, offset),
            problem.to_owned(),
            format!("allowed: {allowed}"),
        )
    }
}

/// The line, from 1, that a byte of `text` is in.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}
