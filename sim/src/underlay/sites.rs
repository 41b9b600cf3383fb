//! Latencies between sites, as tables.
//!
//! A table is made once, from a matrix, from pings or from the paths of a graph, and shared. What a
//! measurement left out is filled by its other direction, else by the median of all.
//! Cost: 4 bytes per pair of sites (16 with spread); a look-up is one read.

use std::time::Duration;

use archipelago_core::Time;

use super::distribution::whole;
use super::error::UnderlayError;
use crate::formats::matrix::Square;
use crate::random::Random;

/// A place where nodes are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Site {
    /// As the file has it.
    pub name: String,
    /// Latitude and longitude in degrees, if known.
    pub position: Option<(f64, f64)>,
}

/// Latencies between sites, in microseconds, one way.
#[derive(Clone, Debug)]
pub(super) struct Table {
    sites: u32,
    /// Slices of `sites` × `sites`, row by row.
    cells: Vec<u32>,
    slice: Duration,
    spread: Vec<Spread>,
    /// Pairs that the measurement left out.
    pub(super) missing: usize,
}

/// How far single messages stray from a table's latency, which is their least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) mean: f32,
    pub(super) deviation: f32,
    pub(super) most: u32,
}

impl Table {
    /// A table of one slice from a square of microseconds that has no gap.
    pub(super) fn of(sites: usize, cells: Vec<u32>) -> Self {
        Self {
            sites: u32::try_from(sites).unwrap_or(u32::MAX),
            cells,
            slice: Duration::MAX,
            spread: Vec::new(),
            missing: 0,
        }
    }

    /// A table of measured slices; `scale` makes one-way microseconds of them.
    ///
    /// # Errors
    /// [`UnderlayError::Contradiction`] for slices of different size, or with nothing in them.
    pub(super) fn measured(
        slices: &[Square],
        scale: f64,
        local: u32,
        slice: Duration,
    ) -> Result<Self, UnderlayError> {
        let len = slices.first().map_or(0, |slice| slice.len);
        if slices.iter().any(|slice| slice.len != len) {
            let problem = "the matrices of different times have different sizes";
            return Err(UnderlayError::Contradiction(problem.to_owned()));
        }
        let mut table = Self::of(len, Vec::new());
        table.slice = slice;
        for square in slices {
            table.append(square, scale, local)?;
        }
        Ok(table)
    }

    pub(super) fn with_spread(mut self, spread: Vec<Spread>) -> Self {
        self.spread = spread;
        self
    }

    fn append(&mut self, square: &Square, scale: f64, local: u32) -> Result<(), UnderlayError> {
        let median = median(square.cells.iter().flatten().copied().collect());
        for row in 0..square.len {
            for column in 0..square.len {
                let known = square.cell(row, column);
                if row == column {
                    let cell = known.map_or(local, |value| micros(value * scale));
                    self.cells.push(cell);
                    continue;
                }
                self.missing += usize::from(known.is_none());
                let value = known.or_else(|| square.cell(column, row)).or(median);
                let Some(value) = value else {
                    let problem = "the matrix has no positive number";
                    return Err(UnderlayError::Contradiction(problem.to_owned()));
                };
                self.cells.push(micros(value * scale));
            }
        }
        Ok(())
    }

    pub(super) const fn sites(&self) -> u32 {
        self.sites
    }

    /// The latency between two sites at an instant, as far as it is certain.
    pub(super) fn latency(&self, from: u32, to: u32, now: Time) -> u64 {
        let cell = self.cell(from, to) + self.slice_of(now) * self.slice_len();
        self.cells.get(cell).copied().unwrap_or_default().into()
    }

    /// The latency of one message.
    pub(super) fn draw(&self, from: u32, to: u32, now: Time, random: &mut Random) -> u64 {
        let least = self.latency(from, to, now);
        let Some(spread) = self.spread.get(self.cell(from, to)) else {
            return least;
        };
        let (mean, deviation) = (f64::from(spread.mean), f64::from(spread.deviation));
        super::distribution::truncated(mean, deviation, (least, spread.most.into()), random)
    }

    pub(super) fn least(&self) -> u64 {
        self.cells.iter().copied().min().unwrap_or_default().into()
    }

    fn cell(&self, from: u32, to: u32) -> usize {
        from as usize * self.sites as usize + to as usize
    }

    fn slice_len(&self) -> usize {
        self.sites as usize * self.sites as usize
    }

    fn slice_of(&self, now: Time) -> usize {
        let slices = self.cells.len() / self.slice_len().max(1);
        if slices <= 1 {
            return 0;
        }
        let slice = u64::try_from(self.slice.as_micros()).unwrap_or(u64::MAX);
        let number = now.as_micros() / slice.max(1);
        usize::try_from(number % slices as u64).unwrap_or(0)
    }
}

/// The middle one; `None` of nothing.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// To the nearest microsecond, at least one, at most an hour.
pub(super) fn micros(value: f64) -> u32 {
    u32::try_from(whole(value).max(1)).unwrap_or(u32::MAX)
}
