//! `[engine]`: the engine alone under a workload that simulators are compared by; no world, no
//! machine, no network.
//!
//! ```toml
//! duration = "10s"
//!
//! [engine]
//! workload = "w1"
//! nodes = 100000
//! ```

use super::error::ScenarioError;
use super::reader::Table;

/// What an engine alone does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLoad {
    /// Which workload.
    pub workload: EngineWorkload,
    /// How many nodes, 1 to 16 million.
    pub nodes: u32,
}

/// What simulators are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineWorkload {
    /// Heartbeats between nodes drawn at random: [`crate::w1`].
    W1,
}

const KEYS: &[&str] = &["workload", "nodes"];
const WORKLOADS: &[(&str, EngineWorkload)] = &[("w1", EngineWorkload::W1)];
/// What a file with an engine may say besides.
const BESIDES: &[&str] = &["name", "about", "seed", "duration", "engine", "sweep"];

pub(super) fn read(root: &Table<'_>) -> Result<Option<EngineLoad>, ScenarioError> {
    let Some(table) = root.table("engine")? else {
        return Ok(None);
    };
    root.only(BESIDES)?;
    table.only(KEYS)?;
    Ok(Some(EngineLoad {
        workload: table
            .one_of("workload", WORKLOADS)?
            .unwrap_or(EngineWorkload::W1),
        nodes: table.require_count("nodes", 1..=16_000_000)?,
    }))
}
