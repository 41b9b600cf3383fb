//! The workloads of the wire benchmarks, over whatever transport implements a [`Link`].
//!
//! The same bodies, senders and clocks for Archipelago ([`ours`]), for bare TCP (the floor, [`raw`]) and for
//! every peer it is compared with, so that what differs is the transport. A sender measures in
//! tasks; a receiver counts with a [`Tally`] and is asked for it over the same way, in order after
//! everything sent before.

mod error;
mod latency;
mod link;
mod message;
mod mixed;
mod oneway;
pub mod ours;
pub mod raw;
mod requests;
mod run;
mod sample;
pub mod shaper;
mod tally;
mod workload;

pub use error::LoadError;
pub use latency::Latency;
pub use link::Link;
pub use message::{Bodies, HEAD_LEN, Head};
pub use run::{Load, run};
pub use sample::{Cost, Sample};
pub use tally::{Received, Tally};
pub use workload::{Shape, Workload};
