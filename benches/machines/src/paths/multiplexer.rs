//! Bytes through the multiplexer, from one end's stream to the other's, no cipher between them.

use std::hint::black_box;

use crate::swarm::Pair;
use crate::{HotPath, Operation};

pub(super) const BYTES_64: HotPath = path("mux-64", || pass(64));
pub(super) const BYTES_16K: HotPath = path("mux-16k", || pass(16 * 1024));
pub(super) const BYTES_256K: HotPath = path("mux-256k", || pass(256 * 1024));

const fn path(name: &'static str, make: fn() -> Operation) -> HotPath {
    HotPath {
        name,
        per: 1,
        unit: "write",
        make,
    }
}

fn pass(len: usize) -> Operation {
    let mut pair = Pair::new().expect("two ends in memory meet");
    let bytes = vec![7; len];
    // The byte that opened the stream is read with the first.
    pair.pass(&bytes);
    Box::new(move || {
        let passed = pair.pass(black_box(&bytes));
        assert_eq!(passed, bytes.len());
    })
}
