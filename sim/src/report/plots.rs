//! Plots as inline SVG: lines, steps of distributions, bars. No fonts are needed to draw them.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// The size of a plot, in pixels of its own.
const SIZE: (u32, u32) = (640, 300);
/// Colours that the colour-blind can tell apart (P. Tol's bright scheme).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x44, 0x77, 0xaa),
    RGBColor(0xee, 0x66, 0x77),
    RGBColor(0x22, 0x88, 0x33),
    RGBColor(0xcc, 0xbb, 0x44),
    RGBColor(0x66, 0xcc, 0xee),
    RGBColor(0xaa, 0x33, 0x77),
];
const GRID: RGBColor = RGBColor(0xe8, 0xe8, 0xec);
const TEXT: RGBColor = RGBColor(0x44, 0x48, 0x50);
const MARK: RGBColor = RGBColor(0xb0, 0x30, 0x30);
/// What lies within this ratio on a logarithmic axis is drawn in the middle of a wider one.
const NARROW: f64 = 3.0;
/// Labels on an axis of whole places.
const PLACES_MAX: u64 = 10;
/// Marks that are drawn on one plot.
const MARKS_MAX: usize = 60;

/// A plot of lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) lines: Vec<(&'a str, Vec<(f64, f64)>)>,
    /// Half-widths at the points of each line, where they are known.
    pub(super) bars: Vec<Vec<f64>>,
    /// Instants at which something was done.
    pub(super) marks: Vec<f64>,
    /// A logarithmic axis of x.
    pub(super) is_log_x: bool,
    /// The least upper end of y.
    pub(super) y_top: f64,
    pub(super) has_points: bool,
}

type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

impl Lines<'_> {
    /// The plot, or nothing where there is nothing to draw.
    pub(super) fn svg(&self) -> String {
        let has_any = self.lines.iter().any(|(_, points)| points.len() > 1);
        if !has_any {
            return String::new();
        }
        drawn(|area| {
            if self.is_log_x {
                self.draw_log(area)
            } else {
                self.draw(area)
            }
        })
    }

    fn bounds(&self) -> (f64, f64, f64) {
        let points = self.lines.iter().flat_map(|(_, points)| points);
        let mut bounds = (f64::INFINITY, f64::NEG_INFINITY, self.y_top);
        for &(x, y) in points {
            bounds.0 = bounds.0.min(x);
            bounds.1 = bounds.1.max(x);
            bounds.2 = bounds.2.max(y);
        }
        if bounds.0 >= bounds.1 {
            bounds.1 = bounds.0 + 1.0;
        }
        if bounds.2 <= 0.0 {
            bounds.2 = 1.0;
        }
        // Room for the legend above the lines, where no end of y is given.
        let has_legend = self.lines.len() > 1 && self.y_top <= 0.0;
        let room = if has_legend { 1.4 } else { 1.06 };
        (bounds.0, bounds.1, bounds.2 * room)
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let (from, to, top) = self.bounds();
        let mut chart = builder(area).build_cartesian_2d(from..to, 0.0..top)?;
        mesh!(chart, self.x, self.y);
        for &at in self.marks.iter().take(MARKS_MAX) {
            let line = [(at, 0.0), (at, top)];
            chart.draw_series(LineSeries::new(line, MARK.mix(0.5).stroke_width(1)))?;
        }
        self.series(&mut chart)
    }

    fn draw_log(&self, area: &Area<'_>) -> Drawn {
        let (from, to, top) = self.bounds();
        let (from, to) = (from.max(1e-3), to.max(2e-3));
        // Values that are nearly one still have a scale to be read at.
        let room = if to < from * NARROW { NARROW } else { 1.0 };
        let x = (from / room..to * room).log_scale();
        let mut chart = builder(area).build_cartesian_2d(x, 0.0..top)?;
        mesh!(chart, self.x, self.y);
        self.series(&mut chart)
    }

    fn series<'c, 's: 'c, X>(
        &self,
        chart: &mut ChartContext<'c, SVGBackend<'s>, Cartesian2d<X, RangedCoordf64>>,
    ) -> Drawn
    where
        X: Ranged<ValueType = f64>,
    {
        for (place, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            chart.draw_series(line)?.label(*name).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(3))
            });
            if self.has_points {
                let dots = points.iter().map(|&at| Circle::new(at, 3, colour.filled()));
                chart.draw_series(dots)?;
            }
            let widths = self.bars.get(place).map_or(&[][..], Vec::as_slice);
            for (&(x, y), &width) in points.iter().zip(widths) {
                let bar = [(x, (y - width).max(0.0)), (x, y + width)];
                chart.draw_series(LineSeries::new(bar, colour.mix(0.6).stroke_width(1)))?;
            }
        }
        if self.lines.len() > 1 {
            let position = if self.is_log_x {
                SeriesLabelPosition::LowerRight
            } else {
                SeriesLabelPosition::UpperRight
            };
            legend!(chart, position);
        }
        Ok(())
    }
}

/// Bars at whole places of x.
pub(super) fn bars(x: &str, y: &str, bars: &[(u64, u64)]) -> String {
    let (Some(&(first, _)), Some(&(last, _))) = (bars.first(), bars.last()) else {
        return String::new();
    };
    drawn(|area| {
        let top = bars
            .iter()
            .map(|&(_, count)| float(count))
            .fold(1.0, f64::max)
            * 1.06;
        let (from, to) = (float(first) - 0.5, float(last) + 0.5);
        let mut chart = builder(area).build_cartesian_2d(from..to, 0.0..top)?;
        let places = (last - first + 1).min(PLACES_MAX);
        let whole = |value: &f64| format!("{value:.0}");
        mesh!(chart, x, y, &whole, places as usize);
        let width = ((to - from) / 300.0).max(0.4);
        let rectangles = bars.iter().map(|&(place, count)| {
            let (left, right) = (float(place) - width, float(place) + width);
            Rectangle::new([(left, 0.0), (right, float(count))], COLOURS[0].filled())
        });
        chart.draw_series(rectangles)?;
        Ok(())
    })
}

/// One horizontal bar for each name, drawn by hand: what plotters has no axis for.
pub(super) fn named_bars(bars: &[(String, f64, String)]) -> String {
    let most = bars
        .iter()
        .map(|(_, value, _)| *value)
        .filter(|value| value.is_finite());
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let height = 26 * bars.len() + 8;
    let mut svg = format!("<svg viewBox=\"0 0 640 {height}\" role=\"img\">");
    for (place, (name, value, text)) in bars.iter().enumerate() {
        let y = 26 * place + 6;
        let width = if value.is_finite() {
            (value / most * 320.0).max(1.0)
        } else {
            0.0
        };
        let colour = COLOURS[place % COLOURS.len()];
        let fill = format!("#{:02x}{:02x}{:02x}", colour.0, colour.1, colour.2);
        let (middle, after) = (y + 14, 210.0 + width);
        let name = super::format::escape(&name.chars().take(30).collect::<String>());
        let written = write!(
            svg,
            "<text x=\"200\" y=\"{middle}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"205\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" fill=\"{fill}\"/>\
             <text x=\"{after:.1}\" y=\"{middle}\">{text}</text>"
        );
        written.expect("writing into a text cannot fail");
    }
    svg.push_str("</svg>");
    svg
}

/// Draws into a text, and lets the page set the size.
fn drawn(draw: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let result = draw(&area).and_then(|()| area.present());
        if result.is_err() {
            return String::new();
        }
    }
    let (width, height) = SIZE;
    svg.replacen(
        &format!("width=\"{width}\" height=\"{height}\" "),
        "role=\"img\" ",
        1,
    )
}

fn builder<'a, 's>(area: &'a Area<'s>) -> ChartBuilder<'a, 'a, SVGBackend<'s>>
where
    's: 'a,
{
    let mut builder = ChartBuilder::on(area);
    builder
        .margin(8)
        .margin_right(26)
        .x_label_area_size(38)
        .y_label_area_size(56);
    builder
}

/// Axes, grid and labels.
macro_rules! mesh {
    ($chart:expr, $x:expr, $y:expr) => {
        mesh!($chart, $x, $y, &|value| super::format::figure(*value), 10)
    };
    ($chart:expr, $x:expr, $y:expr, $label:expr, $labels:expr) => {
        $chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(TEXT)
            .label_style(("sans-serif", 13).into_font().color(&TEXT))
            .axis_desc_style(("sans-serif", 13).into_font().color(&TEXT))
            .x_desc($x)
            .y_desc($y)
            .x_labels($labels)
            .x_label_formatter($label)
            .y_label_formatter(&|value| super::format::figure(*value))
            .draw()?
    };
}

macro_rules! legend {
    ($chart:expr, $position:expr) => {
        $chart
            .configure_series_labels()
            .label_font(("sans-serif", 13).into_font().color(&TEXT))
            .background_style(WHITE.mix(0.85))
            .border_style(GRID)
            .position($position)
            .draw()?
    };
}

use {legend, mesh};

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn float(count: u64) -> f64 {
    count as f64
}
