//! One number of nodes in one topology: formed, counted, left alone, joined, broken, talked over.
//!
//! Each phase fills in its part of the [`Row`]; an error or an interruption leaves the rest `null`.

use std::time::Duration;

use archipelago::NodeId;
use archipelago_core::Rng;
use indicatif::ProgressBar;

use super::crew::Crew;
use super::order::{Counted, FalseDeaths, Order};
use super::row::Row;
use super::{NodesError, Options, Topology, losses, talk};
use crate::live::progress::Progress;
use crate::machine::clock;

/// Longest that forming may take: so long at least, and so much more for each end of a session,
/// which takes a millisecond of a core, and cores may have other work.
const FORMING: (Duration, Duration) = (Duration::from_secs(60), Duration::from_millis(5));
/// After forming, until everything else about it is done.
const SETTLING: Duration = Duration::from_secs(3);

/// Measures rows.
#[derive(Debug)]
pub(super) struct Measure<'a> {
    pub(super) options: &'a Options,
    pub(super) progress: Progress,
    /// Ends of sessions that one process may hold.
    pub(super) ends_max: usize,
}

impl Measure<'_> {
    /// Everything about so many nodes.
    pub(super) async fn run(&self, topology: Topology, row: &mut Row) -> Result<(), NodesError> {
        let mut crew = self.lay_out(topology, row)?;
        self.form(&mut crew, row).await?;
        count(&mut crew, row).await?;
        self.rest(&mut crew, row).await?;
        let mut rng = Rng::from_u64(self.options.seed);
        talk::run(self, &mut crew, &mut rng, row).await?;
        let dead = losses::run(self, &mut crew, &mut rng, row).await?;
        count_false_deaths(&mut crew, dead, row).await
    }

    /// A bar for one phase of a row.
    pub(super) fn bar(&self, row: &Row, name: &str, steps: usize) -> ProgressBar {
        let bar = self.progress.phase("", steps);
        bar.set_message(format!("{} {}: {name}", row.nodes, row.topology));
        bar
    }

    fn lay_out(&self, topology: Topology, row: &mut Row) -> Result<Crew, NodesError> {
        let options = self.options;
        let plan = topology.plan(row.nodes, options.group_size(), options.tiers)?;
        let mut plan = plan.live()?;
        plan.realm = format!("bench-{}-{}", std::process::id(), clock::now_us());
        row.note_plan(&plan);
        let needed = (2 * row.sessions_expected + 2 * row.nodes).div_ceil(self.ends_max);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let processes = options.processes.unwrap_or(cores).max(needed);
        let crew = Crew::new(plan, processes, topology.observers())?;
        row.processes = crew.processes();
        Ok(crew)
    }

    async fn form(&self, crew: &mut Crew, row: &mut Row) -> Result<(), NodesError> {
        let before = crew.processor_time();
        let bar = self.bar(row, "starting nodes", row.nodes);
        crew.start(&bar).await?;
        bar.finish_and_clear();
        let bar = self.bar(row, "forming groups", row.nodes);
        let more = FORMING.1 * u32::try_from(2 * row.sessions_expected).unwrap_or(u32::MAX);
        let formed = crew.form(FORMING.0 + more, &bar).await?;
        bar.finish_and_clear();
        row.forming_cpu_s = spent(before, crew.processor_time());
        if formed.formed < formed.of {
            return Err(NodesError::Forming {
                patience: FORMING.0 + more,
                formed: formed.formed,
                of: formed.of,
                waiting: formed.waiting.unwrap_or_default(),
            });
        }
        row.formed_s = Some(clock::between(crew.begun_us(), formed.last_us).as_secs_f64());
        Ok(())
    }

    async fn rest(&self, crew: &mut Crew, row: &mut Row) -> Result<(), NodesError> {
        tokio::time::sleep(SETTLING).await;
        row.memory_mb = crew.memory_bytes().map(|bytes| bytes as f64 / 1e6);
        row.memory_mb_per_node = row.memory_mb.map(|megabytes| megabytes / row.nodes as f64);
        let bar = self.bar(row, "resting", 1);
        let (said, spent_before) = (said(crew).await?, crew.processor_time());
        let begun = clock::now_us();
        tokio::time::sleep(Duration::from_secs_f64(self.options.idle)).await;
        let seconds = clock::between(begun, clock::now_us()).as_secs_f64();
        let spent = spent(spent_before, crew.processor_time());
        let said = self::said(crew).await? - said;
        bar.finish_and_clear();
        row.idle_s = seconds;
        let nodes = row.nodes as f64;
        row.idle_cpu_percent_per_node = spent.map(|spent| 100.0 * spent / seconds / nodes);
        row.control_messages_per_node_per_s = Some(said as f64 / seconds / nodes);
        Ok(())
    }
}

async fn count(crew: &mut Crew, row: &mut Row) -> Result<(), NodesError> {
    let mut sessions = Vec::new();
    for counted in crew.ask_each::<Counted>(&Order::Count).await? {
        sessions.extend(counted.sessions);
        row.dials += counted.dials;
    }
    row.note_sessions(&sessions);
    let (total, expected) = (row.sessions_total, row.sessions_expected);
    row.require(total == expected, || {
        format!("{total} sessions where the groups justify {expected}")
    });
    Ok(())
}

async fn said(crew: &mut Crew) -> Result<u64, NodesError> {
    let all = crew.ask_each::<Counted>(&Order::Count).await?;
    Ok(all.iter().map(|counted| counted.control_sent).sum())
}

async fn count_false_deaths(
    crew: &mut Crew,
    dead: Vec<NodeId>,
    row: &mut Row,
) -> Result<(), NodesError> {
    let order = Order::FalseDeaths { dead };
    let mut examples = Vec::new();
    for deaths in crew.ask_each::<FalseDeaths>(&order).await? {
        row.false_deaths += deaths.count;
        examples.extend(deaths.examples);
    }
    if let Some(example) = examples.first() {
        let (count, example) = (row.false_deaths, example.clone());
        row.require(false, || format!("{count} deaths of the living: {example}"));
    }
    Ok(())
}

fn spent(before: Option<Duration>, after: Option<Duration>) -> Option<f64> {
    Some(after?.checked_sub(before?)?.as_secs_f64())
}
