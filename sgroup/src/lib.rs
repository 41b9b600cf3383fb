//! One s-group as a state machine: admission, view, failure detector, owner-log.

pub mod admission;
pub mod client;
mod config;
mod detector;
pub mod duty;
mod group;
pub mod groupcast;
mod join;
pub mod keyed;
pub mod log;
mod marks;
pub mod names;
pub mod registry;
pub mod shards;
pub mod strict;
pub mod supervise;
#[cfg(test)]
mod testing;
mod view;

pub use admission::{Route, Secret};
pub use client::Client;
pub use config::{Cookies, GroupConfig, GroupConfigError, Place, Seed, Timing};
pub use group::{
    Brought, By, DialTarget, DownReason, Formed, Group, GroupEvent, GroupOutput, GroupOutputs,
    Luggage, MemberInfo, Origin, Quorum, RemoveError, SecretState, StrictAct, charter_of,
};
