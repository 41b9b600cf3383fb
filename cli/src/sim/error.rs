//! Why a simulation could not be run or its report not be written.

use std::path::{Path, PathBuf};

use archipelago_sim::scenario::ScenarioError;

/// Nothing was run, or what was run could not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimError {
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{}:{source}", path.display())]
    Scenario {
        path: PathBuf,
        source: ScenarioError,
    },
    #[error("{}: this is no saved result: {source}", path.display())]
    Result {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("the result cannot be written: {0}")]
    Write(#[from] serde_json::Error),
    #[error(transparent)]
    Live(#[from] crate::demo::DemoError),
    #[error("{0}")]
    Usage(String),
}

impl SimError {
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }

    pub(super) fn scenario(path: &Path) -> impl FnOnce(ScenarioError) -> Self {
        let path = path.to_owned();
        move |source| Self::Scenario { path, source }
    }
}
