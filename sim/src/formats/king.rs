//! The lists of p2psim, in which the King data set comes: `node` lines, then `i,j microseconds`.
//!
//! ```text
//!  topology E2EGraph
//!  node 1
//!  node 2
//!
//!  1,2 38000
//! ```
//! Nodes are numbered as they appear. A pair that stands once holds both ways; other lines with a
//! word in front are passed over.
//! Source: p2psim, MIT 2004; K. Gummadi, S. Saroiu, S. Gribble, King, IMW 2002.

use std::collections::BTreeMap;

use super::matrix::Square;
use super::{FormatError, SITES_MAX, excerpt, lines, number};

const REMEDY: &str = "expected is 'node I' or 'I,J MICROSECONDS'";

/// Reads a square of microseconds, and the names of its rows.
///
/// # Errors
/// [`FormatError`] with the line for anything else, for pairs of unknown nodes, and for more than
/// [`SITES_MAX`] nodes.
pub fn read(text: &str) -> Result<(Square, Vec<String>), FormatError> {
    let mut names = Vec::new();
    let mut places = BTreeMap::new();
    let mut pairs = Vec::new();
    for (line, content) in lines(text) {
        let mut words = content.split([' ', '\t', ',', '(', ')']);
        let mut words = words.by_ref().filter(|word| !word.is_empty());
        match words.next() {
            Some("node") => {
                let name = words.next().unwrap_or_default();
                node(name, line, &mut names, &mut places)?;
            }
            Some(first) if first.starts_with(|letter: char| letter.is_ascii_alphabetic()) => {}
            Some(first) => {
                let (second, value) = (words.next(), words.next());
                let (Some(second), Some(value)) = (second, value) else {
                    let problem = format!("'{}' is no pair", excerpt(content));
                    return Err(FormatError::line(line, problem, REMEDY));
                };
                let value = number(value, line, REMEDY)?;
                pairs.push((
                    place(first, line, &places)?,
                    place(second, line, &places)?,
                    value,
                ));
            }
            None => {}
        }
    }
    Ok((square(names.len(), &pairs)?, names))
}

fn node<'a>(
    name: &'a str,
    line: usize,
    names: &mut Vec<String>,
    places: &mut BTreeMap<&'a str, usize>,
) -> Result<(), FormatError> {
    if name.is_empty() {
        return Err(FormatError::line(line, "a node without a number", REMEDY));
    }
    if names.len() >= SITES_MAX {
        let (what, limit) = ("nodes", SITES_MAX);
        return Err(FormatError::TooMuch { what, limit });
    }
    if places.insert(name, names.len()).is_some() {
        let problem = format!("a second node {}", excerpt(name));
        return Err(FormatError::line(line, problem, REMEDY));
    }
    names.push(name.to_owned());
    Ok(())
}

fn place(name: &str, line: usize, places: &BTreeMap<&str, usize>) -> Result<usize, FormatError> {
    places.get(name).copied().ok_or_else(|| {
        let problem = format!("no node {}", excerpt(name));
        FormatError::line(line, problem, "name every node by a line 'node I' first")
    })
}

fn square(len: usize, pairs: &[(usize, usize, f64)]) -> Result<Square, FormatError> {
    if len == 0 {
        return Err(FormatError::whole("no node", REMEDY));
    }
    let mut square = Square::empty(len)?;
    for &(from, to, value) in pairs {
        if value > 0.0 {
            square.set(from, to, value);
            if square.cell(to, from).is_none() {
                square.set(to, from, value);
            }
        }
    }
    Ok(square)
}
