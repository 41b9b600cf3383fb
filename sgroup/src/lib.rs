//! One s-group as a state machine: admission, view, failure detector, owner-log.

mod config;
mod group;

pub use config::{Cookies, GroupConfig, GroupConfigError, Seed, Timing};
pub use group::{
    DialTarget, DownReason, Group, GroupEvent, GroupOutput, GroupOutputs, MemberInfo, Origin,
};
