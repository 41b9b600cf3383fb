//! What the demo does, one phase after the other, and what each promises.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use archipelago_core::Rng;

use super::cluster::Cluster;
use super::letter::Ledger;
use super::options::{IDLE_TIMEOUT, Options};
use super::report::Report;
use super::traffic::Post;
use super::{DemoError, faults, table, traffic};
use crate::cluster::Plan;
use crate::live::progress::Progress;
use crate::live::watch::Seen;
use crate::machine::{descriptors, sockets, usage};

/// Longest that forming may take before it counts as failed.
const FORMING: Duration = Duration::from_secs(60);
/// Longest that idle sessions may take to close beyond their time-out.
const CLOSING: Duration = Duration::from_secs(15);
/// How long the idle cluster is looked at.
const RESTING: Duration = Duration::from_secs(5);
/// The bound for the detection of a silent member.
const DETECTION_MS_MAX: f64 = 2_500.0;
/// The bound for a gap in look-ups while one reflector of each group dies.
const GAP_MS_MAX: f64 = 2_000.0;

/// One run.
#[derive(Debug)]
pub(crate) struct Demo<'a> {
    options: &'a Options,
    started: Instant,
    progress: Progress,
}

impl<'a> Demo<'a> {
    /// A run that began at `started`.
    pub(crate) const fn new(options: &'a Options, started: Instant) -> Self {
        Self {
            options,
            started,
            progress: Progress::new(!options.json),
        }
    }

    /// All phases; the report is printed before the cluster is taken down.
    pub(crate) async fn run(&self, plan: Plan, report: &mut Report) -> Result<(), DemoError> {
        let mut rng = Rng::from_u64(self.options.seed);
        self.describe(&plan, report);
        let mut cluster = self.form(plan, report).await?;
        self.count_sessions(&mut cluster, report).await?;
        let (posts, ledger) = self.talk(&cluster, &mut rng, report).await?;
        self.fall_idle(&cluster, report).await;
        self.rest(&cluster, report).await;
        let mut broken = self.lose_members(&mut cluster, &mut rng, report).await?;
        let reflectors = self.lose_reflectors(&mut cluster, &posts, &ledger, &mut rng, report);
        broken.extend(reflectors.await);
        count_false_deaths(&cluster, &broken, report);
        self.print(report)?;
        if self.options.keep {
            self.keep(&cluster).await;
        }
        cluster.shutdown().await;
        Ok(())
    }

    /// Closes the report and writes it to the standard output.
    pub(crate) fn print(&self, report: &mut Report) -> Result<(), DemoError> {
        report.cpu_s = usage::processor_time().map(|spent| spent.as_secs_f64());
        report.elapsed_s = self.started.elapsed().as_secs_f64();
        report.conclude();
        if self.options.json {
            println!("{}", serde_json::to_string(report)?);
        } else {
            println!("{}", table::render(report));
        }
        Ok(())
    }

    fn describe(&self, plan: &Plan, report: &mut Report) {
        report.nodes = plan.nodes.len();
        report.groups = plan.groups.len();
        report.reflectors = plan.nodes.iter().filter(|node| node.is_reflector).count();
        report.seed = self.options.seed;
        report.idle_timeout_s = IDLE_TIMEOUT.as_secs_f64();
        report.full_mesh_per_node = report.nodes.saturating_sub(1);
        report.full_mesh_total = plan.full_mesh_total();
        report.sessions_expected = plan.sessions_total();
    }

    async fn form(&self, plan: Plan, report: &mut Report) -> Result<Cluster, DemoError> {
        let (start, cpu) = (Instant::now(), usage::processor_time());
        let bar = self.progress.phase("starting nodes", plan.nodes.len());
        let cluster = Cluster::start(plan, &bar).await?;
        bar.finish();
        let bar = self.progress.phase("forming groups", report.nodes);
        let is_formed = cluster.formed(FORMING, &bar).await;
        bar.finish();
        report.formed_s = is_formed.then(|| start.elapsed().as_secs_f64());
        report.forming_cpu_s = spent_since(cpu).map(|spent| spent.as_secs_f64());
        report.forming_dials = cluster.dials();
        report.forming_control_messages = cluster.control_messages();
        report.require(is_formed, || {
            format!("the cluster did not form in {FORMING:?}")
        });
        Ok(cluster)
    }

    async fn count_sessions(
        &self,
        cluster: &mut Cluster,
        report: &mut Report,
    ) -> Result<(), DemoError> {
        let counts = settled_in_nodes(cluster, report.sessions_expected).await?;
        let ends: usize = counts.iter().sum();
        report.sessions_min = counts.iter().copied().min().unwrap_or(0);
        report.sessions_max = counts.iter().copied().max().unwrap_or(0);
        report.sessions_mean = ends as f64 / counts.len() as f64;
        report.sessions_total = ends / 2;
        let kernel = settled_in_kernel(&cluster.ports(), report.sessions_total).await;
        report.sessions_kernel = kernel;
        let (total, expected) = (report.sessions_total, report.sessions_expected);
        report.require(total == expected, || {
            format!("{total} sessions where the groups justify {expected}")
        });
        report.require(kernel.is_none_or(|kernel| kernel == total), || {
            format!("the nodes count {total} sessions, the kernel {kernel:?}")
        });
        Ok(())
    }

    /// Streams across groups, from relay to direct.
    async fn talk(
        &self,
        cluster: &Cluster,
        rng: &mut Rng,
        report: &mut Report,
    ) -> Result<(Vec<Option<Post>>, Ledger), DemoError> {
        let mailboxes = cluster.mailboxes().await?;
        let posts: Vec<_> = mailboxes
            .iter()
            .map(|mailbox| mailbox.as_ref().map(Post::of))
            .collect();
        let pairs = traffic::pairs(&cluster.plan, &posts, self.options.pairs, rng);
        let ledger = Ledger::new(pairs.len());
        for mailbox in mailboxes.into_iter().flatten() {
            ledger.follow(mailbox);
        }
        let bar = self.progress.phase("streams across groups", pairs.len());
        let sent = traffic::run(
            &pairs,
            (&posts, traffic::AT_ONCE),
            &ledger,
            &cluster.watch,
            &bar,
        )
        .await;
        bar.finish();
        report.pairs = pairs.len();
        report.pairs_relay_first = sent.relay_first;
        report.pairs_direct = sent.direct;
        report.messages_sent = sent.messages;
        account(&ledger, report);
        report.messages_taken_later = sent.taken_later;
        for (reason, count) in &sent.refused {
            report.require(false, || {
                format!("{count} messages were refused to the end: {reason}")
            });
        }
        let (wanted, direct, relay) = (pairs.len(), sent.direct, sent.relay_first);
        report.require(direct == wanted, || {
            format!("{direct} of {wanted} streams went over to direct")
        });
        report.require(relay == wanted, || {
            format!("{relay} of {wanted} streams began by relay")
        });
        Ok((posts, ledger))
    }

    /// Every on-demand session closes by itself, and nothing else does.
    async fn fall_idle(&self, cluster: &Cluster, report: &mut Report) {
        let bar = self.progress.phase("idle sessions close", 1);
        let all_closed = |seen: &Seen| seen.on_demand_up == seen.on_demand_down;
        let is_closed = cluster
            .watch
            .until(IDLE_TIMEOUT + CLOSING, all_closed)
            .await;
        bar.finish();
        let seen = cluster.watch.seen();
        // Each session was told of at both ends.
        report.on_demand_opened = seen.on_demand_up / 2;
        report.on_demand_closed = seen.on_demand_down / 2;
        let (missed, undelivered) = (seen.missed, seen.undelivered);
        drop(seen);
        report.sessions_after_idle = cluster.session_ends() / 2;
        let (after, before) = (report.sessions_after_idle, report.sessions_total);
        report.require(is_closed, || "on-demand sessions stayed open".to_owned());
        report.require(after == before, || {
            format!("{before} sessions before the streams, {after} after them")
        });
        report.require(missed == 0, || format!("{missed} events were missed"));
        report.require(undelivered == 0, || {
            format!("{undelivered} messages were given up")
        });
    }

    async fn rest(&self, cluster: &Cluster, report: &mut Report) {
        let bar = self.progress.phase("resting", 1);
        let (start, cpu) = (Instant::now(), usage::processor_time());
        let said = cluster.control_messages();
        tokio::time::sleep(RESTING).await;
        bar.finish();
        let seconds = start.elapsed().as_secs_f64();
        let said = cluster.control_messages() - said;
        let nodes = cluster.nodes.iter().flatten().count() as f64;
        report.idle_cpu_percent_per_node =
            spent_since(cpu).map(|spent| 100.0 * spent.as_secs_f64() / seconds / nodes);
        report.idle_control_messages_per_node_per_s = Some(said as f64 / seconds / nodes);
        report.descriptors = descriptors::open();
        report.rss_mb = usage::resident_bytes().map(|bytes| bytes as f64 / 1e6);
        report.rss_mb_per_node = report.rss_mb.map(|megabytes| megabytes / nodes);
    }

    /// One member killed, another one stopped and continued.
    async fn lose_members(
        &self,
        cluster: &mut Cluster,
        rng: &mut Rng,
        report: &mut Report,
    ) -> Result<BTreeSet<usize>, DemoError> {
        let mut broken = BTreeSet::new();
        let bar = self.progress.phase("a member killed, a member stopped", 2);
        if let Some((index, known)) = faults::kill_member(cluster, rng).await {
            broken.insert(index);
            report.member_killed_witnesses = known.witnesses;
            (
                report.member_killed_seen_by,
                report.member_killed_seen_ms_p50,
                report.member_killed_seen_ms_max,
            ) = known.figures();
            require_known("killed", &known, report);
        }
        bar.inc(1);
        if let Some((down, up)) = faults::stop_member(cluster).await? {
            broken.extend(cluster.child.as_ref().map(|(index, _)| *index));
            report.member_stopped_witnesses = down.witnesses;
            (
                report.member_stopped_seen_by,
                report.member_stopped_seen_ms_p50,
                report.member_stopped_seen_ms_max,
            ) = down.figures();
            report.member_continued_back_ms_max = up.figures().2;
            require_known("stopped", &down, report);
            let (back, all) = (up.after.len(), up.witnesses);
            report.require(back == all, || {
                format!("{back} of {all} saw the stopped member come back")
            });
        }
        bar.finish();
        Ok(broken)
    }

    async fn lose_reflectors(
        &self,
        cluster: &mut Cluster,
        posts: &[Option<Post>],
        ledger: &Ledger,
        rng: &mut Rng,
        report: &mut Report,
    ) -> BTreeSet<usize> {
        let bar = self.progress.phase("a reflector of each group killed", 0);
        let (victims, probed) = faults::kill_reflectors(cluster, posts, ledger, rng, &bar).await;
        bar.finish();
        report.reflectors_killed = victims.len();
        report.reflector_kill_lookups = probed.lookups;
        report.reflector_kill_lookup_failures = probed.failures;
        let gap_ms = probed.gap_max.as_secs_f64() * 1_000.0;
        report.reflector_kill_gap_ms_max = (probed.lookups > 0).then_some(gap_ms);
        report.require(probed.lost == 0, || {
            format!("{} messages of look-ups never arrived", probed.lost)
        });
        report.require(gap_ms <= GAP_MS_MAX, || {
            format!("a look-up failed for {gap_ms:.0} ms, more than {GAP_MS_MAX:.0}")
        });
        victims
    }

    async fn keep(&self, cluster: &Cluster) {
        for (group, planned) in cluster.plan.groups.iter().enumerate() {
            if let Some(node) = &cluster.nodes[cluster.plan.founder(group)] {
                let address = &node.addresses()[0].0;
                eprintln!("group {}: join through {address}", planned.name);
            }
        }
        eprintln!("the cluster stays up until Ctrl-C");
        std::future::pending::<()>().await;
    }
}

/// Sessions of each node: as soon as their total is `expected`, else what they are after a while. A
/// pair whose connections crossed is for a moment without the one that it gives up.
async fn settled_in_nodes(cluster: &mut Cluster, expected: usize) -> Result<Vec<usize>, DemoError> {
    let deadline = Instant::now() + CLOSING;
    loop {
        let counts = cluster.session_counts().await?;
        if counts.iter().sum::<usize>() == 2 * expected || Instant::now() >= deadline {
            return Ok(counts);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The kernel's count of sessions: as soon as it is `expected`, else what it is after a while. Of
/// two connections that crossed, the one that is not kept takes some time to be gone.
async fn settled_in_kernel(ports: &BTreeSet<u16>, expected: usize) -> Option<usize> {
    let deadline = Instant::now() + CLOSING;
    loop {
        let count = sockets::accepted(ports)?.values().sum();
        if count == expected || Instant::now() >= deadline {
            return Some(count);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn account(ledger: &Ledger, report: &mut Report) {
    let arrived = ledger.arrived();
    report.messages_lost = report.messages_sent.saturating_sub(arrived.distinct());
    report.messages_reordered = arrived.reordered;
    report.messages_duplicated = arrived.duplicated;
    report.first_message_ms_p50 = arrived.first.millis(50.0);
    report.first_message_ms_p99 = arrived.first.millis(99.0);
    report.direct_message_us_p50 = arrived.direct.micros(50.0);
    report.direct_message_us_p99 = arrived.direct.micros(99.0);
    let foreign = arrived.foreign;
    drop(arrived);
    let (lost, reordered, twice) = (
        report.messages_lost,
        report.messages_reordered,
        report.messages_duplicated,
    );
    report.require(lost + reordered + twice + foreign == 0, || {
        format!("{lost} messages lost, {reordered} reordered, {twice} twice, {foreign} foreign")
    });
}

fn require_known(what: &str, known: &faults::Known, report: &mut Report) {
    let (count, _, last_ms) = known.figures();
    let all = known.witnesses;
    report.require(count == all, || {
        format!("{count} of {all} saw the {what} member die")
    });
    let last_ms = last_ms.unwrap_or(0.0);
    report.require(last_ms <= DETECTION_MS_MAX, || {
        format!("the last one saw the {what} member die after {last_ms:.0} ms")
    });
}

fn count_false_deaths(cluster: &Cluster, broken: &BTreeSet<usize>, report: &mut Report) {
    let dead = broken.iter().map(|&index| cluster.id(index)).collect();
    let deaths = cluster.watch.seen().false_deaths(&dead);
    report.false_deaths = deaths.len();
    for (witness, group, node) in deaths.into_iter().take(8) {
        let name = |index: usize| cluster.plan.nodes[index].name.clone();
        let who = (0..cluster.plan.nodes.len()).find(|&index| cluster.id(index) == node);
        report.require(false, || {
            format!(
                "{} saw {} die in {group}, which lived",
                name(witness),
                who.map_or_else(|| node.to_string(), name)
            )
        });
    }
}

fn spent_since(before: Option<Duration>) -> Option<Duration> {
    usage::processor_time()?.checked_sub(before?)
}
