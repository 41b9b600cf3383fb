//! The world in virtual time that drives the machines: the same `Node` and `Channel` as live.

mod engine;
mod link;
mod random;
pub mod trace;

pub use engine::{Due, Key, Queue};
pub use link::{LinkProfile, LinkState, Links};
pub use random::Random;
pub use trace::Trace;
