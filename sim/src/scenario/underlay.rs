//! `[underlay]`: what the links between nodes are like, and which nodes are where.

use std::time::Duration;

use super::error::ScenarioError;
use super::reader::Table;
use crate::link::LinkProfile;

/// The links of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct UnderlaySpec {
    /// Every link that is not told otherwise.
    pub link: LinkProfile,
    /// Regions that the groups are spread over, round robin; none is one place.
    pub regions: Vec<Region>,
    /// Between regions.
    pub between: LinkProfile,
}

/// A part of the underlay that can be lost as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its name, for faults.
    pub name: String,
}

const KEYS: &[&str] = &[
    "latency",
    "jitter",
    "loss_percent",
    "bandwidth",
    "regions",
    "between",
];

impl Default for UnderlaySpec {
    fn default() -> Self {
        Self {
            link: LinkProfile::default(),
            regions: Vec::new(),
            between: LinkProfile::with_latency(Duration::from_millis(30)),
        }
    }
}

pub(super) fn read(table: Option<Table<'_>>) -> Result<UnderlaySpec, ScenarioError> {
    let mut spec = UnderlaySpec::default();
    let Some(table) = table else {
        return Ok(spec);
    };
    table.only(KEYS)?;
    spec.link = link(&table, spec.link)?;
    let regions = table.texts("regions")?.unwrap_or_default();
    spec.regions = regions.into_iter().map(|name| Region { name }).collect();
    if let Some(between) = table.table("between")? {
        between.only(&KEYS[..4])?;
        spec.between = link(&between, spec.between)?;
    }
    Ok(spec)
}

/// Reads the figures of a link over those that it has without a word.
pub(super) fn link(table: &Table<'_>, mut link: LinkProfile) -> Result<LinkProfile, ScenarioError> {
    if let Some(latency) = table.duration("latency")? {
        link.latency = latency;
        link.jitter = latency / 10;
    }
    if let Some(jitter) = table.duration("jitter")? {
        link.jitter = jitter;
    }
    if let Some(percent) = table.number("loss_percent", 0.0..=100.0)? {
        link.loss_millionths = millionths(percent);
    }
    if let Some(rate) = table.integer("bandwidth", 1..=u64::MAX)? {
        link.bandwidth = Some(rate);
    }
    Ok(link)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a percentage was checked to be between 0 and 100"
)]
fn millionths(percent: f64) -> u32 {
    (percent * 10_000.0) as u32
}
