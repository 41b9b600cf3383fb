//! What was seen, and whether it is what was promised.

use serde::Serialize;

/// Everything the demo measured; a figure that could not be taken is `null`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) nodes: usize,
    pub(crate) groups: usize,
    pub(crate) reflectors: usize,
    pub(crate) seed: u64,
    pub(crate) idle_timeout_s: f64,
    pub(crate) formed_s: Option<f64>,
    pub(crate) forming_cpu_s: Option<f64>,
    pub(crate) forming_dials: u64,
    pub(crate) forming_control_messages: u64,
    pub(crate) sessions_min: usize,
    pub(crate) sessions_mean: f64,
    pub(crate) sessions_max: usize,
    pub(crate) sessions_total: usize,
    pub(crate) sessions_expected: usize,
    pub(crate) sessions_kernel: Option<usize>,
    pub(crate) full_mesh_per_node: usize,
    pub(crate) full_mesh_total: usize,
    pub(crate) pairs: usize,
    pub(crate) pairs_relay_first: usize,
    pub(crate) pairs_direct: usize,
    pub(crate) first_message_ms_p50: Option<f64>,
    pub(crate) first_message_ms_p99: Option<f64>,
    pub(crate) direct_message_us_p50: Option<f64>,
    pub(crate) direct_message_us_p99: Option<f64>,
    pub(crate) messages_sent: u64,
    /// Of those, refused at first: nobody said in time where the target is.
    pub(crate) messages_taken_later: u64,
    pub(crate) messages_lost: u64,
    pub(crate) messages_reordered: u64,
    pub(crate) messages_duplicated: u64,
    pub(crate) on_demand_opened: usize,
    pub(crate) on_demand_closed: usize,
    pub(crate) sessions_after_idle: usize,
    pub(crate) idle_cpu_percent_per_node: Option<f64>,
    pub(crate) idle_control_messages_per_node_per_s: Option<f64>,
    pub(crate) member_killed_seen_by: usize,
    pub(crate) member_killed_witnesses: usize,
    pub(crate) member_killed_seen_ms_p50: Option<f64>,
    pub(crate) member_killed_seen_ms_max: Option<f64>,
    pub(crate) member_stopped_seen_by: usize,
    pub(crate) member_stopped_witnesses: usize,
    pub(crate) member_stopped_seen_ms_p50: Option<f64>,
    pub(crate) member_stopped_seen_ms_max: Option<f64>,
    pub(crate) member_continued_back_ms_max: Option<f64>,
    pub(crate) false_deaths: usize,
    pub(crate) reflectors_killed: usize,
    pub(crate) reflector_kill_lookups: u64,
    pub(crate) reflector_kill_lookup_failures: u64,
    pub(crate) reflector_kill_gap_ms_max: Option<f64>,
    pub(crate) rss_mb: Option<f64>,
    pub(crate) rss_mb_per_node: Option<f64>,
    pub(crate) descriptors: Option<usize>,
    pub(crate) cpu_s: Option<f64>,
    pub(crate) elapsed_s: f64,
    /// What did not hold, in words; empty when all did.
    pub(crate) failures: Vec<String>,
    /// The run was ended by Ctrl-C: the figures are those of the phases that were done.
    pub(crate) interrupted: bool,
    pub(crate) ok: bool,
}

impl Report {
    /// Notes a property that does not hold.
    pub(crate) fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(otherwise());
        }
    }

    /// Closes the report.
    pub(crate) fn conclude(&mut self) {
        self.ok = self.failures.is_empty() && !self.interrupted;
    }
}
