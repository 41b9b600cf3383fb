//! The running cluster: every node of the plan with a swarm, a key and a listener of its own.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use archipelago::{GroupId, Mailbox, Node, NodeId, StartError};
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use super::child::MemberProcess;
use super::options::IDLE_TIMEOUT;
use crate::cluster::Plan;
use crate::live::pins::{Pins, PinsError};
use crate::live::process::ProcessError;
use crate::live::spec::Told;
use crate::live::watch::Watch;
use crate::member::MemberConfig;

/// Everything that runs.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// What was asked for.
    pub(crate) plan: Plan,
    /// The nodes in this process, by index; `None` for the child and for those killed.
    pub(crate) nodes: Vec<Option<Node>>,
    /// The member in a process of its own, and its index.
    pub(crate) child: Option<(usize, MemberProcess)>,
    /// What they all say.
    pub(crate) watch: Watch,
    ids: Vec<NodeId>,
    ports: Vec<u16>,
    pins: Pins,
}

/// The cluster could not be brought up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormError {
    #[error("node {name}: {source}")]
    Start { name: String, source: StartError },
    #[error(transparent)]
    Child(#[from] ProcessError),
    #[error(transparent)]
    Pins(#[from] PinsError),
    #[error("node {name}: the task that starts it ended: {reason}")]
    Task { name: String, reason: String },
}

impl Cluster {
    /// Starts every node; founders first, one after the other, then all others at once.
    pub(crate) async fn start(plan: Plan, bar: &ProgressBar) -> Result<Self, FormError> {
        let count = plan.nodes.len();
        let mut cluster = Self {
            nodes: (0..count).map(|_| None).collect(),
            child: None,
            watch: Watch::default(),
            ids: vec![NodeId([0; 32]); count],
            ports: vec![0; count],
            pins: Pins::new(&plan)?,
            plan,
        };
        let founders: BTreeSet<_> = (0..cluster.plan.groups.len())
            .map(|group| cluster.plan.founder(group))
            .collect();
        for &index in &founders {
            let node = cluster.builder(index).start().await;
            cluster.place(index, node)?;
            bar.inc(1);
        }
        cluster.start_others(&founders, bar).await?;
        Ok(cluster)
    }

    async fn start_others(
        &mut self,
        founders: &BTreeSet<usize>,
        bar: &ProgressBar,
    ) -> Result<(), FormError> {
        let child = self.plan.stoppable();
        let mut starting = JoinSet::new();
        for index in (0..self.plan.nodes.len()).filter(|index| !founders.contains(index)) {
            if Some(index) != child {
                let builder = self.builder(index);
                starting.spawn(async move { (index, builder.start().await) });
            }
        }
        let config = child.map(|index| (index, self.member_config(index)));
        while let Some(started) = starting.join_next().await {
            let (index, node) = started.map_err(|error| FormError::Task {
                name: "?".to_owned(),
                reason: error.to_string(),
            })?;
            self.place(index, node)?;
            bar.inc(1);
        }
        if let Some((index, config)) = config {
            let process = MemberProcess::start(&config).await?;
            self.ids[index] = process.id();
            self.ports[index] = port(&process.status.address);
            self.child = Some((index, process));
            bar.inc(1);
        }
        Ok(())
    }

    fn builder(&self, index: usize) -> archipelago::Builder {
        let planned = &self.plan.nodes[index];
        let mut builder = Node::builder(&planned.name)
            .realm(&self.plan.realm)
            .idle_timeout(IDLE_TIMEOUT);
        if planned.is_reflector {
            builder = builder.reflector();
        }
        if let Some(path) = self.pins.key_file(index) {
            builder = builder.key_file(path);
        }
        for &group in planned
            .groups
            .iter()
            .filter(|&&group| !self.plan.is_parent(group))
        {
            builder = builder.group(self.told(group, index).into());
        }
        builder
    }

    /// A group as the node is told of it, its parents within.
    fn told(&self, group: usize, index: usize) -> Told {
        Told::of(&self.plan, group, &self.pins, &|group| {
            self.seeds(group, index)
        })
    }

    fn seeds(&self, group: usize, index: usize) -> Vec<String> {
        let founder = self.plan.founder(group);
        match &self.nodes[founder] {
            Some(node) if founder != index => vec![node.addresses()[0].0.to_string()],
            _ => Vec::new(),
        }
    }

    fn member_config(&self, index: usize) -> MemberConfig {
        let planned = &self.plan.nodes[index];
        let groups = planned.groups.iter().map(|&group| self.told(group, index));
        MemberConfig {
            name: planned.name.clone(),
            realm: self.plan.realm.clone(),
            idle_timeout_ms: IDLE_TIMEOUT.as_millis() as u64,
            groups: groups.collect(),
        }
    }

    fn place(&mut self, index: usize, node: Result<Node, StartError>) -> Result<(), FormError> {
        let node = node.map_err(|source| FormError::Start {
            name: self.plan.nodes[index].name.clone(),
            source,
        })?;
        self.watch.follow(index, node.id(), node.events());
        self.ids[index] = node.id();
        self.ports[index] = port(&node.addresses()[0].0);
        self.nodes[index] = Some(node);
        Ok(())
    }

    /// Waits until every node has a session with exactly its neighbours, sees every member of its
    /// groups, and every reflector knows a way to every group.
    pub(crate) async fn formed(&self, patience: Duration, bar: &ProgressBar) -> bool {
        let deadline = Instant::now() + patience;
        let mut waiting: Vec<_> = (0..self.nodes.len()).collect();
        while !waiting.is_empty() && Instant::now() < deadline {
            waiting.retain(|&index| !self.is_formed(index));
            bar.set_position((self.nodes.len() - waiting.len()) as u64);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        waiting.is_empty()
    }

    fn is_formed(&self, index: usize) -> bool {
        let Some(node) = &self.nodes[index] else {
            return true;
        };
        let planned = &self.plan.nodes[index];
        let sees_all = planned.groups.iter().all(|&group| {
            let group = &self.plan.groups[group];
            let members = node.members(&group.name);
            members.is_some_and(|members| members.len() == group.members.len())
        });
        let others = self.plan.groups.len() - planned.groups.len();
        let has_routes = || !planned.is_reflector || node.routes().len() >= others;
        sees_all
            && node.sessions().len() == self.plan.neighbours(index).len()
            && self.knows_tiers(index, node)
            && (self.plan.has_tiers() || has_routes())
    }

    /// Whether the node knows all groups above and below its own, and who leads up.
    fn knows_tiers(&self, index: usize, node: &Node) -> bool {
        let tiers = node.tiers();
        let mut groups = self.plan.nodes[index].groups.iter();
        groups.all(|&group| {
            let (above, below) = (self.plan.ancestors(group), self.plan.below_len(group));
            let id = self.group_id(group);
            let known = tiers.iter().find(|tier| tier.group == id);
            let is_flat = above.is_empty() && below == 0;
            is_flat
                || known.is_some_and(|tier| {
                    let leads = tier.reflectors.len() == self.plan.groups[group].reflectors.len();
                    tier.ancestors.len() == above.len()
                        && tier.below.len() == below
                        && (above.is_empty() || leads)
                })
        })
    }

    /// A mailbox on every node of this process.
    pub(crate) async fn mailboxes(&self) -> Result<Vec<Option<Mailbox>>, archipelago::NodeError> {
        let mut mailboxes = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            mailboxes.push(match node {
                Some(node) => Some(node.mailbox().await?),
                None => None,
            });
        }
        Ok(mailboxes)
    }

    /// Sessions of each node, itself asked; the child's as it last said.
    pub(crate) async fn session_counts(&mut self) -> Result<Vec<usize>, ProcessError> {
        let mut counts: Vec<_> = self
            .nodes
            .iter()
            .map(|node| node.as_ref().map_or(0, |node| node.sessions().len()))
            .collect();
        if let Some((index, process)) = &mut self.child {
            counts[*index] = process.refresh().await?;
        }
        Ok(counts)
    }

    /// Ends of all sessions now, the child's as it last said.
    pub(crate) fn session_ends(&self) -> usize {
        let here = self
            .nodes
            .iter()
            .flatten()
            .map(|node| node.sessions().len());
        let there = self
            .child
            .as_ref()
            .map_or(0, |(_, child)| child.status.sessions);
        here.sum::<usize>() + there
    }

    /// Control messages that the nodes of this process have sent so far.
    pub(crate) fn control_messages(&self) -> u64 {
        let nodes = self.nodes.iter().flatten();
        nodes.map(|node| node.metrics().control_sent).sum()
    }

    /// Connections that the nodes of this process have begun so far.
    pub(crate) fn dials(&self) -> u64 {
        let nodes = self.nodes.iter().flatten();
        nodes.map(|node| node.metrics().dials).sum()
    }

    /// Who the node with this index is.
    pub(crate) fn id(&self, index: usize) -> NodeId {
        self.ids[index]
    }

    /// The ports that the nodes listen on.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.ports.iter().copied().collect()
    }

    /// The id of the group with this index.
    pub(crate) fn group_id(&self, group: usize) -> GroupId {
        GroupId::new(&self.plan.realm, &self.plan.groups[group].name)
    }

    /// Members of the group, still running in this process, but for `except`.
    pub(crate) fn witnesses(&self, group: usize, except: usize) -> Vec<usize> {
        let members = self.plan.groups[group].members.iter().copied();
        members
            .filter(|&index| index != except && self.nodes[index].is_some())
            .collect()
    }

    /// Leaves first, everywhere at once.
    pub(crate) async fn shutdown(&mut self) {
        let mut stopping = JoinSet::new();
        for node in self.nodes.iter_mut().filter_map(Option::take) {
            stopping.spawn(async move { node.shutdown().await });
        }
        while stopping.join_next().await.is_some() {}
        self.child = None;
    }
}

impl Plan {
    /// The plain member that runs in a process of its own, to be stopped: the last one that founds
    /// nothing and shares its group with at least three others.
    pub(crate) fn stoppable(&self) -> Option<usize> {
        (0..self.nodes.len()).rev().find(|&index| {
            let node = &self.nodes[index];
            let [group] = node.groups[..] else {
                return false;
            };
            self.groups[group].members.len() > 3 && self.founder(group) != index
        })
    }
}

fn port(address: &str) -> u16 {
    let last = address.rsplit('/').next();
    last.and_then(|text| text.parse().ok()).unwrap_or(0)
}
