//! The protocol in virtual time: the simulator's world under faults, attacks and random schedules.
//!
//! One program for all of it, so that it is linked once: `cargo test -p archipelago-sim --test
//! protocol watch::` runs one file of it.

mod attacks;
mod bodies;
mod calls;
mod changes;
mod changes_model;
mod clients;
mod councils;
mod cuts;
mod determinism;
mod duty;
mod engine_alone;
mod faults;
mod forming;
mod free;
mod generated;
mod groups;
mod hierarchies;
mod kept;
mod keyed;
mod lanes;
mod miswired;
mod mutants;
mod names;
mod outbox;
mod power;
mod processor;
mod registry;
mod regroup;
mod reload;
mod rotation;
mod routing;
mod scale;
mod strict;
mod support;
mod tiers;
mod watch;
