//! `[topology]`: which nodes there are and which groups they are in, as [`OverlayConfig`] reads it.
//!
//! ```toml
//! [topology.flat]
//! groups = 10
//! size = 20
//! reflectors = 3
//! ```

use std::path::Path;

use super::error::ScenarioError;
use super::reader::Table;
use crate::topology::{Overlay, OverlayConfig};
use crate::underlay::Underlay;

/// The shape of a world.
#[derive(Clone, Debug, PartialEq)]
pub struct TopologySpec {
    /// Which.
    pub shape: OverlayConfig,
    /// Where it stands in the file.
    pub line: usize,
}

impl TopologySpec {
    /// Where there is no world: nobody's.
    pub(super) const fn none() -> Self {
        Self {
            shape: OverlayConfig::FullMesh { nodes: 1 },
            line: 1,
        }
    }

    /// The groups and their members. Chance, where the shape has any, comes from `seed`; files are
    /// sought in `folder`.
    ///
    /// # Errors
    /// Sizes out of their range, and files that are not there or not what they should be.
    pub fn build(
        &self,
        seed: u64,
        folder: &Path,
        underlay: Option<&Underlay>,
    ) -> Result<Overlay, ScenarioError> {
        let built = self.shape.build(seed, folder, underlay);
        built.map_err(|error| {
            let remedy = "see `[topology]` and the files that it names";
            ScenarioError::new(self.line, error.to_string(), remedy)
        })
    }
}

pub(super) fn read(table: &Table<'_>) -> Result<TopologySpec, ScenarioError> {
    Ok(TopologySpec {
        shape: table.read_as()?,
        line: table.line(),
    })
}
