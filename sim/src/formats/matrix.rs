//! Square matrices of numbers, a row per line, by blanks, tabs, commas or semicolons.
//!
//! PlanetLab's and Seattle's forms. What is not positive, or `nan`, `-`, `inf`, is missing.

use super::{FormatError, SITES_MAX, excerpt, lines};

const REMEDY: &str = "expected is a square of numbers, as many in each line as there are lines";

/// A square of numbers; missing ones are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Square {
    /// Numbers in a row.
    pub len: usize,
    /// Row after row.
    pub cells: Vec<Option<f64>>,
}

impl Square {
    /// Nothing known.
    ///
    /// # Errors
    /// [`FormatError::TooMuch`] above [`SITES_MAX`] rows.
    pub fn empty(len: usize) -> Result<Self, FormatError> {
        if len > SITES_MAX {
            let (what, limit) = ("rows", SITES_MAX);
            return Err(FormatError::TooMuch { what, limit });
        }
        let cells = vec![None; len * len];
        Ok(Self { len, cells })
    }

    /// The number in a row and column; `None` if it is missing or there is no such place.
    pub fn cell(&self, row: usize, column: usize) -> Option<f64> {
        if column >= self.len {
            return None;
        }
        self.cells.get(row * self.len + column).copied().flatten()
    }

    /// Sets a number; places that are none are ignored.
    pub fn set(&mut self, row: usize, column: usize, value: f64) {
        if column < self.len
            && let Some(cell) = self.cells.get_mut(row * self.len + column)
        {
            *cell = Some(value);
        }
    }
}

/// Reads a square.
///
/// # Errors
/// [`FormatError`] with the line for a row of another length or what is no number, and for more
/// than [`SITES_MAX`] rows.
pub fn read(text: &str) -> Result<Square, FormatError> {
    let mut square = Square::default();
    let mut rows = 0;
    for (number, line) in lines(text) {
        let before = square.cells.len();
        for field in fields(line) {
            if square.cells.len() - before >= SITES_MAX {
                return Err(too_many());
            }
            square.cells.push(cell(field, number)?);
        }
        let len = square.cells.len() - before;
        if rows == 0 {
            square.len = len;
        }
        if len != square.len {
            let problem = format!("{len} numbers, and {} in the first line", square.len);
            return Err(FormatError::line(number, problem, REMEDY));
        }
        rows += 1;
        if rows > SITES_MAX {
            return Err(too_many());
        }
    }
    if rows == 0 || rows != square.len {
        let problem = format!("{rows} lines of {} numbers", square.len);
        return Err(FormatError::whole(problem, REMEDY));
    }
    Ok(square)
}

fn too_many() -> FormatError {
    let (what, limit) = ("rows", SITES_MAX);
    FormatError::TooMuch { what, limit }
}

fn fields(line: &str) -> impl Iterator<Item = &str> {
    let is_separator = |letter: char| letter.is_whitespace() || ",;".contains(letter);
    line.split(is_separator).filter(|field| !field.is_empty())
}

fn cell(field: &str, line: usize) -> Result<Option<f64>, FormatError> {
    if field == "-" {
        return Ok(None);
    }
    match field.parse::<f64>() {
        Ok(value) => Ok(Some(value).filter(|value| value.is_finite() && *value > 0.0)),
        Err(_) => {
            let problem = format!("'{}' is no number", excerpt(field));
            Err(FormatError::line(line, problem, REMEDY))
        }
    }
}
