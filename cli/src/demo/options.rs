//! What the demo can be asked for.

use std::path::PathBuf;
use std::time::Duration;

/// Bring up a real cluster over loopback, send messages across its groups, break parts of it, and
/// say what was seen.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Nodes in all, without those of a cluster file.
    #[arg(long, default_value_t = 240)]
    pub(crate) nodes: usize,
    /// S-groups that the nodes are spread over; reflectors join a backbone group as well.
    #[arg(long, default_value_t = 12)]
    pub(crate) groups: usize,
    /// Reflectors of each group.
    #[arg(long, default_value_t = 2)]
    pub(crate) reflectors: usize,
    /// Tiers of groups: with 2 or more, reflectors join parent groups instead of one backbone.
    #[arg(long, default_value_t = 1)]
    pub(crate) tiers: usize,
    /// Bring up the cluster that this TOML file describes instead.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "groups", "reflectors", "tiers"])]
    pub(crate) cluster: Option<PathBuf>,
    /// Pairs of nodes in different groups that talk to each other.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) pairs: usize,
    /// Decides which pairs talk and which nodes are broken.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object instead of bars and a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Stay up after the report, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Idle on-demand sessions close after this (± 20 %); 60 s outside the demo.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(2);
