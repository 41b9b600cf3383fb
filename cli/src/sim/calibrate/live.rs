//! The course on sockets: the demo's cluster, with the demo's faults.

use std::time::{Duration, Instant};

use archipelago::{GroupSpec, Node};
use archipelago_core::Rng;
use indicatif::ProgressBar;
use tokio::time::sleep;

use super::baseline::Parameters;
use super::course::{BACK, CLOSING, Course, FORMING, GONE, KILLED, PATIENCE, PHASE, STAY, Script};
use super::measured::{Figure, Measured};
use crate::cluster::Plan;
use crate::demo::DemoError;
use crate::demo::cluster::{Cluster, FormError};
use crate::demo::faults;
use crate::demo::letter::Ledger;
use crate::demo::traffic::{self, Post};
use crate::live::progress::Progress;

/// One live run.
pub(super) struct Live<'a> {
    pub(super) course: Course,
    pub(super) progress: Progress,
    pub(super) measured: &'a mut Measured,
    pub(super) parameters: &'a mut Parameters,
    pub(super) rng: Rng,
}

impl Live<'_> {
    /// The whole course; what was measured before an error or an interruption stays.
    pub(super) async fn run(&mut self, plan: Plan, script: &mut Script) -> Result<(), DemoError> {
        let begun = Instant::now();
        let bar = self
            .progress
            .phase("live: starting and forming", plan.nodes.len());
        let mut cluster = Cluster::start(plan, &bar).await?;
        self.parameters.starts_within_ms = begun.elapsed().as_secs_f64() * 1e3;
        cluster.formed(PATIENCE, &bar).await;
        sleep(FORMING.saturating_sub(begun.elapsed())).await;
        bar.finish_and_clear();
        self.rest(&mut cluster, begun).await?;
        self.join(&cluster).await?;
        self.talk(&cluster, script).await?;
        self.stop(&cluster).await?;
        self.kill(&mut cluster, script).await;
        cluster.shutdown().await;
        Ok(())
    }

    /// Sessions, and messages while forming and at rest.
    async fn rest(&mut self, cluster: &mut Cluster, begun: Instant) -> Result<(), DemoError> {
        let bar = self.bar("live: at rest", 1);
        let formed = (heard(cluster), begun.elapsed().as_secs_f64());
        let rested = Instant::now();
        sleep(self.course.rest).await;
        let said = (heard(cluster) - formed.0, rested.elapsed().as_secs_f64());
        self.measured.note_control(formed, said);
        self.measured
            .note_sessions(&cluster.session_counts().await?);
        bar.finish_and_clear();
        Ok(())
    }

    /// One more node joins the first group, stays for a moment and leaves.
    async fn join(&mut self, cluster: &Cluster) -> Result<(), DemoError> {
        let bar = self.bar("live: one more node joins", self.course.joins);
        for number in 0..self.course.joins {
            let begin = Instant::now();
            let node = late_comer(cluster, number).await?;
            self.measured.note_time(Figure::Join, begin.elapsed());
            sleep(STAY).await;
            node.shutdown().await;
            sleep(GONE).await;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Streams across groups, one by one.
    async fn talk(&mut self, cluster: &Cluster, script: &mut Script) -> Result<(), DemoError> {
        let mailboxes = cluster.mailboxes().await?;
        let posts: Vec<_> = mailboxes
            .iter()
            .map(|mailbox| mailbox.as_ref().map(Post::of))
            .collect();
        let pairs = traffic::pairs(&cluster.plan, &posts, self.course.streams, &mut self.rng);
        let ledger = Ledger::new(pairs.len());
        for mailbox in mailboxes.into_iter().flatten() {
            ledger.follow(mailbox);
        }
        let bar = self.bar("live: streams across groups", pairs.len());
        traffic::run(&pairs, (&posts, 1), &ledger, &cluster.watch, &bar).await;
        self.note_first(&ledger);
        script.streams = pairs;
        sleep(CLOSING).await;
        bar.finish_and_clear();
        Ok(())
    }

    fn note_first(&mut self, ledger: &Ledger) {
        let first = &ledger.arrived().first;
        if let (Some(median), Some(worst)) = (first.millis(50.0), first.millis(100.0)) {
            self.measured.note(Figure::FirstMessage, median, worst);
        }
    }

    /// The member with a process of its own is stopped until all know, and continued.
    async fn stop(&mut self, cluster: &Cluster) -> Result<(), DemoError> {
        let bar = self.bar("live: a member stopped", self.course.stops);
        for _ in 0..self.course.stops {
            let phase = self.rng.below(PHASE.as_micros() as u64);
            sleep(Duration::from_micros(phase)).await;
            if let Some((down, _)) = faults::stop_member(cluster).await? {
                self.measured.note_known(Figure::Stopped, &down);
            }
            sleep(BACK).await;
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    async fn kill(&mut self, cluster: &mut Cluster, script: &mut Script) {
        let bar = self.bar("live: members killed", self.course.kills);
        script.kills.clear();
        for _ in 0..self.course.kills {
            if let Some((index, known)) = faults::kill_member(cluster, &mut self.rng).await {
                self.measured.note_known(Figure::Killed, &known);
                script.kills.push(index);
            }
            sleep(KILLED).await;
            bar.inc(1);
        }
        bar.finish_and_clear();
    }

    fn bar(&self, name: &'static str, steps: usize) -> ProgressBar {
        self.progress.phase(name, steps)
    }
}

/// A node that comes after all others, up in the first group.
async fn late_comer(cluster: &Cluster, number: usize) -> Result<Node, DemoError> {
    let group = &cluster.plan.groups[0];
    let founder = cluster.nodes[cluster.plan.founder(0)].as_ref();
    let mut spec = match &group.cookie {
        Some(cookie) => GroupSpec::with_cookie(&group.name, cookie),
        None => GroupSpec::open(&group.name),
    };
    if let Some(founder) = founder {
        spec = spec.seed(founder.addresses()[0].clone());
    }
    let name = format!("late-{number}");
    let builder = Node::builder(&name).realm(&cluster.plan.realm).group(spec);
    let node = builder.start().await;
    let node = node.map_err(|source| FormError::Start { name, source })?;
    node.joined(&group.name).await?;
    Ok(node)
}

/// Control messages that a node of this process heard so far, on average.
fn heard(cluster: &Cluster) -> f64 {
    let nodes = cluster.nodes.iter().flatten();
    let heard: u64 = nodes
        .clone()
        .map(|node| node.metrics().control_received)
        .sum();
    heard as f64 / nodes.count().max(1) as f64
}
