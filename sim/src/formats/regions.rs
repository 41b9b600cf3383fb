//! Pings between cloud regions: one file per region, a line `min/avg/max/mdev:region` for each
//! other and itself, round trips in milliseconds.
//!
//! It is what `ping` prints at its end, with the region's name behind.

use std::collections::BTreeMap;

use super::{FormatError, SITES_MAX, excerpt, lines, number};

const REMEDY: &str = "expected is 'min/avg/max/mdev:region' in milliseconds";

/// Round trips to one region, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ping {
    /// The fastest.
    pub min: f64,
    /// The mean.
    pub avg: f64,
    /// The slowest.
    pub max: f64,
    /// The standard deviation.
    pub mdev: f64,
}

/// Reads one region's file: by name of the other region.
///
/// # Errors
/// [`FormatError`] with the line for what is no such line, for numbers out of order, and for a
/// region that stands twice.
pub fn read(text: &str) -> Result<BTreeMap<String, Ping>, FormatError> {
    let mut pings = BTreeMap::new();
    for (line, content) in lines(text) {
        let Some((figures, region)) = content.split_once(':') else {
            let problem = format!("no region in '{}'", excerpt(content));
            return Err(FormatError::line(line, problem, REMEDY));
        };
        let ping = ping(figures, line)?;
        if pings.insert(region.trim().to_owned(), ping).is_some() {
            let problem = format!("region {} stands twice", excerpt(region));
            return Err(FormatError::line(line, problem, "leave one out"));
        }
        if pings.len() > SITES_MAX {
            let (what, limit) = ("regions", SITES_MAX);
            return Err(FormatError::TooMuch { what, limit });
        }
    }
    if pings.is_empty() {
        return Err(FormatError::whole("no region", REMEDY));
    }
    Ok(pings)
}

fn ping(figures: &str, line: usize) -> Result<Ping, FormatError> {
    let mut numbers = figures
        .split('/')
        .map(|figure| number(figure, line, REMEDY));
    let mut next = || {
        let missing = || FormatError::line(line, "less than four numbers", REMEDY);
        numbers.next().unwrap_or_else(|| Err(missing()))
    };
    let (min, avg, max, mdev) = (next()?, next()?, next()?, next()?);
    let is_ordered = 0.0 <= min && min <= avg && avg <= max && mdev >= 0.0;
    if !is_ordered || numbers.next().is_some() {
        let problem = format!("'{}' is not min/avg/max/mdev", excerpt(figures));
        return Err(FormatError::line(line, problem, REMEDY));
    }
    Ok(Ping {
        min,
        avg,
        max,
        mdev,
    })
}
