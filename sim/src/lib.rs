//! The world in virtual time that drives the machines: the same `Node` and `Channel` as live.
//!
//! ```text
//!  topology ─▶ World ── verbs: start, crash, stop, partition, cut, hold, heal, tamper …
//!                │
//!                ├─ engine   one order of events, from one seed; the trace's hash
//!                ├─ link     latency, jitter, loss as delay, bandwidth, cuts
//!                │    └─ underlay  what they are drawn from: laws, measurements, maps
//!                └─ host     a node's driver: sessions, dials, channels, an application
//!  check ◀── what nodes reported, their own views, the transport's truth
//! ```
//! It never models a machine: what it drives is what runs live. Its cryptography is tags that
//! bind what the real one binds and keep no secret. Without a fault, a run is a pure function of
//! the seed; with verbs, of the seed and the verbs.
//! Cost: see `examples/idle_memory.rs`.

pub mod check;
pub mod engine;
mod event;
pub mod formats;
mod frames;
mod hops;
mod host;
pub mod keyed;
mod link;
pub mod metrics;
mod names;
mod net;
mod observe;
pub mod outbox;
mod parcel;
pub mod picture;
mod random;
pub mod report;
pub mod run;
pub mod scenario;
pub mod tally;
mod tap;
pub mod tiers;
pub mod topology;
pub mod trace;
pub mod underlay;
pub mod w1;
mod world;

pub use host::{
    Belief, CallReport, DutyRun, Flow, FlowReport, FoundName, Heard, Latencies, Mutant, NameLoad,
    NameNotice, NameResult, ProcessState, Protocol, Received, Tamper, Turn,
};
pub use link::{LinkProfile, LinkState, Links};
pub use observe::{Observation, Observed};
pub use random::Random;
pub use tap::{Tap, Tapped};
pub use trace::Trace;
pub use underlay::Underlay;
pub use world::{
    Change, ChangeResults, Checker, NameRequest, NodeIx, Violated, World, WorldConfig,
};
