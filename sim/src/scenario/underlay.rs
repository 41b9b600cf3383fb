//! `[underlay]`: what the links between nodes are like.
//!
//! In short, `latency = "5ms"` with `jitter`, `loss_percent` and `bandwidth`; in full, what
//! [`UnderlayConfig`] reads: distributions, matrices, regions, coordinates, graphs.

use std::path::Path;

use super::error::ScenarioError;
use super::reader::Table;
use crate::link::LinkProfile;
use crate::underlay::{Underlay, UnderlayConfig};

/// The links of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct UnderlaySpec {
    /// In short or in full.
    pub links: LinkSpec,
    /// Where it stands in the file.
    pub line: usize,
}

/// All links alike, or a network below them.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkSpec {
    /// All alike.
    Alike(LinkProfile),
    /// A network.
    Network(Box<UnderlayConfig>),
}

const SHORT: &[&str] = &["latency", "jitter", "loss_percent", "bandwidth"];

impl Default for UnderlaySpec {
    fn default() -> Self {
        Self {
            links: LinkSpec::Alike(LinkProfile::default()),
            line: 1,
        }
    }
}

impl UnderlaySpec {
    /// The network, where it is more than links that are all alike. Files are sought in `folder`.
    ///
    /// # Errors
    /// Files that are not there or not what they should be, and numbers out of their range.
    pub fn build(&self, seed: u64, folder: &Path) -> Result<Option<Underlay>, ScenarioError> {
        match &self.links {
            LinkSpec::Alike(_) => Ok(None),
            LinkSpec::Network(config) => config.build(seed, folder).map(Some).map_err(|error| {
                let remedy = "see `[underlay]` and the files that it names";
                ScenarioError::new(self.line, error.to_string(), remedy)
            }),
        }
    }

    /// The figures of a link without a network.
    pub fn link(&self) -> LinkProfile {
        match &self.links {
            LinkSpec::Alike(profile) => profile.clone(),
            LinkSpec::Network(_) => LinkProfile::default(),
        }
    }
}

pub(super) fn read(table: Option<Table<'_>>) -> Result<UnderlaySpec, ScenarioError> {
    let Some(table) = table else {
        return Ok(UnderlaySpec::default());
    };
    let is_table = |key: &str| {
        let value = table.value(key);
        value.is_some_and(|value| value.get_ref().is_table())
    };
    let is_short = table
        .keys()
        .all(|key| SHORT.contains(&key) && !is_table(key));
    let links = if is_short {
        LinkSpec::Alike(link(&table, LinkProfile::default())?)
    } else {
        LinkSpec::Network(Box::new(table.read_as()?))
    };
    Ok(UnderlaySpec {
        links,
        line: table.line(),
    })
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
