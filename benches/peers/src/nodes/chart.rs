//! The figures over the number of nodes, a panel for each, both axes logarithmic.

use std::path::Path;

use plotters::prelude::*;

use super::kind::Kind;
use super::report::Report;
use super::row::{FIGURES, Figure};
use crate::Failure;

const PANEL: (u32, u32) = (480, 300);
const COLUMNS: usize = 2;

/// A point of a line: nodes, and the figure.
type Point = (f64, f64);

/// Writes the plot.
pub(super) fn write(path: &Path, report: &Report) -> Result<(), Failure> {
    let lines: Vec<(&str, Vec<(Kind, Vec<Point>)>)> = FIGURES
        .iter()
        .map(|figure| (figure.0, lines(report, *figure)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    let rows = lines.len().div_ceil(COLUMNS).max(1);
    let size = (PANEL.0 * COLUMNS as u32, PANEL.1 * u32::try_from(rows)?);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, (name, lines)) in root.split_evenly((rows, COLUMNS)).iter().zip(&lines) {
        draw(panel, name, lines)?;
    }
    root.present()?;
    Ok(())
}

fn lines(report: &Report, figure: Figure) -> Vec<(Kind, Vec<Point>)> {
    let line = |kind: Kind| {
        let rows = report.rows.iter().filter(|row| row.peer == kind);
        let points = rows.filter_map(|row| Some((row.nodes as f64, figure.1(row)?)));
        let mut points: Vec<Point> = points.filter(|point| point.1 > 0.0).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        (kind, points)
    };
    let all = Kind::ALL.into_iter().map(line);
    all.filter(|line| !line.1.is_empty()).collect()
}

fn draw(
    panel: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    name: &str,
    lines: &[(Kind, Vec<Point>)],
) -> Result<(), Failure> {
    let points = || lines.iter().flat_map(|line| &line.1);
    let least = points().fold(Point::from((f64::MAX, f64::MAX)), |least, point| {
        (least.0.min(point.0), least.1.min(point.1))
    });
    let most = points().fold((0.0, 0.0), |most: Point, point| {
        (most.0.max(point.0), most.1.max(point.1))
    });
    let mut chart = ChartBuilder::on(panel)
        .caption(name, ("sans-serif", 15))
        .margin(8)
        .x_label_area_size(26)
        .y_label_area_size(56)
        .build_cartesian_2d(
            (least.0 / 1.1..most.0 * 1.1).log_scale(),
            (least.1 / 1.5..most.1 * 1.5).log_scale(),
        )?;
    chart.configure_mesh().x_desc("nodes").draw()?;
    for (kind, points) in lines {
        let color = color(*kind);
        let style = color.stroke_width(if is_ours(*kind) { 3 } else { 1 });
        let line = chart.draw_series(std::iter::once(PathElement::new(points.clone(), style)))?;
        line.label(kind.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], style));
        let dots = points
            .iter()
            .map(|&point| Circle::new(point, 2, color.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 11))
        .draw()?;
    Ok(())
}

const fn is_ours(kind: Kind) -> bool {
    matches!(kind, Kind::Archipelago | Kind::ArchipelagoMesh)
}

const fn color(kind: Kind) -> RGBColor {
    match kind {
        Kind::Archipelago => RGBColor(20, 90, 160),
        Kind::ArchipelagoMesh => RGBColor(110, 170, 230),
        Kind::Erlang => RGBColor(170, 30, 60),
        Kind::Ractor => RGBColor(210, 120, 20),
        Kind::Kameo => RGBColor(110, 80, 170),
        Kind::Zenoh => RGBColor(30, 140, 90),
        Kind::Nats => RGBColor(110, 110, 110),
    }
}
