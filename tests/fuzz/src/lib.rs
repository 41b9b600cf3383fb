//! Bytes and inputs of an enemy, for everything that a peer's bytes reach.
//!
//! A [`Target`] is a plain function over bytes, which panics when a promise does not hold: no
//! panic below it, heap and time bounded by what arrived (A6, A7, I11), and what was decoded is
//! encoded to bytes that mean the same. A [`Campaign`] feeds it with golden bytes and what small
//! changes make of them, and keeps what was news to the target, so that it gets deeper with time:
//! no coverage of the compiler is needed, and the same seed gives the same inputs.
//!
//! `cargo test` runs a few thousand cases of each target. For longer,
//! `cargo run --release -p archipelago-fuzz -- run channel 600`; a failure prints its input, and
//! `replay` runs it again. The same program reads one input from its standard input, which is all
//! that AFL++ wants (`cargo afl build --release -p archipelago-fuzz`, then
//! `cargo afl fuzz -i corpus -o out target/release/archipelago-fuzz replay channel`; `corpus`
//! writes what it begins with).

mod campaign;
mod cost;
mod input;
// The multiplexer needs a part of it.
#[allow(dead_code)]
#[path = "../../../src/lent.rs"]
mod lent;
mod mutate;
#[path = "../../../src/scratch.rs"]
mod scratch;
mod seen;
mod swarm;
mod targets;

pub use campaign::{Campaign, Failure};
pub use seen::Seen;
pub use targets::TARGETS;

/// One thing that an enemy's bytes reach.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Runs one input to its end; panics when a promise does not hold. What it meets on its way it
    /// shows to [`Seen`].
    pub run: fn(&[u8], &mut Seen),
    /// What a campaign begins with.
    pub corpus: fn() -> Vec<Vec<u8>>,
    /// Longest input that is worth its time, in bytes.
    pub len_max: usize,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
