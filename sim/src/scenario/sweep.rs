//! `[sweep]`: which values a sweep varies, and with which seeds it repeats each point.

use super::error::ScenarioError;
use super::reader::Table;

/// Most points of a sweep, times seeds.
const RUNS_MAX: usize = 1_000_000;

/// The points of a sweep: every combination of the axes' values, each with every seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// What varies.
    pub axes: Vec<Axis>,
    /// The seeds.
    pub seeds: Vec<u64>,
}

/// One thing that varies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The dotted path of the value in the file.
    pub path: String,
    /// Its values, as the file writes them.
    pub values: Vec<String>,
}

impl Sweep {
    /// Every combination: the replaced values and the seed, in a fixed order.
    pub fn runs(&self) -> Vec<(Vec<(String, String)>, u64)> {
        let mut points: Vec<Vec<(String, String)>> = vec![Vec::new()];
        for axis in &self.axes {
            points = points
                .iter()
                .flat_map(|point| {
                    axis.values.iter().map(|value| {
                        let mut point = point.clone();
                        point.push((axis.path.clone(), value.clone()));
                        point
                    })
                })
                .collect();
        }
        let seeds = &self.seeds;
        points
            .into_iter()
            .flat_map(|point| seeds.iter().map(move |&seed| (point.clone(), seed)))
            .collect()
    }
}

pub(super) fn read(table: &Table<'_>) -> Result<Sweep, ScenarioError> {
    let mut axes = Vec::new();
    let mut runs = 1usize;
    for path in table.keys().filter(|&key| key != "seeds") {
        let items = table.items(path)?.unwrap_or_default();
        if items.is_empty() {
            return Err(table.wrong(path, format!("`{path}` has no values"), "name at least one"));
        }
        let values = items.iter().map(|item| table.source(item).to_owned());
        axes.push(Axis {
            path: path.to_owned(),
            values: values.collect(),
        });
        runs = runs.saturating_mul(items.len());
    }
    let seeds = seeds(table)?;
    runs = runs.saturating_mul(seeds.len());
    if runs > RUNS_MAX {
        return Err(ScenarioError::new(
            table.line(),
            format!("a sweep of {runs} runs"),
            format!("allowed: at most {RUNS_MAX}"),
        ));
    }
    Ok(Sweep { axes, seeds })
}

/// A list of seeds, or how many: 1, 2, 3 and so on.
fn seeds(table: &Table<'_>) -> Result<Vec<u64>, ScenarioError> {
    let is_list = table
        .value("seeds")
        .is_some_and(|value| value.get_ref().is_array());
    if !is_list {
        let count = table.integer("seeds", 1..=RUNS_MAX as u64)?.unwrap_or(3);
        return Ok((1..=count).collect());
    }
    let seeds = table.integers("seeds", 0..=u64::MAX)?.unwrap_or_default();
    if seeds.is_empty() {
        return Err(table.wrong(
            "seeds",
            "`seeds` is empty",
            "name at least one, or how many",
        ));
    }
    Ok(seeds)
}
