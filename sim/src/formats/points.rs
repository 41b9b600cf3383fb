//! Coordinates: a point per line, a name in front if it has one.
//!
//! Vivaldi's coordinates have a height as their last number; whether it is one is for the caller to
//! say.

use super::{FormatError, excerpt, lines, number};

/// The most dimensions of a point.
pub const DIMENSIONS_MAX: usize = 16;
/// The most points that are read.
pub const POINTS_MAX: usize = 1_000_000;
const REMEDY: &str = "expected is '[name] x y …', as many numbers in each line";

/// Points of equal dimension.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Numbers of each point.
    pub dimensions: usize,
    /// Point after point.
    pub numbers: Vec<f64>,
    /// What each point is called; its place if the file does not say.
    pub names: Vec<String>,
}

/// Reads points.
///
/// # Errors
/// [`FormatError`] with the line for a point of another dimension or what is no number, and for too
/// much of anything.
pub fn read(text: &str) -> Result<Points, FormatError> {
    let mut points = Points::default();
    for (line, content) in lines(text) {
        if points.names.len() >= POINTS_MAX {
            let (what, limit) = ("points", POINTS_MAX);
            return Err(FormatError::TooMuch { what, limit });
        }
        point(&mut points, line, content)?;
    }
    if points.names.is_empty() {
        return Err(FormatError::whole("no point", REMEDY));
    }
    Ok(points)
}

fn point(points: &mut Points, line: usize, content: &str) -> Result<(), FormatError> {
    let is_separator = |letter: char| letter.is_whitespace() || ",;".contains(letter);
    let mut fields = content
        .split(is_separator)
        .filter(|field| !field.is_empty());
    let mut fields = fields.by_ref().peekable();
    let has_name = fields.peek().is_some_and(|it| it.parse::<f64>().is_err());
    let place = points.names.len().to_string();
    let name = if has_name { fields.next() } else { None };
    points.names.push(name.map_or(place, str::to_owned));
    let before = points.numbers.len();
    for field in fields {
        if points.numbers.len() - before >= DIMENSIONS_MAX {
            let (what, limit) = ("dimensions", DIMENSIONS_MAX);
            return Err(FormatError::TooMuch { what, limit });
        }
        points.numbers.push(number(field, line, REMEDY)?);
    }
    let dimensions = points.numbers.len() - before;
    if before == 0 {
        points.dimensions = dimensions;
    }
    if dimensions == 0 || dimensions != points.dimensions {
        let problem = format!("'{}' has {dimensions} numbers", excerpt(content));
        return Err(FormatError::line(line, problem, REMEDY));
    }
    Ok(())
}
