//! The hot paths of the machines and of the codec: one operation each, for clocks and for counters.
//!
//! A [`HotPath`] is made once, with all that it needs, and then does one operation at each call: no
//! socket, no clock, no chance. So its instructions and allocations are the same on any machine
//! of a kind, however busy; only its time is not.
//!
//! `cargo bench -p archipelago-machines` says the times (criterion);
//! `cargo run --release -p archipelago-machines` counts instructions (by valgrind) and allocations.

// The multiplexer needs a part of it.
#[allow(dead_code)]
#[path = "../../../src/lent.rs"]
mod lent;
mod paths;
#[path = "../../../src/scratch.rs"]
mod scratch;
mod swarm;

pub use paths::PATHS;

/// One operation that happens for every message, heartbeat or look-up.
#[derive(Clone, Copy)]
pub struct HotPath {
    /// Its name, as the command line and tables have it.
    pub name: &'static str,
    /// How many of what an operation is; costs are told for one of them.
    pub per: u64,
    /// What that is.
    pub unit: &'static str,
    /// Makes it ready; each call of what is returned is one operation.
    pub make: fn() -> Operation,
}

/// Does a [`HotPath`] once.
pub type Operation = Box<dyn FnMut()>;

impl std::fmt::Debug for HotPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
