//! Live nodes on loopback: what a program sees of the library.
//!
//! One program for all of it, so that libp2p is linked once: `cargo test --test live names::` runs
//! one file of it.

#![allow(clippy::unwrap_used, reason = "a test fails where it happens")]

mod abuse;
mod apply;
mod calls;
mod changes;
mod clients;
mod group;
mod groupcast;
mod kept;
mod keyed;
mod linger;
mod local_names;
mod monitor;
mod names;
mod outbox;
mod reach;
mod registry;
mod regroup;
mod runtime;
mod singleton;
mod streams;
mod strict;
mod support;
mod threads;
mod tower;
mod transports;
mod two_hundred;
mod two_nodes;
mod work;
mod workers;
