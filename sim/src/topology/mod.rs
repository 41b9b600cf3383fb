//! Who is in which group: plans by generators and files, and worlds made from them.
//!
//! ```text
//!  OverlayConfig ─▶ Overlay { nodes, groups } ─▶ Topology ─▶ World
//!     shapes, tiers,    │        ▲
//!     regions, files    └▶ files ┘ , graphs for metrics, a drawn map
//! ```
//! A plan is a plain value: it decides nothing that a node decides, and one seed gives one plan.

mod config;
mod elected;
mod error;
mod exchange;
mod generate;
mod grouped;
mod plan;
mod shape;
mod world;

pub use config::{
    Flat, FromFile, Grouped, Hierarchy, Mapping, Nearness, Overlapping, OverlayConfig, Regional,
    Shape, Shaped,
};
pub use error::TopologyError;
pub use exchange::OverlayFormat;
pub use plan::{GroupPlan, Overlay};
pub use world::{REALM, Topology, cookies, seed, start_all};
