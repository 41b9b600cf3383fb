//! Latency as distance: points in a box, or coordinates that somebody measured.
//!
//! Sources: F. Dabek, R. Cox, F. Kaashoek, R. Morris, Vivaldi, SIGCOMM 2004: Euclidean distance plus
//! a height at each end, which stands for the access link. Cost: O(dimensions) per look-up; points by
//! chance are drawn from the node's number each time and take no memory.

use super::config::{CoordinatesConfig, Way};
use super::distribution::{micros_exact, unit};
use super::error::UnderlayError;
use super::sites::Site;
use crate::formats::points::Points;
use crate::random::Random;

/// The most dimensions of points by chance.
const DIMENSIONS_MAX: f64 = 8.0;

/// Points, in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Coordinates {
    points: Source,
    dimensions: usize,
    least: f64,
}

#[derive(Clone, Debug)]
enum Source {
    /// In a box of this side, from this seed.
    Chance { side: f64, seed: u64 },
    /// Point after point, and each one's height.
    Given {
        numbers: Vec<f64>,
        heights: Vec<f64>,
    },
}

impl Coordinates {
    /// A point for every node.
    pub(super) fn by_chance(config: &CoordinatesConfig, seed: u64) -> Result<Self, UnderlayError> {
        let dimensions = config.dimensions;
        let range = (1.0, DIMENSIONS_MAX);
        UnderlayError::check("dimensions", dimensions as f64, range, "1 to 8")?;
        let side = micros_exact("side_ms", config.side_ms)?;
        Ok(Self {
            points: Source::Chance { side, seed },
            dimensions,
            least: micros_exact("local_ms", config.local_ms)?.max(1.0),
        })
    }

    /// A site for every point of a file.
    pub(super) fn given(
        points: Points,
        config: &CoordinatesConfig,
    ) -> Result<(Self, Vec<Site>), UnderlayError> {
        let dimensions = points.dimensions - usize::from(config.heights);
        if dimensions == 0 {
            let problem = "a point needs a number beside its height";
            return Err(UnderlayError::Contradiction(problem.to_owned()));
        }
        let scale = match config.way {
            Way::RoundTrip => 500.0,
            Way::OneWay => 1_000.0,
        };
        let (mut numbers, mut heights) = (Vec::new(), Vec::new());
        for point in points.numbers.chunks_exact(points.dimensions) {
            let (place, height) = point.split_at(dimensions);
            numbers.extend(place.iter().map(|number| number * scale));
            heights.push(height.first().map_or(0.0, |height| height.max(0.0) * scale));
        }
        let names = points.names.into_iter();
        let sites = names.map(|name| Site {
            name,
            position: None,
        });
        let coordinates = Self {
            points: Source::Given { numbers, heights },
            dimensions,
            least: micros_exact("local_ms", config.local_ms)?.max(1.0),
        };
        Ok((coordinates, sites.collect()))
    }

    /// Microseconds between two points, one way.
    pub(super) fn latency(&self, from: u32, to: u32) -> f64 {
        let distance = match &self.points {
            Source::Chance { side, seed } => {
                let mut one = Random::split(*seed, from.into());
                let mut other = Random::split(*seed, to.into());
                let differences = (0..self.dimensions).map(|_| unit(&mut one) - unit(&mut other));
                side * libm::sqrt(differences.map(|it| it * it).sum())
            }
            Source::Given { numbers, heights } => {
                let height = |point: u32| heights.get(point as usize).copied().unwrap_or(0.0);
                let place = |point: u32| {
                    let numbers = numbers.iter().skip(point as usize * self.dimensions);
                    numbers.take(self.dimensions)
                };
                let differences = place(from).zip(place(to)).map(|(one, other)| one - other);
                let distance = libm::sqrt(differences.map(|it| it * it).sum());
                distance + height(from) + height(to)
            }
        };
        distance.max(self.least)
    }

    pub(super) const fn least(&self) -> f64 {
        self.least
    }
}
