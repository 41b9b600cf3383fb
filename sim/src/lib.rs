//! The world in virtual time that drives the machines: the same `Node` and `Channel` as live.

pub mod check;
mod engine;
mod event;
mod frames;
mod host;
mod link;
mod names;
mod net;
mod observe;
mod random;
pub mod topology;
pub mod trace;
mod world;

pub use engine::{Due, Key, Queue};
pub use host::{Flow, FlowReport, ProcessState, Received, Tamper};
pub use link::{LinkProfile, LinkState, Links};
pub use observe::{Observation, Observed};
pub use random::Random;
pub use trace::Trace;
pub use world::{NodeIx, World, WorldConfig};
