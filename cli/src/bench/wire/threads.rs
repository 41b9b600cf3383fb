//! Whose threads the two nodes run on.

use archipelago::{Builder, Runtime, RuntimeError};
use serde::{Deserialize, Serialize};

/// Whose threads a node runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(crate) enum Threads {
    /// The protocol's own, which no user of it can hold up: what a node has by default.
    Own,
    /// Those that send and receive, as bare TCP has it.
    Caller,
}

impl Threads {
    /// A node that runs on them.
    pub(crate) fn of(self, node: Builder) -> Result<Builder, RuntimeError> {
        Ok(match self {
            Self::Own => node,
            Self::Caller => node.runtime(&Runtime::current()?),
        })
    }
}
