//! Breaking parts of the cluster, and how long others take to know or to go on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use archipelago_core::Rng;
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::letter::{Ledger, Letter};
use super::traffic::Post;
use crate::live::latency::Latency;
use crate::live::process::ProcessError;

/// How long a death may take to be known; what counts is when it was, not this.
const PATIENCE: Duration = Duration::from_secs(20);
/// Look-ups go on for so long before and after the reflectors are killed.
const PROBING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// Between two look-ups of one prober.
const PAUSE: Duration = Duration::from_millis(50);

/// When the others knew.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) witnesses: usize,
    pub(crate) after: Vec<Duration>,
}

impl Known {
    /// The figures: how many knew, the median and the last, in ms.
    pub(crate) fn figures(&self) -> (usize, Option<f64>, Option<f64>) {
        let latency = Latency::of(&self.after);
        let last = self.after.iter().max();
        let last_ms = last.map(|duration| duration.as_secs_f64() * 1_000.0);
        (self.after.len(), latency.millis(50.0), last_ms)
    }
}

/// Kills a plain member: dropped without a word, its sockets closed by the kernel.
pub(crate) async fn kill_member(cluster: &mut Cluster, rng: &mut Rng) -> Option<(usize, Known)> {
    let candidates = killable(cluster);
    let &index = candidates.get(rng.below(candidates.len() as u64) as usize)?;
    let group = cluster.plan.nodes[index].groups[0];
    let witnesses = cluster.witnesses(group, index);
    let since = Instant::now();
    cluster.nodes[index].take()?.kill();
    Some((index, known(cluster, index, group, since, witnesses).await))
}

/// Plain members, not in the group of the child, that nobody joins through.
fn killable(cluster: &Cluster) -> Vec<usize> {
    let plan = &cluster.plan;
    let spared = cluster
        .child
        .as_ref()
        .map(|(index, _)| plan.nodes[*index].groups[0]);
    let is_killable = |index: &usize| {
        let [group] = plan.nodes[*index].groups[..] else {
            return false;
        };
        cluster.nodes[*index].is_some()
            && plan.founder(group) != *index
            && (Some(group) != spared || plan.groups.len() == 1)
            && plan.groups[group].members.len() > 2
    };
    (0..plan.nodes.len()).filter(is_killable).collect()
}

/// Stops the child by SIGSTOP until its group knows, then continues it until it is back.
pub(crate) async fn stop_member(cluster: &Cluster) -> Result<Option<(Known, Known)>, ProcessError> {
    let Some((index, child)) = &cluster.child else {
        return Ok(None);
    };
    let group = cluster.plan.nodes[*index].groups[0];
    let witnesses = cluster.witnesses(group, *index);
    let stopped = Instant::now();
    child.process.stop()?;
    let down = known(cluster, *index, group, stopped, witnesses.clone()).await;
    let continued = Instant::now();
    child.process.continue_()?;
    let (id, group) = (cluster.id(*index), cluster.group_id(group));
    let all_up = |seen: &crate::live::watch::Seen| {
        seen.ups_of(id, group, continued, &witnesses).len() == witnesses.len()
    };
    cluster.watch.until(PATIENCE, all_up).await;
    let after = cluster
        .watch
        .seen()
        .ups_of(id, group, continued, &witnesses);
    let up = Known {
        witnesses: witnesses.len(),
        after,
    };
    Ok(Some((down, up)))
}

async fn known(
    cluster: &Cluster,
    index: usize,
    group: usize,
    since: Instant,
    witnesses: Vec<usize>,
) -> Known {
    let (id, group) = (cluster.id(index), cluster.group_id(group));
    let all_know = |seen: &crate::live::watch::Seen| {
        seen.deaths_of(id, group, since, &witnesses).len() == witnesses.len()
    };
    cluster.watch.until(PATIENCE, all_know).await;
    let after = cluster.watch.seen().deaths_of(id, group, since, &witnesses);
    Known {
        witnesses: witnesses.len(),
        after,
    }
}

/// What the probers saw while reflectors died.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probed {
    pub(crate) lookups: u64,
    pub(crate) failures: u64,
    pub(crate) lost: u64,
    pub(crate) gap_max: Duration,
}

impl Probed {
    fn add(&mut self, other: &Self) {
        self.lookups += other.lookups;
        self.failures += other.failures;
        self.lost += other.lost;
        self.gap_max = self.gap_max.max(other.gap_max);
    }
}

/// Kills one reflector of each group, as far as the others still bridge everything, while plain
/// members of every group look up strangers and write to them.
pub(crate) async fn kill_reflectors(
    cluster: &mut Cluster,
    posts: &[Option<Post>],
    ledger: &Ledger,
    rng: &mut Rng,
    bar: &ProgressBar,
) -> (BTreeSet<usize>, Probed) {
    let victims = cluster.plan.spare_reflectors();
    let until = Instant::now() + PROBING.0 + PROBING.1;
    let mut probers = JoinSet::new();
    for (number, prober) in probers_of(cluster).into_iter().enumerate() {
        let targets = targets_of(cluster, posts, prober, &victims);
        if let (Some(post), false) = (posts[prober].clone(), targets.is_empty()) {
            let prober = Prober {
                number: number as u64,
                post,
                targets,
                ledger: ledger.clone(),
                rng: rng.split(number as u64),
            };
            let bar = bar.clone();
            probers.spawn(async move { prober.run(until, bar).await });
        }
    }
    tokio::time::sleep(PROBING.0).await;
    for &victim in &victims {
        if let Some(node) = cluster.nodes[victim].take() {
            node.kill();
        }
    }
    let mut total = Probed::default();
    while let Some(probed) = probers.join_next().await {
        total.add(&probed.unwrap_or_default());
    }
    (victims, total)
}

/// Two running plain members of each group.
fn probers_of(cluster: &Cluster) -> Vec<usize> {
    let mut probers = Vec::new();
    for group in &cluster.plan.groups {
        let plain = group.members.iter().copied().filter(|&index| {
            cluster.nodes[index].is_some() && !cluster.plan.nodes[index].is_reflector
        });
        probers.extend(plain.take(2));
    }
    probers
}

/// Running plain nodes with which the prober shares no group.
fn targets_of(
    cluster: &Cluster,
    posts: &[Option<Post>],
    prober: usize,
    victims: &BTreeSet<usize>,
) -> Vec<Post> {
    let near = cluster.plan.neighbours(prober);
    (0..posts.len())
        .filter(|index| *index != prober && !near.contains(index) && !victims.contains(index))
        .filter(|&index| cluster.nodes[index].is_some())
        .filter_map(|index| posts[index].clone())
        .collect()
}

struct Prober {
    number: u64,
    post: Post,
    targets: Vec<Post>,
    ledger: Ledger,
    rng: Rng,
}

impl Prober {
    async fn run(mut self, until: Instant, bar: ProgressBar) -> Probed {
        let mut probed = Probed::default();
        while Instant::now() < until {
            let target = &self.targets[self.rng.below(self.targets.len() as u64) as usize];
            let id = self.number << 32 | probed.lookups;
            probed.lookups += 1;
            let start = Instant::now();
            let arrived = self.probe(target, id, start, &mut probed).await;
            probed.lost += u64::from(!arrived);
            probed.gap_max = probed.gap_max.max(start.elapsed());
            bar.inc(1);
            tokio::time::sleep(PAUSE).await;
        }
        probed
    }

    /// Writes to the target until it is accepted, then waits until it arrives.
    async fn probe(&self, target: &Post, id: u64, start: Instant, probed: &mut Probed) -> bool {
        while let Err(error) = self
            .post
            .sender
            .send_typed(target.pid, &Letter::Probe { id })
            .await
        {
            probed.failures += 1;
            if start.elapsed() > PATIENCE {
                eprintln!("a probe was refused for {PATIENCE:?}: {error}");
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.ledger
            .until(PATIENCE, |arrived| arrived.has_probe(id))
            .await
    }
}
