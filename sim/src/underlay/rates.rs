//! What the edges of a graph carry, and with them its paths.
//!
//! A path carries what its narrowest edge does. Every pair of nodes has its path for itself: how
//! pairs share an edge is not modelled, nor is anything slower than the edges. Two nodes of one
//! site are not limited.
//! Source of the attribute: Knight et al., *The Internet Topology Zoo*, JSAC 29(9), 2011.
//! Cost: 4 bytes per pair of sites; a look-up is one read.

use super::config::{Bandwidths, LINK_SPEED};
use super::error::UnderlayError;
use super::sites::median;
use crate::formats::Graph;

/// Bytes per second of one unit of the table: 8 kbit/s.
const UNIT: u64 = 1_000;
/// Megabits per second of an edge: a bit per second, and ten terabits.
const MBIT: (f64, f64) = (0.000_001, 10_000_000.0);

/// What paths between sites carry.
#[derive(Clone, Debug)]
pub(super) struct Rates {
    sites: usize,
    /// Row by row; `u32::MAX` is unlimited.
    cells: Vec<u32>,
}

impl Rates {
    /// A table of `sites` × `sites` bytes per second, row by row; `u64::MAX` is unlimited.
    pub(super) fn new(sites: usize, rates: impl Iterator<Item = u64>) -> Self {
        let cell = |rate: u64| u32::try_from((rate / UNIT).max(1)).unwrap_or(u32::MAX);
        Self {
            sites,
            cells: rates.map(cell).collect(),
        }
    }

    /// Bytes per second from one site to another; `None` is unlimited.
    pub(super) fn of(&self, from: u32, to: u32) -> Option<u64> {
        let place = from as usize * self.sites + to as usize;
        let cell = self.cells.get(place).copied().unwrap_or(u32::MAX);
        (cell != u32::MAX).then_some(u64::from(cell) * UNIT)
    }
}

/// What each edge of a graph carries, in bytes per second; `u64::MAX` for all where nothing is to be
/// known.
pub(super) fn of_edges(
    graph: &Graph,
    bandwidths: Option<&Bandwidths>,
) -> Result<Vec<u64>, UnderlayError> {
    let Some(bandwidths) = bandwidths else {
        return Ok(vec![u64::MAX; graph.edges().len()]);
    };
    let default = if bandwidths.attribute == LINK_SPEED {
        0.000_001
    } else {
        1.0
    };
    let unit = bandwidths.unit_mbit.unwrap_or(default);
    let range = (1e-9, 1e9);
    let unit = UnderlayError::check("unit_mbit", unit, range, "0.000000001 to 1000000000")?;
    let said = graph.edges().iter().map(|edge| {
        let text = edge.attributes.get(&bandwidths.attribute)?;
        let value = text.trim().parse::<f64>().ok()? * unit;
        (value.is_finite() && value > 0.0).then_some(value.clamp(MBIT.0, MBIT.1))
    });
    let said: Vec<Option<f64>> = said.collect();
    let unknown = match bandwidths.unknown_mbit {
        Some(mbit) => {
            let allowed = "0.000001 to 10000000";
            Some(UnderlayError::check("unknown_mbit", mbit, MBIT, allowed)?)
        }
        None => median(said.iter().flatten().copied().collect()),
    };
    let rates = said.into_iter().map(|mbit| mbit.or(unknown).map(bytes));
    rates.collect::<Option<_>>().ok_or_else(|| {
        let name = &bandwidths.attribute;
        let problem =
            format!("no edge of the graph has a bandwidth in '{name}': give unknown_mbit");
        UnderlayError::Contradiction(problem)
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bytes(mbit: f64) -> u64 {
    ((mbit * 125_000.0) as u64).max(1)
}
