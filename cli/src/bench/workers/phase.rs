//! What all processes counted during one load, put together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archipelago::NodeId;

use super::crew::Crew;
use super::order::Tally;
use crate::live::latency::{Buckets, Latency};
use crate::machine::clock;

/// One load, or a while of rest.
#[derive(Debug)]
pub(super) struct Phase {
    /// From when the first request was due to the last answer, or until now.
    pub(super) seconds: f64,
    pub(super) asked: u64,
    pub(super) lost: u64,
    pub(super) is_done: bool,
    pub(super) small: Latency,
    pub(super) body: Latency,
    pub(super) behind: Latency,
    pub(super) rounds: Latency,
    pub(super) repeated: BTreeMap<String, u64>,
    pub(super) misroutes: u64,
    pub(super) nodes: usize,
    pub(super) control_sent: u64,
    pub(super) control_bytes: u64,
    pub(super) data_bytes: u64,
    pub(super) sessions: Vec<usize>,
    pub(super) deaths: BTreeSet<NodeId>,
    /// Processors that all nodes and the load had, on average.
    pub(super) cores: Option<f64>,
    pub(super) peak_bytes: Option<u64>,
}

impl Phase {
    /// From what each process counted since `begin_us`; `used` is the processor time before.
    pub(super) fn new(
        tallies: &[Tally],
        begin_us: u64,
        used: Option<Duration>,
        crew: &Crew,
    ) -> Self {
        let now_us = clock::now_us();
        let last_us = tallies.iter().map(|tally| tally.last_us).max().unwrap_or(0);
        let is_done = tallies.iter().all(|tally| tally.is_done);
        let until_us = if is_done && last_us > 0 {
            last_us
        } else {
            now_us
        };
        let passed = clock::between(begin_us, now_us).as_secs_f64();
        let spent = crew.processor_time().zip(used);
        let spent = spent.map(|(now, before)| now.saturating_sub(before).as_secs_f64());
        let merge = |of: fn(&Tally) -> &Buckets| {
            let mut all = Latency::new();
            tallies.iter().for_each(|tally| all.add(of(tally)));
            all
        };
        let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum();
        let mut repeated = BTreeMap::new();
        for (why, count) in tallies.iter().flat_map(|tally| &tally.repeated) {
            *repeated.entry(why.clone()).or_default() += count;
        }
        let sessions = tallies.iter().flat_map(|tally| tally.sessions.clone());
        let sessions: Vec<usize> = sessions.collect();
        Self {
            seconds: clock::between(begin_us, until_us).as_secs_f64(),
            asked: sum(|tally| tally.asked),
            lost: sum(|tally| tally.lost),
            is_done,
            small: merge(|tally| &tally.small),
            body: merge(|tally| &tally.body),
            behind: merge(|tally| &tally.behind),
            rounds: merge(|tally| &tally.rounds),
            repeated,
            misroutes: sum(|tally| tally.misroutes),
            nodes: sessions.len(),
            control_sent: sum(|tally| tally.control_sent),
            control_bytes: sum(|tally| tally.control_bytes),
            data_bytes: sum(|tally| tally.data_bytes),
            sessions,
            deaths: tallies
                .iter()
                .flat_map(|tally| tally.deaths.clone())
                .collect(),
            cores: spent.map(|spent| spent / passed.max(1e-9)),
            peak_bytes: crew.peak_bytes(),
        }
    }

    pub(super) fn answered(&self) -> u64 {
        self.small.len() + self.body.len()
    }

    /// Control messages of a node in a second.
    pub(super) fn control_per_node_per_s(&self) -> f64 {
        self.control_sent as f64 / self.seconds.max(1e-9) / self.nodes.max(1) as f64
    }
}
