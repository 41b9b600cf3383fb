//! All nodes of a measurement, spread over processes, as the first process sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago::{GroupId, NodeId};
use indicatif::ProgressBar;
use serde::de::DeserializeOwned;

use super::WorkersError;
use super::layout::Layout;
use super::order::{LoadOrder, NodeOrder, Order, Started, Tally};
use crate::live::process::Process;
use crate::machine::clock;
use crate::machine::usage::{self, Process as Usage};

/// The running cluster.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) layout: Layout,
    realm: String,
    processes: Vec<Process>,
    addresses: BTreeMap<usize, String>,
}

impl Crew {
    /// Starts the processes, and no node.
    pub(super) fn new(layout: Layout) -> Result<Self, WorkersError> {
        let processes = (0..layout.processes).map(|_| Process::start(&["bench", "workers-host"]));
        Ok(Self {
            realm: format!("bench-{}-{}", std::process::id(), clock::now_us()),
            processes: processes.collect::<Result<_, _>>()?,
            addresses: BTreeMap::new(),
            layout,
        })
    }

    /// Starts all nodes, founders first; returns when all groups have formed and workers may come.
    pub(super) async fn form(&mut self, bar: &ProgressBar) -> Result<(), WorkersError> {
        for founder in self.layout.founders() {
            self.start(&[founder], bar).await?;
        }
        let others = (0..self.layout.len()).filter(|node| !self.addresses.contains_key(node));
        self.start(&others.collect::<Vec<_>>(), bar).await?;
        self.ask_each::<()>(&Order::Form).await?;
        self.serve().await
    }

    async fn serve(&mut self) -> Result<(), WorkersError> {
        let groups = self.layout.groups.clone();
        self.ask_each::<()>(&Order::Serve(groups)).await?;
        Ok(())
    }

    async fn start(&mut self, nodes: &[usize], bar: &ProgressBar) -> Result<(), WorkersError> {
        let mut orders: Vec<Vec<NodeOrder>> = vec![Vec::new(); self.processes.len()];
        for &node in nodes {
            let address = |node| self.addresses.get(&node).cloned();
            let order = self.layout.order(node, &self.realm, address);
            orders[self.layout.process_of(node)].push(order);
        }
        let orders: Vec<Order> = orders.into_iter().map(Order::Start).collect();
        for started in self.ask_all::<Vec<Started>>(&orders).await? {
            bar.inc(started.len() as u64);
            let started = started.into_iter().map(|one| (one.index, one.address));
            self.addresses.extend(started);
        }
        Ok(())
    }

    /// One more host; returns how long it took until shards were settled everywhere.
    pub(super) async fn add_one(&mut self) -> Result<Duration, WorkersError> {
        let begun = clock::now_us();
        let seed = self.addresses.get(&0).cloned().unwrap_or_default();
        let order = self.layout.one_more(&self.realm, seed);
        let started: Result<Vec<Started>, String> =
            self.processes[0].ask(&Order::Start(vec![order])).await?;
        started.map_err(WorkersError::Told)?;
        // As many as before, without the dead one.
        self.ask_each::<()>(&Order::Form).await?;
        self.serve().await?;
        Ok(clock::between(begun, clock::now_us()))
    }

    /// A host ends without a word: who, and when.
    pub(super) async fn kill_one(&mut self) -> Result<(NodeId, u64), WorkersError> {
        let victim = self.layout.victim();
        let killed = self
            .ask_each::<Option<(NodeId, u64)>>(&Order::Kill(victim))
            .await?;
        let killed = killed.into_iter().flatten().next();
        killed.ok_or_else(|| WorkersError::Told(format!("node {victim} is nowhere")))
    }

    /// When members saw that one die, in µs after that time.
    pub(super) async fn seen(
        &mut self,
        dead: NodeId,
        since_us: u64,
    ) -> Result<Vec<u64>, WorkersError> {
        let order = Order::Seen {
            dead,
            group: GroupId::new(&self.realm, &self.layout.groups[0]),
            since_us,
        };
        Ok(self.ask_each::<Vec<u64>>(&order).await?.concat())
    }

    /// Has all processes ask their parts, beginning at once.
    pub(super) async fn load(&mut self, order: &LoadOrder) -> Result<(), WorkersError> {
        // Those without an entry ask nothing, so parts are of those that have one.
        let with_entries = self.layout.entry_processes();
        let of = with_entries.len() as u64;
        let parts = (0..self.processes.len()).map(|process| {
            let part = with_entries.iter().position(|&one| one == process);
            Order::Load(LoadOrder {
                part: part.unwrap_or(0) as u64,
                of,
                is_rest: order.is_rest || part.is_none(),
                has_rounds: order.has_rounds && process == 0,
                ..order.clone()
            })
        });
        let parts: Vec<Order> = parts.collect();
        self.ask_all::<()>(&parts).await?;
        Ok(())
    }

    /// What all processes counted since.
    pub(super) async fn look(&mut self) -> Result<Vec<Tally>, WorkersError> {
        self.ask_each(&Order::Look).await
    }

    /// Has every process do the same at once.
    async fn ask_each<A: DeserializeOwned>(
        &mut self,
        order: &Order,
    ) -> Result<Vec<A>, WorkersError> {
        for process in &mut self.processes {
            process.say(order).await?;
        }
        self.hear_all().await
    }

    async fn ask_all<A: DeserializeOwned>(
        &mut self,
        orders: &[Order],
    ) -> Result<Vec<A>, WorkersError> {
        for (process, order) in self.processes.iter_mut().zip(orders) {
            process.say(order).await?;
        }
        self.hear_all().await
    }

    async fn hear_all<A: DeserializeOwned>(&mut self) -> Result<Vec<A>, WorkersError> {
        let mut answers = Vec::with_capacity(self.processes.len());
        for process in &mut self.processes {
            let answer: Result<A, String> = process.hear().await?;
            answers.push(answer.map_err(WorkersError::Told)?);
        }
        Ok(answers)
    }

    /// Processor time of all processes so far.
    pub(super) fn processor_time(&self) -> Option<Duration> {
        let all = self.usages();
        all.map(|process| usage::processor_time_of(process?)).sum()
    }

    /// Memory of all processes, what they share counted once.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let all = self.usages();
        all.map(|process| usage::proportional_bytes_of(process?))
            .sum()
    }

    /// The most that each process had at once, of all.
    pub(super) fn peak_bytes(&self) -> Option<u64> {
        let all = self.usages();
        all.map(|process| usage::peak_bytes_of(process?)).sum()
    }

    /// Peaks begin anew.
    pub(super) fn forget_peaks(&self) {
        self.usages().flatten().for_each(usage::forget_peak);
    }

    fn usages(&self) -> impl Iterator<Item = Option<Usage>> {
        let ids = self.processes.iter().map(Process::id);
        ids.map(|id| id.map(Usage::Other))
    }
}
