//! `[topology]`: which nodes there are and which groups they are in.
//!
//! By a `shape` and its sizes, or by one of the plans that [`OverlayConfig`] reads:
//! `[topology.hierarchy]`, `[topology.shaped]`, `[topology.regional]`, `[topology.file]` and others.

use std::path::Path;

use super::error::ScenarioError;
use super::reader::Table;
use crate::random::Random;
use crate::topology::{Overlay, OverlayConfig, Topology};
use crate::underlay::Underlay;

/// Most nodes of a scenario.
const NODES_MAX: u32 = 2_000_000;
/// Most members of a group.
const GROUP_MAX: u32 = 20_000;

/// The shape of a world.
#[derive(Clone, Debug, PartialEq)]
pub struct TopologySpec {
    /// Which.
    pub shape: Shape,
    /// Where it stands in the file.
    pub line: usize,
}

/// Shapes and their sizes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// Everybody is connected to everybody: the baseline.
    FullMesh {
        /// How many nodes.
        nodes: u32,
    },
    /// One backbone group over the reflectors of all others.
    Backbone {
        /// How many groups.
        groups: u32,
        /// Members of each.
        size: u32,
        /// Of those, in the backbone.
        reflectors: u32,
    },
    /// Groups in a row that share members with their neighbours.
    Chain {
        /// How many groups.
        groups: u32,
        /// Members of each.
        size: u32,
        /// Members that two neighbours share.
        bridges: u32,
    },
    /// A chain whose ends meet.
    Ring {
        /// How many groups.
        groups: u32,
        /// Members of each.
        size: u32,
        /// Members that two neighbours share.
        bridges: u32,
    },
    /// Everybody in one group, and further memberships by chance.
    Overlapping {
        /// How many nodes.
        nodes: u32,
        /// How many groups.
        groups: u32,
        /// Memberships beyond the first.
        overlaps: u32,
    },
    /// Groups that nothing connects.
    Separate {
        /// How many groups.
        groups: u32,
        /// Members of each.
        size: u32,
    },
    /// Anything that can be planned.
    Planned(Box<OverlayConfig>),
}

#[derive(Clone, Copy)]
enum Name {
    FullMesh,
    Backbone,
    Chain,
    Ring,
    Overlapping,
    Separate,
}

const NAMES: &[(&str, Name)] = &[
    ("full-mesh", Name::FullMesh),
    ("backbone", Name::Backbone),
    ("chain", Name::Chain),
    ("ring", Name::Ring),
    ("overlapping", Name::Overlapping),
    ("separate", Name::Separate),
];

impl TopologySpec {
    /// The groups and their members. Chance, where the shape has any, comes from `seed`; files are
    /// sought in `folder`, and `underlay` says which node is where.
    ///
    /// # Errors
    /// Numbers out of their range, and files that are not there or not what they should be.
    pub fn build(
        &self,
        seed: u64,
        folder: &Path,
        underlay: Option<&Underlay>,
    ) -> Result<Topology, ScenarioError> {
        if let Shape::Planned(_) = self.shape {
            let overlay = self.overlay(seed, folder, underlay)?;
            return Ok(Topology::of(&overlay));
        }
        Ok(self.simple(seed))
    }

    /// The plan of the groups, for metrics and pictures.
    ///
    /// # Errors
    /// As [`TopologySpec::build`].
    pub fn overlay(
        &self,
        seed: u64,
        folder: &Path,
        underlay: Option<&Underlay>,
    ) -> Result<Overlay, ScenarioError> {
        let Shape::Planned(config) = &self.shape else {
            return Ok(self.simple(seed).overlay());
        };
        let overlay = config.build(seed, folder, underlay);
        overlay.map_err(|error| {
            let remedy = "see `[topology]` and the files that it names";
            ScenarioError::new(self.line, error.to_string(), remedy)
        })
    }

    fn simple(&self, seed: u64) -> Topology {
        match self.shape {
            Shape::Planned(_) => Topology::new(),
            Shape::FullMesh { nodes } => Topology::group(nodes),
            Shape::Backbone {
                groups,
                size,
                reflectors,
            } => Topology::backbone(groups, size, reflectors as usize),
            Shape::Chain {
                groups,
                size,
                bridges,
            } => Topology::chain(groups, size, bridges),
            Shape::Ring {
                groups,
                size,
                bridges,
            } => Topology::ring(groups, size, bridges),
            Shape::Overlapping {
                nodes,
                groups,
                overlaps,
            } => {
                let mut random = Random::split(seed, 0x70_7010);
                Topology::overlapping(nodes, groups as usize, overlaps as usize, &mut random)
            }
            Shape::Separate { groups, size } => {
                let mut topology = Topology::new();
                for group in 0..groups {
                    let members = topology.take(size);
                    topology.push(&format!("g{group}"), members);
                }
                topology
            }
        }
    }
}

pub(super) fn read(table: &Table<'_>) -> Result<TopologySpec, ScenarioError> {
    if !table.has("shape") && table.keys().next().is_some() {
        let shape = Shape::Planned(Box::new(table.read_as()?));
        let line = table.line();
        return Ok(TopologySpec { shape, line });
    }
    let name = table.require_one_of("shape", NAMES)?;
    let shape = match name {
        Name::FullMesh => {
            table.only(&["shape", "nodes"])?;
            Shape::FullMesh {
                nodes: table.require_count("nodes", 2..=GROUP_MAX)?,
            }
        }
        Name::Backbone => {
            table.only(&["shape", "groups", "size", "reflectors"])?;
            let (groups, size) = sizes(table)?;
            let reflectors = table.count("reflectors", 1..=size)?.unwrap_or(2.min(size));
            Shape::Backbone {
                groups,
                size,
                reflectors,
            }
        }
        Name::Chain => {
            let (groups, size, bridges) = row(table)?;
            Shape::Chain {
                groups,
                size,
                bridges,
            }
        }
        Name::Ring => {
            let (groups, size, bridges) = row(table)?;
            Shape::Ring {
                groups,
                size,
                bridges,
            }
        }
        Name::Overlapping => {
            table.only(&["shape", "nodes", "groups", "overlaps"])?;
            let nodes = table.require_count("nodes", 2..=NODES_MAX)?;
            Shape::Overlapping {
                nodes,
                groups: table.require_count("groups", 1..=nodes)?,
                overlaps: table.count("overlaps", 0..=NODES_MAX)?.unwrap_or(0),
            }
        }
        Name::Separate => {
            table.only(&["shape", "groups", "size"])?;
            let (groups, size) = sizes(table)?;
            Shape::Separate { groups, size }
        }
    };
    Ok(TopologySpec {
        shape,
        line: table.line(),
    })
}

fn row(table: &Table<'_>) -> Result<(u32, u32, u32), ScenarioError> {
    table.only(&["shape", "groups", "size", "bridges"])?;
    let (groups, size) = sizes(table)?;
    let bridges = table.count("bridges", 1..=size / 2)?.unwrap_or(1);
    Ok((groups, size, bridges))
}

fn sizes(table: &Table<'_>) -> Result<(u32, u32), ScenarioError> {
    let groups = table.require_count("groups", 1..=NODES_MAX)?;
    let size = table.require_count("size", 2..=GROUP_MAX)?;
    if u64::from(groups) * u64::from(size) > u64::from(NODES_MAX) {
        let problem = format!("{groups} groups of {size} are too many nodes");
        return Err(table.wrong("groups", problem, format!("allowed: {NODES_MAX} in all")));
    }
    Ok((groups, size))
}
