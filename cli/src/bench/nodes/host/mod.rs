//! One of the processes that the nodes are spread over: does what it is told, line by line, until
//! its standard input ends.

mod hosted;
mod letters;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use archipelago::{Mailbox, Node, NodeId, Pid};
use serde::Serialize;
use tokio::task::JoinSet;

use self::hosted::Hosted;
use self::letters::Letters;
use super::NodesError;
use super::order::{Counted, FalseDeaths, Formed, NodeOrder, Order, Refusals, Sight, Started};
use crate::live::process::serve;
use crate::live::watch::Watch;
use crate::machine::{clock, descriptors};

/// Between two looks at nodes that have not formed, at least; more where a look takes long.
const LOOK: Duration = Duration::from_millis(10);
/// A look takes at most one part in so many of the time.
const LOOK_SHARE: u32 = 20;
/// Between two first messages, so that each travels alone.
const APART: Duration = Duration::from_millis(2);
/// False deaths that are told in words.
const EXAMPLES: usize = 4;

/// The nodes of this process.
#[derive(Debug, Default)]
struct Host {
    nodes: BTreeMap<usize, Hosted>,
    mailboxes: BTreeMap<usize, Mailbox>,
    letters: Letters,
    watch: Watch,
}

/// Runs until the standard input ends; the nodes are then gone without a word.
pub(super) async fn run() -> Result<(), NodesError> {
    descriptors::raise();
    let mut host = Host::default();
    serve(async |order| Ok(host.obey(serde_json::from_str(order)?).await?)).await
}

impl Host {
    async fn obey(&mut self, order: Order) -> Result<String, serde_json::Error> {
        match order {
            Order::Start(nodes) => answer(&self.start(nodes).await),
            Order::Form { wait_ms } => done(&self.form(Duration::from_millis(wait_ms)).await),
            Order::Count => done(&self.count()),
            Order::Seen {
                sight,
                node,
                group,
                since_us,
            } => {
                let witnesses: Vec<usize> = self.nodes.keys().copied().collect();
                let since = clock::instant_of(since_us);
                let seen = self.watch.seen();
                let after = match sight {
                    Sight::Up => seen.ups_of(node, group, since, &witnesses),
                    Sight::Dead => seen.deaths_of(node, group, since, &witnesses),
                };
                let at = after.iter().map(|&after| clock::us_of(since + after));
                done(&at.collect::<Vec<u64>>())
            }
            Order::FalseDeaths { dead } => done(&self.false_deaths(&dead.into_iter().collect())),
            Order::Mailboxes(nodes) => answer(&self.open(nodes).await),
            Order::LookUp(asked) => answer(&self.look_up(asked).await),
            Order::First(pairs) => done(&self.write_first(pairs).await),
            Order::Flood { pairs, until_us } => done(&self.flood(pairs, until_us).await),
            Order::Arrived => done(&self.letters.take()),
            Order::Refusals => done(&self.refusals()),
        }
    }

    async fn start(&mut self, nodes: Vec<NodeOrder>) -> Result<Vec<Started>, String> {
        let mut starting = JoinSet::new();
        for order in nodes {
            starting.spawn(hosted::start(order));
        }
        let mut all = Vec::new();
        while let Some(started) = starting.join_next().await {
            let started = started.map_err(|error| error.to_string())?;
            let (index, hosted) = started.map_err(|error| error.to_string())?;
            let (node, at_us) = (&hosted.node, hosted.started_us);
            self.watch.follow(index, node.id(), node.events());
            all.push(Started {
                index,
                id: node.id(),
                address: node.addresses()[0].0.to_string(),
                at_us,
            });
            self.nodes.insert(index, hosted);
        }
        Ok(all)
    }

    async fn form(&mut self, patience: Duration) -> Formed {
        let until = Instant::now() + patience;
        loop {
            let look = Instant::now();
            let told = self.look();
            if told.formed == told.of || Instant::now() >= until {
                return told;
            }
            let pause = LOOK.max(look.elapsed() * LOOK_SHARE);
            tokio::time::sleep(pause.min(until.saturating_duration_since(look))).await;
        }
    }

    fn look(&mut self) -> Formed {
        let mut told = Formed {
            of: self.nodes.len(),
            ..Formed::default()
        };
        for (&index, hosted) in &mut self.nodes {
            match hosted.look() {
                Ok(at_us) => {
                    told.formed += 1;
                    told.who.push(index);
                    told.last_us = told.last_us.max(at_us);
                    told.took_us.push(at_us.saturating_sub(hosted.started_us));
                }
                Err(lack) => told.waiting = told.waiting.or(Some(lack)),
            }
        }
        told
    }

    fn count(&self) -> Counted {
        let mut counted = Counted {
            events_missed: self.watch.seen().missed,
            ..Counted::default()
        };
        for Hosted { node, .. } in self.nodes.values() {
            let metrics = node.metrics();
            counted.sessions.push(node.sessions().len());
            counted.control_sent += metrics.control_sent;
            counted.dials += metrics.dials;
            counted.connections_refused += metrics.connections_refused;
        }
        counted
    }

    fn false_deaths(&self, dead: &BTreeSet<NodeId>) -> FalseDeaths {
        let deaths = self.watch.seen().false_deaths(dead);
        let name = |index: &usize| self.nodes.get(index).map_or("?", |one| one.node.name());
        let examples = deaths.iter().take(EXAMPLES).map(|(witness, group, node)| {
            let witness = name(witness);
            format!("{witness} saw {node} die in {group}, which lived")
        });
        FalseDeaths {
            count: deaths.len(),
            examples: examples.collect(),
        }
    }

    fn refusals(&self) -> Refusals {
        let seen = self.watch.seen();
        let refused = seen.refusals.iter();
        Refusals {
            refused: refused
                .map(|(&node, reason)| (node, reason.clone()))
                .collect(),
        }
    }

    fn node(&self, index: usize) -> Result<&Node, String> {
        let hosted = self.nodes.get(&index);
        let hosted = hosted.ok_or_else(|| format!("node {index} is not here"))?;
        Ok(&hosted.node)
    }

    async fn open(&mut self, nodes: Vec<usize>) -> Result<Vec<Pid>, String> {
        let mut pids = Vec::new();
        for index in nodes {
            let mailbox = self.node(index)?.mailbox().await;
            let mailbox = mailbox.map_err(|error| error.to_string())?;
            let sender = self.node(index)?.mailbox().await;
            let sender = sender.map_err(|error| error.to_string())?;
            pids.push(mailbox.pid());
            self.letters.follow(mailbox);
            self.mailboxes.insert(index, sender);
        }
        Ok(pids)
    }

    async fn look_up(&self, asked: Vec<(usize, String)>) -> Result<Vec<u64>, String> {
        let mut took = Vec::new();
        for (index, group) in asked {
            let group = self.node(index)?.group(&group);
            let begun = Instant::now();
            // That nobody holds the name is told by the group as well.
            let found = group.lookup("a name that nobody holds").await;
            found.map_err(|error| format!("a look-up: {error}"))?;
            took.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
            tokio::time::sleep(APART).await;
        }
        Ok(took)
    }

    async fn write_first(&self, pairs: Vec<(usize, Pid)>) -> u64 {
        let mut failed = 0;
        for (from, to) in pairs {
            let sent = match self.mailboxes.get(&from) {
                Some(mailbox) => mailbox.send(to, letters::first()).await.is_ok(),
                None => false,
            };
            failed += u64::from(!sent);
            tokio::time::sleep(APART).await;
        }
        failed
    }

    async fn flood(&self, pairs: Vec<(usize, Pid)>, until_us: u64) -> u64 {
        self.letters.count_until(until_us);
        let mut senders = JoinSet::new();
        for (from, to) in pairs {
            if let Some(mailbox) = self.mailboxes.get(&from) {
                senders.spawn(letters::flood(mailbox.sender(), to, until_us));
            }
        }
        let mut sent = 0;
        while let Some(one) = senders.join_next().await {
            sent += one.unwrap_or(0);
        }
        // A process that sends nothing counts to the end all the same.
        let left = clock::between(clock::now_us(), until_us);
        tokio::time::sleep(left).await;
        sent
    }
}

fn answer<T: Serialize>(result: &Result<T, String>) -> Result<String, serde_json::Error> {
    serde_json::to_string(result)
}

fn done<T: Serialize>(told: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Ok::<&T, String>(told))
}
