//! What was measured of one number of nodes in one topology.

use std::collections::BTreeSet;

use serde::Serialize;

use super::deviation::Deviation;
use crate::cluster::Plan;

/// A figure that was not taken is `null`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) nodes: usize,
    pub(crate) topology: &'static str,
    /// S-groups, parents included.
    pub(crate) groups: usize,
    /// Tiers of them; 1 where there are no parents.
    pub(crate) tiers: usize,
    /// Processes that the nodes were spread over.
    pub(crate) processes: usize,
    /// From the start of the first node until the last one had formed: sessions with exactly those
    /// that it shares a group with, all members seen, all groups above and below known.
    pub(crate) formed_s: Option<f64>,
    /// Processor time that forming took, by all nodes.
    pub(crate) forming_cpu_s: Option<f64>,
    pub(crate) dials: u64,
    pub(crate) sessions_min: usize,
    pub(crate) sessions_mean: f64,
    pub(crate) sessions_max: usize,
    pub(crate) sessions_total: usize,
    /// What the groups justify.
    pub(crate) sessions_expected: usize,
    /// Proportional share of memory of all processes, in all and per node.
    pub(crate) memory_mb: Option<f64>,
    pub(crate) memory_mb_per_node: Option<f64>,
    /// At rest, of one core.
    pub(crate) idle_cpu_percent_per_node: Option<f64>,
    pub(crate) control_messages_per_node_per_s: Option<f64>,
    /// How long rest lasted.
    pub(crate) idle_s: f64,
    /// One more node, in a process of its own, until it has formed: the median and the worst.
    pub(crate) join_one_ms: Option<f64>,
    pub(crate) join_one_ms_max: Option<f64>,
    /// A name looked up in another group, whose answer was not known.
    pub(crate) lookup_ms_p50: Option<f64>,
    /// A node's first message to one of another group, look-up included, one way.
    pub(crate) first_message_ms_p50: Option<f64>,
    pub(crate) first_message_ms_p99: Option<f64>,
    /// Pairs that wrote such a first message.
    pub(crate) first_messages: usize,
    /// Messages of 64 bytes between nodes of different groups, without a pause.
    pub(crate) messages_per_s: Option<f64>,
    /// Nodes killed (SIGKILL), and when the members of their groups knew.
    pub(crate) killed: usize,
    pub(crate) killed_seen_ms_p50: Option<f64>,
    pub(crate) killed_seen_ms_p99: Option<f64>,
    /// Nodes stopped (SIGSTOP), likewise.
    pub(crate) stopped: usize,
    pub(crate) stopped_seen_ms_p50: Option<f64>,
    pub(crate) stopped_seen_ms_p99: Option<f64>,
    /// Deaths of nodes that lived, by witness.
    pub(crate) false_deaths: usize,
    /// What did not hold, in words, the first one first; empty when all did.
    pub(crate) failures: Vec<String>,
    pub(crate) ok: bool,
}

impl Row {
    /// Which groups there are, and what they justify.
    pub(super) fn note_plan(&mut self, plan: &Plan) {
        let tiers: BTreeSet<u8> = plan.groups.iter().map(|group| group.tier).collect();
        self.groups = plan.groups.len();
        self.tiers = tiers.len();
        self.sessions_expected = plan.sessions_total();
    }

    /// How many sessions each node has.
    pub(super) fn note_sessions(&mut self, sessions: &[usize]) {
        let ends: usize = sessions.iter().sum();
        self.sessions_min = sessions.iter().copied().min().unwrap_or(0);
        self.sessions_max = sessions.iter().copied().max().unwrap_or(0);
        self.sessions_mean = ends as f64 / sessions.len().max(1) as f64;
        self.sessions_total = ends / 2;
    }

    /// Notes a property that does not hold.
    pub(super) fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(otherwise());
        }
    }
}

/// Everything that was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    pub(crate) joins: Vec<Joins>,
    pub(crate) group_size: usize,
    /// How far the simulated rows are from live ones of as many nodes.
    pub(crate) deviations: Vec<Deviation>,
    /// Ended by Ctrl-C: what was measured until then.
    pub(crate) interrupted: bool,
}

/// Nodes that join through one seed at once.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Joins {
    pub(crate) joins: usize,
    /// Groups that the seed is in, among which they are divided.
    pub(crate) groups: usize,
    /// Most members of each, the seed included.
    pub(crate) members_max: u32,
    /// Those that were let in, and have formed.
    pub(crate) joined: usize,
    /// Those that were told why not, by reason.
    pub(crate) refused: std::collections::BTreeMap<String, usize>,
    /// Those that are neither.
    pub(crate) unanswered: usize,
    /// Until each was in or refused.
    pub(crate) settled_s: Option<f64>,
    pub(crate) join_ms_p50: Option<f64>,
    pub(crate) join_ms_p99: Option<f64>,
    /// Connections that the seed turned away for a while, being asked by too many at once.
    pub(crate) connections_refused: u64,
    pub(crate) failures: Vec<String>,
    pub(crate) ok: bool,
}
