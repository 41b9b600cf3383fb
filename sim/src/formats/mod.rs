//! File formats of graphs, matrices and lists, read with bounds and typed errors.
//!
//! A reader takes text and gives plain values; what they mean (a delay, a group) is for others to
//! say. Hostile text costs at most its own length and a fixed bound, and never a panic.

mod error;

pub use error::FormatError;
