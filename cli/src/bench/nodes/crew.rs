//! All nodes of a plan, spread over processes, as the first process sees them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use archipelago::{GroupId, NodeId};
use indicatif::ProgressBar;
use serde::de::DeserializeOwned;

use super::NodesError;
use super::layout;
use super::order::{Expected, ExpectedGroup, Formed, NodeOrder, Order, Sight, Started};
use crate::cluster::Plan;
use crate::live::pins::Pins;
use crate::live::process::Process;
use crate::live::spec::Told;
use crate::machine::usage::{self, Process as Usage};

/// How long one question about forming waits for an answer.
const ASKED: Duration = Duration::from_millis(200);

/// The running cluster.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) plan: Plan,
    workers: Vec<Worker>,
    pins: Pins,
    places: BTreeMap<usize, Started>,
    observers: Option<usize>,
    below: Vec<Option<(usize, usize, usize)>>,
}

/// One process with some of the nodes.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) process: Process,
    /// Where its nodes listen: an address of its own, for the sake of ports.
    listen: String,
    nodes: Range<usize>,
}

impl Worker {
    /// The `number`th process of a run.
    pub(super) fn start(number: usize, nodes: Range<usize>) -> Result<Self, NodesError> {
        Ok(Self {
            process: Process::start(&["bench", "nodes-host"])?,
            listen: listen(number),
            nodes,
        })
    }

    /// Has it do something.
    pub(super) async fn ask<A: DeserializeOwned>(
        &mut self,
        order: &Order,
    ) -> Result<A, NodesError> {
        let answer: Result<A, String> = self.process.ask(order).await?;
        answer.map_err(NodesError::Told)
    }

    /// Hears what it did.
    pub(super) async fn hear<A: DeserializeOwned>(&mut self) -> Result<A, NodesError> {
        let answer: Result<A, String> = self.process.hear().await?;
        answer.map_err(NodesError::Told)
    }
}

/// Every process has 28,000 ports for its listeners beside those that dials take.
pub(super) fn listen(number: usize) -> String {
    if cfg!(target_os = "linux") {
        let (high, low) = (number / 250, number % 250);
        format!("/ip4/127.0.{}.{}/tcp/0", 1 + high, 1 + low)
    } else {
        "/ip4/127.0.0.1/tcp/0".to_owned()
    }
}

impl Crew {
    /// Starts the processes, and no node.
    pub(super) fn new(
        plan: Plan,
        processes: usize,
        observers: Option<usize>,
    ) -> Result<Self, NodesError> {
        let ends: Vec<usize> = (0..plan.nodes.len())
            .map(|node| plan.neighbours(node).len() + 1)
            .collect();
        let ranges = layout::spread(&ends, processes).into_iter().enumerate();
        let workers: Result<Vec<Worker>, NodesError> = ranges
            .map(|(number, nodes)| Worker::start(number, nodes))
            .collect();
        let below = (0..plan.groups.len()).map(|group| tiers_of(&plan, group));
        Ok(Self {
            workers: workers?,
            pins: Pins::new(&plan)?,
            places: BTreeMap::new(),
            observers,
            below: below.collect(),
            plan,
        })
    }

    /// How many processes there are.
    pub(super) fn processes(&self) -> usize {
        self.workers.len()
    }

    /// Starts all nodes: founders first, as soon as those that they need listen, then all others.
    pub(super) async fn start(&mut self, bar: &ProgressBar) -> Result<(), NodesError> {
        let mut founders: Vec<usize> = (0..self.plan.groups.len())
            .map(|group| self.plan.founder(group))
            .collect();
        founders.sort_unstable();
        founders.dedup();
        while !founders.is_empty() {
            let (ready, waiting): (Vec<usize>, Vec<usize>) =
                founders.into_iter().partition(|&node| self.is_ready(node));
            self.start_nodes(&ready, bar).await?;
            founders = waiting;
        }
        let others = 0..self.plan.nodes.len();
        let others: Vec<usize> = others
            .filter(|node| !self.places.contains_key(node))
            .collect();
        self.start_nodes(&others, bar).await
    }

    /// Whether everybody listens whom this node joins its groups and their parents through.
    fn is_ready(&self, node: usize) -> bool {
        let mut groups = self.plan.nodes[node].groups.iter().flat_map(|&group| {
            let above = self.plan.ancestors(group);
            above.into_iter().chain([group])
        });
        groups.all(|group| {
            let founder = self.plan.founder(group);
            founder == node || self.places.contains_key(&founder)
        })
    }

    async fn start_nodes(&mut self, nodes: &[usize], bar: &ProgressBar) -> Result<(), NodesError> {
        let mut orders: Vec<Vec<NodeOrder>> = vec![Vec::new(); self.workers.len()];
        for &node in nodes {
            let worker = self.worker_of(node);
            orders[worker].push(self.order(node, &self.workers[worker].listen));
        }
        let orders: Vec<Order> = orders.into_iter().map(Order::Start).collect();
        for started in self.ask_all::<Vec<Started>>(&orders).await? {
            bar.inc(started.len() as u64);
            let started = started.into_iter();
            self.places.extend(started.map(|one| (one.index, one)));
        }
        Ok(())
    }

    fn worker_of(&self, node: usize) -> usize {
        self.workers
            .partition_point(|worker| worker.nodes.end <= node)
    }

    /// What the process of that node is told to start.
    fn order(&self, node: usize, listen: &str) -> NodeOrder {
        let planned = &self.plan.nodes[node];
        let own = planned.groups.iter();
        let joined = own.filter(|&&group| !self.plan.is_parent(group));
        NodeOrder {
            index: node,
            name: planned.name.clone(),
            realm: self.plan.realm.clone(),
            key_file: self.pins.key_file(node),
            is_reflector: planned.is_reflector,
            listen: listen.to_owned(),
            observers: self.observers,
            groups: joined.map(|&group| self.told(group, node)).collect(),
            expected: Expected {
                sessions: self.plan.neighbours(node).len(),
                groups: self.expected(&planned.groups, 0),
            },
        }
    }

    /// One more plain node of a group, which has `more` members beside those of the plan.
    pub(super) fn order_of_one_more(&self, group: usize, more: usize, index: usize) -> NodeOrder {
        NodeOrder {
            index,
            name: format!("one-more-{index}"),
            realm: self.plan.realm.clone(),
            key_file: None,
            is_reflector: false,
            listen: listen(self.workers.len() + index - self.plan.nodes.len()),
            observers: self.observers,
            groups: vec![self.told(group, index)],
            expected: Expected {
                sessions: self.plan.groups[group].members.len() + more - 1,
                groups: self.expected(&[group], more),
            },
        }
    }

    fn told(&self, group: usize, node: usize) -> Told {
        Told::of(&self.plan, group, &self.pins, &|group| {
            let founder = self.plan.founder(group);
            let place = self.places.get(&founder).filter(|_| founder != node);
            place
                .map(|place| place.address.clone())
                .into_iter()
                .collect()
        })
    }

    fn expected(&self, groups: &[usize], more: usize) -> Vec<ExpectedGroup> {
        let expected = groups.iter().map(|&group| ExpectedGroup {
            name: self.plan.groups[group].name.clone(),
            members: self.plan.groups[group].members.len() + more,
            tiers: self.below[group],
        });
        expected.collect()
    }

    /// Waits until all nodes have formed, or for `patience`.
    pub(super) async fn form(
        &mut self,
        patience: Duration,
        bar: &ProgressBar,
    ) -> Result<Formed, NodesError> {
        let until = tokio::time::Instant::now() + patience;
        let order = Order::Form {
            wait_ms: ASKED.as_millis() as u64,
        };
        loop {
            let mut all = Formed::default();
            for formed in self.ask_each::<Formed>(&order).await? {
                all.formed += formed.formed;
                all.of += formed.of;
                all.last_us = all.last_us.max(formed.last_us);
                all.waiting = all.waiting.or(formed.waiting);
            }
            bar.set_position(all.formed as u64);
            if all.formed == all.of || tokio::time::Instant::now() >= until {
                return Ok(all);
            }
        }
    }

    /// Has the process with that number do something.
    pub(super) async fn ask_one<A: DeserializeOwned>(
        &mut self,
        process: usize,
        order: &Order,
    ) -> Result<A, NodesError> {
        self.workers[process].ask(order).await
    }

    /// Has every process do the same at once.
    pub(super) async fn ask_each<A: DeserializeOwned>(
        &mut self,
        order: &Order,
    ) -> Result<Vec<A>, NodesError> {
        for worker in &mut self.workers {
            worker.process.say(order).await?;
        }
        self.hear_all().await
    }

    /// Has each process do something of its own, all at once.
    pub(super) async fn ask_all<A: DeserializeOwned>(
        &mut self,
        orders: &[Order],
    ) -> Result<Vec<A>, NodesError> {
        for (worker, order) in self.workers.iter_mut().zip(orders) {
            worker.process.say(order).await?;
        }
        self.hear_all().await
    }

    async fn hear_all<A: DeserializeOwned>(&mut self) -> Result<Vec<A>, NodesError> {
        let mut answers = Vec::with_capacity(self.workers.len());
        for worker in &mut self.workers {
            answers.push(worker.hear().await?);
        }
        Ok(answers)
    }

    /// When nodes saw that one come up or die in a group since then.
    pub(super) async fn seen(
        &mut self,
        sight: Sight,
        node: NodeId,
        group: usize,
        since_us: u64,
    ) -> Result<Vec<u64>, NodesError> {
        let order = Order::Seen {
            sight,
            node,
            group: self.group_id(group),
            since_us,
        };
        let members = self.plan.groups[group].members.clone();
        let is_concerned =
            |worker: &&mut Worker| members.iter().any(|node| worker.nodes.contains(node));
        let mut all = Vec::new();
        for worker in self
            .workers
            .iter_mut()
            .filter(|worker| is_concerned(worker))
        {
            all.extend(worker.ask::<Vec<u64>>(&order).await?);
        }
        Ok(all)
    }

    fn group_id(&self, group: usize) -> GroupId {
        GroupId::new(&self.plan.realm, &self.plan.groups[group].name)
    }

    /// Which process runs a node, to tell each its part of something.
    pub(super) fn by_process<T>(
        &self,
        all: impl IntoIterator<Item = (usize, T)>,
    ) -> Vec<Vec<(usize, T)>> {
        let mut parts: Vec<Vec<(usize, T)>> = self.workers.iter().map(|_| Vec::new()).collect();
        for (node, part) in all {
            parts[self.worker_of(node)].push((node, part));
        }
        parts
    }

    /// When the first node was started.
    pub(super) fn begun_us(&self) -> u64 {
        let all = self.places.values().map(|place| place.at_us);
        all.min().unwrap_or(0)
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

    fn usages(&self) -> impl Iterator<Item = Option<Usage>> {
        let ids = self.workers.iter().map(|worker| worker.process.id());
        ids.map(|id| id.map(Usage::Other))
    }
}

/// How many lead up, and how many groups are above and below; nothing where there are none.
fn tiers_of(plan: &Plan, group: usize) -> Option<(usize, usize, usize)> {
    let (above, below) = (plan.ancestors(group).len(), plan.below_len(group));
    let leads = plan.groups[group].reflectors.len();
    (above + below > 0).then_some((leads, above, below))
}
