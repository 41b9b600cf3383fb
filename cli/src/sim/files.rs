//! Scenario files, results and reports on disk.

use std::path::Path;

use archipelago_sim::run::RunResult;
use archipelago_sim::scenario::Scenario;

use super::SimError;

/// Reads a scenario with some of its values replaced.
pub(super) fn scenario(path: &Path, replaced: &[(String, String)]) -> Result<Scenario, SimError> {
    let text = std::fs::read_to_string(path).map_err(SimError::file(path))?;
    let mut scenario = Scenario::parse_with(&text, replaced).map_err(SimError::scenario(path))?;
    scenario.folder = path.parent().map_or_else(|| ".".into(), Path::to_owned);
    Ok(scenario)
}

/// Reads a result that `sim run --json` wrote.
pub(super) fn result(path: &Path) -> Result<RunResult, SimError> {
    let text = std::fs::read_to_string(path).map_err(SimError::file(path))?;
    serde_json::from_str(&text).map_err(|source| SimError::Result {
        path: path.to_owned(),
        source,
    })
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), SimError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    std::fs::write(&draft, text).map_err(SimError::file(path))?;
    std::fs::rename(&draft, path).map_err(SimError::file(path))
}

/// `PATH=VALUE`, as `--set` has it.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    let (path, value) = text
        .split_once('=')
        .ok_or_else(|| "write PATH=VALUE, such as topology.flat.size=50".to_owned())?;
    Ok((path.trim().to_owned(), value.trim().to_owned()))
}
