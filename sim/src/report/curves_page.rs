//! A report of anything measured over one number: a plot for each figure, a table, and facts.

use super::page::Page;
use super::plots::Lines;

/// One plot: a figure over a number, a line for each thing that was compared.
#[derive(Clone, Debug)]
pub struct Curve<'a> {
    /// What is drawn.
    pub title: &'a str,
    /// The axis below, which is logarithmic.
    pub x: &'a str,
    /// The axis beside, with its unit.
    pub y: &'a str,
    /// Names and points; a line of one point is not drawn.
    pub lines: Vec<(&'a str, Vec<(f64, f64)>)>,
}

/// Title, what is said about it, and the command that made it, then the plots, a table with its
/// head, and facts below their heading.
pub fn curves_page(
    (title, about, command): (&str, &str, &str),
    curves: &[Curve<'_>],
    (head, rows): (&[String], &[Vec<String>]),
    (heading, facts): (&str, &[(String, String)]),
) -> String {
    let mut page = Page::new(title, about);
    page.begin_plots();
    for curve in curves {
        let plot = Lines {
            x: curve.x,
            y: curve.y,
            lines: curve.lines.clone(),
            is_log_x: true,
            has_points: true,
            ..Lines::default()
        };
        page.plot(&plot.svg(), curve.title, "");
    }
    page.end_plots();
    page.heading("Every figure");
    page.table(head, rows);
    if !facts.is_empty() {
        page.heading(heading);
        page.facts(facts);
    }
    let version = env!("CARGO_PKG_VERSION");
    let command = super::format::escape(command);
    page.finish(&format!("<code>{command}</code> · archipelago {version}"))
}
