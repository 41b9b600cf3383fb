//! One of the processes that the nodes are spread over: does what it is told, line by line, until
//! its standard input ends.

mod load;
mod member;
mod tally;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archipelago::{GroupId, Mailbox, Node, NodeId};
use serde::Serialize;
use tokio::task::{JoinHandle, JoinSet};

use self::load::Entry;
use self::member::Member;
use self::tally::Counting;
use super::WorkersError;
use super::order::{LoadOrder, NodeOrder, Order, Started, Tally};
use crate::live::process::serve;
use crate::live::watch::Watch;
use crate::machine::{clock, descriptors};

/// Between two rounds of control messages.
const ROUND: Duration = Duration::from_secs(1);
/// Until a round of control messages is given up.
const ROUND_MAX: Duration = Duration::from_secs(30);

/// The nodes of this process.
#[derive(Default)]
struct Host {
    members: Vec<Member>,
    entries: Vec<Entry>,
    watch: Watch,
    load: Option<Running>,
}

/// A load, and what was counted before it.
struct Running {
    counting: Arc<Counting>,
    before: Counted,
    tasks: [Option<JoinHandle<()>>; 2],
}

/// What nodes counted since their start.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    misroutes: u64,
    control_sent: u64,
    control_bytes: u64,
    data_bytes: u64,
}

/// Runs until the standard input ends; the nodes are then gone without a word.
pub(super) async fn run() -> Result<(), WorkersError> {
    descriptors::raise();
    let mut host = Host::default();
    serve(async |order| Ok(host.obey(serde_json::from_str(order)?).await?)).await
}

impl Host {
    async fn obey(&mut self, order: Order) -> Result<String, serde_json::Error> {
        match order {
            Order::Start(nodes) => answer(self.start(nodes).await),
            Order::Form => answer(self.form().await),
            Order::Serve(groups) => answer(self.serve(&groups).await),
            Order::Load(order) => answer(self.begin(order).await),
            Order::Look => answer(Ok(self.look())),
            Order::Kill(index) => answer(Ok(self.kill(index))),
            Order::Seen {
                dead,
                group,
                since_us,
            } => answer(Ok(self.seen(dead, group, since_us))),
        }
    }

    async fn start(&mut self, nodes: Vec<NodeOrder>) -> Result<Vec<Started>, WorkersError> {
        let mut starting = JoinSet::new();
        for order in nodes {
            starting.spawn(Member::start(order));
        }
        let mut all = Vec::new();
        while let Some(started) = starting.join_next().await {
            let member = started.map_err(|error| WorkersError::Told(error.to_string()))??;
            let (index, node) = (member.index(), &member.node);
            self.watch.follow(index, node.id(), node.events());
            all.push(Started {
                index,
                address: node.addresses()[0].0.to_string(),
            });
            self.members.push(member);
        }
        self.members.sort_by_key(Member::index);
        Ok(all)
    }

    async fn form(&self) -> Result<(), WorkersError> {
        for member in &self.members {
            member.formed().await?;
        }
        Ok(())
    }

    async fn serve(&mut self, groups: &[String]) -> Result<(), WorkersError> {
        for member in &mut self.members {
            member.host().await?;
        }
        for member in &mut self.members {
            member.settled().await?;
        }
        if !self.entries.is_empty() {
            return Ok(());
        }
        for member in self.members.iter().filter(|member| member.is_entry()) {
            let mut ways = Vec::new();
            for group in groups {
                ways.push(member.entry(group).await?);
            }
            self.entries.push(Entry::new(member.index(), ways));
        }
        Ok(())
    }

    async fn begin(&mut self, order: LoadOrder) -> Result<(), WorkersError> {
        self.end_load();
        let counting = Arc::new(Counting::new());
        let before = self.count();
        let rounds = match self.members.first() {
            Some(member) if order.has_rounds => {
                let mailbox = member.node.mailbox().await?;
                let node = member.node.clone();
                let claims = claim(node, member.home().to_owned(), mailbox, counting.clone());
                Some(tokio::spawn(claims))
            }
            _ => None,
        };
        let (entries, counted) = (self.entries.clone(), counting.clone());
        let asking = tokio::spawn(async move {
            load::run(order, entries, counted.clone()).await;
            counted.done();
        });
        self.load = Some(Running {
            counting,
            before,
            tasks: [Some(asking), rounds],
        });
        Ok(())
    }

    fn end_load(&mut self) {
        if let Some(load) = self.load.take() {
            load.tasks.iter().flatten().for_each(JoinHandle::abort);
        }
    }

    fn look(&self) -> Tally {
        let (tally, before) = match &self.load {
            Some(load) => (load.counting.read(), load.before),
            None => (Tally::default(), Counted::default()),
        };
        let now = self.count();
        let nodes = self.members.iter().map(|member| &member.node);
        let deaths = self.watch.seen().false_deaths(&BTreeSet::new());
        Tally {
            misroutes: now.misroutes - before.misroutes,
            control_sent: now.control_sent - before.control_sent,
            control_bytes: now.control_bytes - before.control_bytes,
            data_bytes: now.data_bytes - before.data_bytes,
            sessions: nodes.map(|node| node.sessions().len()).collect(),
            deaths: deaths.into_iter().map(|(_, _, node)| node).collect(),
            ..tally
        }
    }

    fn count(&self) -> Counted {
        let mut counted = Counted {
            misroutes: self.entries.iter().map(Entry::redirected).sum(),
            ..Counted::default()
        };
        for member in &self.members {
            let metrics = member.node.metrics();
            counted.control_sent += metrics.control_sent;
            counted.control_bytes += metrics.control_bytes_sent;
            counted.data_bytes += metrics.data_bytes_sent;
        }
        counted
    }

    /// The node stays in the books, or what it said would be missing.
    fn kill(&mut self, index: usize) -> Option<(NodeId, u64)> {
        let member = self.members.iter().find(|member| member.index() == index)?;
        let gone = self.entries.iter().filter(|entry| entry.node == index);
        gone.for_each(Entry::end);
        let at = clock::now_us();
        member.node.clone().kill();
        Some((member.node.id(), at))
    }

    fn seen(&self, dead: NodeId, group: GroupId, since_us: u64) -> Vec<u64> {
        let witnesses: Vec<usize> = self.members.iter().map(Member::index).collect();
        let since = clock::instant_of(since_us);
        let seen = self.watch.seen().deaths_of(dead, group, since, &witnesses);
        let micros = seen.iter().map(|after| after.as_micros() as u64);
        micros.collect()
    }
}

/// Claims a name once a second, which is confirmed when all members have acknowledged it.
async fn claim(node: Node, group: String, mailbox: Mailbox, counting: Arc<Counting>) {
    let group = node.group(&group);
    let mut number = 0_u64;
    loop {
        tokio::time::sleep(ROUND).await;
        number += 1;
        let name = format!("round-{}-{number}", node.id());
        let begun = Instant::now();
        let claim = group.register(&name, mailbox.pid());
        if let Ok(Ok(_)) = tokio::time::timeout(ROUND_MAX, claim).await {
            counting.round(begun.elapsed());
        }
        let _gone = tokio::time::timeout(ROUND_MAX, group.unregister(&name)).await;
    }
}

fn answer<T: Serialize>(result: Result<T, WorkersError>) -> Result<String, serde_json::Error> {
    serde_json::to_string(&result.map_err(|error| error.to_string()))
}
