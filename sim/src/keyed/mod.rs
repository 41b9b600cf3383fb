//! Keyed workers in virtual time: the product's own host and entry, on the nodes of a world.
//!
//! A [`KeyedNode`] is a [`Protocol`](crate::Protocol) of one node: an entry that asks workers at a
//! rate, and on some nodes a host. What the live driver does with calls it does with numbered
//! messages: an answer that does not come by the deadline ends its request as unanswered. Every
//! worker remembers the last request of each entry and counts those that came out of order.

mod node;
mod report;

pub use node::{KeyedConfig, KeyedDraw, KeyedNode};
pub use report::KeyedReport;
