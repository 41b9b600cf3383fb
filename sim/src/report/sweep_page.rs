//! The report of a sweep: every figure against what varied, with confidence intervals.

use super::figures::{Figure, figures};
use super::format::figure;
use super::html::name;
use super::page::Page;
use super::plots::Lines;
use super::statistics::{Interval, interval};
use crate::run::RunResult;

/// All runs of one combination of values.
#[derive(Clone, Debug)]
pub struct Point {
    /// What was set.
    pub parameters: Vec<(String, String)>,
    /// Every figure over the seeds, in the order of [`figures`].
    pub figures: Vec<Interval>,
    /// Nodes of the world.
    pub nodes: u64,
    /// Runs in which something did not hold.
    pub failed: usize,
    /// Runs.
    pub runs: usize,
}

/// What was set, and the runs that had it so.
type Runs<'a> = (Vec<(String, String)>, Vec<&'a RunResult>);

/// A line of a plot: its name, its points, and half the width of each point's interval.
type Line = (String, Vec<(f64, f64)>, Vec<f64>);

/// The points of a sweep, in the order in which they come first.
pub fn points(results: &[RunResult]) -> Vec<Point> {
    let mut found: Vec<Runs<'_>> = Vec::new();
    for result in results {
        match found
            .iter_mut()
            .find(|(parameters, _)| *parameters == result.parameters)
        {
            Some((_, runs)) => runs.push(result),
            None => found.push((result.parameters.clone(), vec![result])),
        }
    }
    found
        .into_iter()
        .map(|(parameters, runs)| point(parameters, &runs))
        .collect()
}

fn point(parameters: Vec<(String, String)>, runs: &[&RunResult]) -> Point {
    let all: Vec<_> = runs.iter().map(|run| figures(run)).collect();
    let columns = 0..all.first().map_or(0, Vec::len);
    let figures = columns.map(|place| {
        let values = all.iter().filter_map(|run| run.get(place));
        interval(&values.map(|figure| figure.value).collect::<Vec<_>>())
    });
    Point {
        parameters,
        figures: figures.collect(),
        nodes: runs.first().map_or(0, |run| run.nodes),
        failed: runs.iter().filter(|run| run.violations_count > 0).count(),
        runs: runs.len(),
    }
}

/// A sweep as a page.
pub fn sweep_page(title: &str, about: &str, command: &str, results: &[RunResult]) -> String {
    let points = points(results);
    let mut page = Page::new(title, about);
    let failed: usize = points.iter().map(|point| point.failed).sum();
    page.cards(&[
        ("points", points.len().to_string()),
        ("runs", results.len().to_string()),
        ("runs in which something did not hold", failed.to_string()),
    ]);
    page.begin_plots();
    let shapes = figures(&RunResult::default());
    for (place, shape) in shapes.iter().enumerate() {
        if shape.is_drawn {
            draw(&mut page, (place, shape), &points);
        }
    }
    page.end_plots();
    page.heading("Every figure");
    page.paragraph("Means over the seeds, ± half the width of the 95 % confidence interval.");
    table(&mut page, &points);
    let version = env!("CARGO_PKG_VERSION");
    let command = super::format::escape(command);
    page.finish(&format!("<code>{command}</code> · archipelago {version}"))
}

/// One line for each combination of the other axes; x is the axis of the most numbers, or the
/// number of nodes where that varies too.
fn draw(page: &mut Page, (place, shape): (usize, &Figure), points: &[Point]) {
    let Some((axis, values)) = x_axis(points) else {
        return;
    };
    let mut series: Vec<Line> = Vec::new();
    for (point, &x) in points.iter().zip(&values) {
        let others = point.parameters.iter().filter(|(path, _)| *path != axis);
        let others: Vec<_> = others
            .map(|(path, value)| format!("{path} {value}"))
            .collect();
        let line = others.join(", ");
        let found = point.figures.get(place).copied().unwrap_or_default();
        if !found.mean.is_finite() {
            continue;
        }
        let at = series
            .iter()
            .position(|(name, ..)| *name == line)
            .unwrap_or_else(|| {
                series.push((line, Vec::new(), Vec::new()));
                series.len() - 1
            });
        series[at].1.push((x, found.mean));
        series[at].2.push(found.half_width);
    }
    let plot = Lines {
        x: &axis,
        y: shape.unit,
        lines: series
            .iter()
            .map(|(name, line, _)| (name.as_str(), line.clone()))
            .collect(),
        bars: series.iter().map(|(.., widths)| widths.clone()).collect(),
        has_points: true,
        ..Lines::default()
    };
    page.plot(
        &plot.svg(),
        &name(shape),
        "Mean over the seeds; bars are 95 % confidence intervals.",
    );
}

/// The axis that lies across the plots, and its value at each point.
fn x_axis(points: &[Point]) -> Option<(String, Vec<f64>)> {
    let first = points.first()?;
    let numbers = |axis: usize| -> Option<Vec<f64>> {
        let values = points
            .iter()
            .map(|point| point.parameters.get(axis)?.1.replace('_', "").parse().ok());
        values.collect()
    };
    let best = (0..first.parameters.len())
        .filter_map(|axis| Some((axis, numbers(axis)?)))
        .max_by_key(|(axis, values)| {
            let mut distinct: Vec<_> = values.iter().map(|value| value.to_bits()).collect();
            distinct.sort_unstable();
            distinct.dedup();
            (distinct.len(), std::cmp::Reverse(*axis))
        });
    best.map(|(axis, values)| (first.parameters[axis].0.clone(), values))
}

fn table(page: &mut Page, points: &[Point]) {
    let names = figures(&RunResult::default());
    let mut head = vec!["point".to_owned(), "runs".to_owned()];
    let measured: Vec<usize> = (0..names.len())
        .filter(|&place| {
            let mut intervals = points.iter().filter_map(|point| point.figures.get(place));
            intervals.any(|interval| interval.mean.is_finite())
        })
        .collect();
    head.extend(measured.iter().map(|&place| name(&names[place])));
    let rows = points.iter().map(|point| {
        let parameters: Vec<_> = point
            .parameters
            .iter()
            .map(|(path, value)| format!("{path} = {value}"))
            .collect();
        let mut row = vec![parameters.join(", "), point.runs.to_string()];
        row.extend(measured.iter().map(|&place| {
            let found = point.figures.get(place).copied().unwrap_or_default();
            if found.half_width > 0.0 {
                format!("{} ± {}", figure(found.mean), figure(found.half_width))
            } else {
                figure(found.mean)
            }
        }));
        row
    });
    page.table(&head, &rows.collect::<Vec<_>>());
}
