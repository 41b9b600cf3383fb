//! Streams of bytes from mailbox to mailbox, for bodies beyond what a message holds.
//!
//! A user's end is a [`StreamWriter`] or [`StreamReader`]; between it and the peer's task lies a
//! bounded [`Pipe`]. Credit, limits and ends are the machine's ([`archipelago_core::streams`]).
//! On one node writer and reader share one pipe, and nothing else is between them.

mod blocks;
mod error;
mod pipe;
mod reader;
mod writer;

pub use error::StreamError;
pub(crate) use error::{read, written};
pub(crate) use pipe::{Far, Pipe, Way};
pub use reader::StreamReader;
pub use writer::StreamWriter;

/// Bytes of pieces of all streams to one peer that wait in its channel's queue.
pub(crate) const QUEUE_BYTES: usize = 256 * 1024;

/// The first number of a stream: pieces are sent in its name, beside the few reserved mailboxes.
pub(crate) const FIRST: u64 = 256;

#[cfg(test)]
mod tests;
