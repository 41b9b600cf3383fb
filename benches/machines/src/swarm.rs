//! The library's multiplexer, compiled in from its place: it is nobody's to use outside of it.

mod door;
#[path = "../../../src/swarm/mux/mod.rs"]
mod mux;

pub(crate) use door::Pair;
