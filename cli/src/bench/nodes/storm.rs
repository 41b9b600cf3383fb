//! Nodes that join through one seed, all at the same instant: into many groups that it is in, and
//! into one that takes a fifth of them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::NodesError;
use super::crew::{Worker, listen};
use super::layout::spread;
use super::measure::Measure;
use super::order::{Counted, Expected, ExpectedGroup, Formed, NodeOrder, Order, Refusals, Started};
use super::row::Joins;
use crate::live::latency::Latency;
use crate::live::spec::Told;
use crate::machine::clock;

/// How long joins may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at who is in and who was refused.
const ASKED: Duration = Duration::from_millis(100);
/// Groups of one seed at most: a node can be in 64.
const GROUPS_MAX: usize = 60;

/// One storm to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    joins: usize,
    groups: usize,
    members_max: u32,
}

impl Storm {
    /// Into as many groups of the wanted size as take them all.
    pub(super) fn into_many(joins: usize, group_size: usize) -> Self {
        let groups = joins.div_ceil(group_size.saturating_sub(1).max(1));
        Self {
            joins,
            groups: groups.clamp(1, GROUPS_MAX),
            members_max: 1_024,
        }
    }

    /// Into one group that takes a fifth of them.
    pub(super) fn into_one(joins: usize) -> Self {
        let members_max = u32::try_from(joins / 5).unwrap_or(u32::MAX);
        Self {
            joins,
            groups: 1,
            members_max: members_max.clamp(2, 1_024),
        }
    }

    /// Those that want into the group, and those that it takes.
    fn group(&self, group: usize) -> (usize, usize) {
        let wanting = self.joins / self.groups + usize::from(group < self.joins % self.groups);
        (wanting, wanting.min(self.members_max as usize - 1))
    }

    /// Lets it loose.
    pub(super) async fn run(self, measure: &Measure<'_>) -> Result<Joins, NodesError> {
        let mut joins = Joins {
            joins: self.joins,
            groups: self.groups,
            members_max: self.members_max,
            ..Joins::default()
        };
        let realm = format!("storm-{}-{}", std::process::id(), clock::now_us());
        let mut seed = Worker::start(0, 0..1)?;
        let started: Vec<Started> = seed.ask(&Order::Start(vec![self.seed(&realm)])).await?;
        let at = started.first().map(|one| one.address.clone());
        let address = at.ok_or_else(|| NodesError::Told("the seed did not start".to_owned()))?;
        let mut workers = self.workers(measure)?;
        let begun = clock::now_us();
        for (number, (worker, nodes)) in workers.iter_mut().enumerate() {
            let nodes = nodes.clone();
            let orders = nodes.map(|node| self.joiner(node, number, (&realm, &address)));
            worker.process.say(&Order::Start(orders.collect())).await?;
        }
        for (worker, _) in &mut workers {
            let _started: Vec<Started> = worker.hear().await?;
        }
        let title = format!("{} joins into {} groups", self.joins, self.groups);
        let bar = measure.progress.phase("", self.joins);
        bar.set_message(title);
        let settled = self.settle(&mut workers, &mut joins, &bar).await?;
        bar.finish_and_clear();
        joins.settled_s = settled.map(|at| clock::between(begun, at).as_secs_f64());
        let counted: Counted = seed.ask(&Order::Count).await?;
        joins.connections_refused = counted.connections_refused;
        self.conclude(&mut joins);
        Ok(joins)
    }

    /// The processes of the joiners, with the numbers of theirs.
    fn workers(
        &self,
        measure: &Measure<'_>,
    ) -> Result<Vec<(Worker, std::ops::Range<usize>)>, NodesError> {
        let ends: Vec<usize> = (0..self.joins)
            .map(|joiner| self.group(joiner % self.groups).1 + 2)
            .collect();
        let needed = ends.iter().sum::<usize>().div_ceil(measure.ends_max);
        let processes = measure.options.processes.unwrap_or(2).max(needed);
        let ranges = spread(&ends, processes).into_iter().enumerate();
        ranges
            .map(|(number, nodes)| Ok((Worker::start(number + 1, nodes.clone())?, nodes)))
            .collect()
    }

    fn seed(&self, realm: &str) -> NodeOrder {
        NodeOrder {
            index: 0,
            name: "seed".to_owned(),
            realm: realm.to_owned(),
            key_file: None,
            is_reflector: false,
            listen: listen(0),
            observers: None,
            groups: (0..self.groups)
                .map(|group| self.told(group, Vec::new()))
                .collect(),
            expected: Expected {
                sessions: 0,
                groups: Vec::new(),
            },
        }
    }

    fn joiner(&self, node: usize, number: usize, (realm, seed): (&str, &str)) -> NodeOrder {
        let group = node % self.groups;
        let (_, taken) = self.group(group);
        NodeOrder {
            index: node,
            name: format!("joiner-{node}"),
            listen: listen(number + 1),
            groups: vec![self.told(group, vec![seed.to_owned()])],
            expected: Expected {
                sessions: taken,
                groups: vec![ExpectedGroup {
                    name: name(group),
                    members: taken + 1,
                    tiers: None,
                }],
            },
            ..self.seed(realm)
        }
    }

    fn told(&self, group: usize, seeds: Vec<String>) -> Told {
        Told {
            members_max: Some(self.members_max),
            ..Told::open(&name(group), seeds)
        }
    }

    /// Waits until everybody is in or refused; returns when that was.
    async fn settle(
        &self,
        workers: &mut [(Worker, std::ops::Range<usize>)],
        joins: &mut Joins,
        bar: &indicatif::ProgressBar,
    ) -> Result<Option<u64>, NodesError> {
        let until = tokio::time::Instant::now() + PATIENCE;
        let order = Order::Form {
            wait_ms: ASKED.as_millis() as u64,
        };
        loop {
            let mut took = Latency::new();
            let mut answered = BTreeSet::new();
            joins.refused.clear();
            for (worker, _) in workers.iter_mut() {
                let formed: Formed = worker.ask(&order).await?;
                for &us in &formed.took_us {
                    took.record(Duration::from_micros(us));
                }
                let told: Refusals = worker.ask(&Order::Refusals).await?;
                for (node, reason) in told.refused {
                    // Who was in such a hurry that it was refused first and is in now, is in.
                    if !formed.who.contains(&node) && answered.insert(node) {
                        *joins.refused.entry(reason).or_default() += 1;
                    }
                }
            }
            joins.joined = took.len() as usize;
            joins.join_ms_p50 = took.millis(50.0);
            joins.join_ms_p99 = took.millis(99.0);
            let settled = joins.joined + answered.len();
            joins.unanswered = self.joins - settled;
            bar.set_position(settled as u64);
            if settled == self.joins {
                return Ok(Some(clock::now_us()));
            }
            if tokio::time::Instant::now() >= until {
                return Ok(None);
            }
        }
    }

    fn conclude(&self, joins: &mut Joins) {
        let taken: usize = (0..self.groups).map(|group| self.group(group).1).sum();
        let (joined, unanswered) = (joins.joined, joins.unanswered);
        if joined != taken {
            joins
                .failures
                .push(format!("{joined} joined where there is room for {taken}"));
        }
        if unanswered > 0 {
            joins
                .failures
                .push(format!("{unanswered} are neither in nor were told why not"));
        }
        let others = joins.refused.keys().filter(|reason| *reason != "GroupFull");
        let others: Vec<&str> = others.map(String::as_str).collect();
        if !others.is_empty() {
            joins
                .failures
                .push(format!("refused for other reasons: {}", others.join(", ")));
        }
        joins.ok = joins.failures.is_empty();
    }
}

fn name(group: usize) -> String {
    format!("s{:02}", group + 1)
}
