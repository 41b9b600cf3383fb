//! One cluster from its first process to its last: formed, rested, given a name, robbed of a node.

use std::time::{Duration, Instant};

use super::crew::{Crew, Limit};
use super::kind::Kind;
use super::plan::Plan;
use super::procfs;
use super::row::Row;
use crate::Failure;

/// How long processes may take until all of them listen.
const START_MAX: Duration = Duration::from_secs(180);
/// What a formed cluster may still do before it is looked at: dials that cross, rounds that end.
const SETTLE: Duration = Duration::from_secs(3);
/// How long a name, and a death, may take to be seen.
const SEEN_MAX: Duration = Duration::from_secs(30);

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Until a cluster has formed.
    pub(super) form: Duration,
    /// How long it is looked at while it rests.
    pub(super) idle: Duration,
    pub(super) memory_free_bytes: u64,
}

impl Bounds {
    const fn limit(&self, time: Duration) -> Limit {
        Limit {
            time,
            memory_free_bytes: self.memory_free_bytes,
        }
    }
}

/// Measures one cluster. What broke is in the row, beside all that was measured before.
pub(super) async fn measure(kind: Kind, nodes: usize, bounds: Bounds) -> Row {
    let mut row = Row::new(kind, nodes);
    let crew = match Plan::new(kind, nodes) {
        Ok(plan) => Crew::start(plan).await,
        Err(error) => Err(error.into()),
    };
    let mut crew = match crew {
        Ok(crew) => crew,
        Err(error) => {
            row.broke = Some(format!("did not start: {error}"));
            return row;
        }
    };
    if let Err(error) = form(&mut crew, bounds, &mut row).await {
        row.broke = Some(error.to_string());
        weigh(&crew, &mut row);
    } else {
        rest(&mut crew, bounds.idle, &mut row).await;
        if kind.nameless().is_none()
            && let Err(error) = name(&mut crew, bounds, &mut row).await
        {
            row.remarks.push(format!("the name: {error}"));
        }
        if let Err(error) = lose(&mut crew, bounds, &mut row).await {
            row.remarks.push(format!("the killed node: {error}"));
        }
    }
    crew.end().await;
    row
}

async fn form(crew: &mut Crew, bounds: Bounds, row: &mut Row) -> Result<(), Failure> {
    let mut begun = crew.started;
    if crew.plan.kind != Kind::Nats {
        let up = crew.until(bounds.limit(START_MAX), |crew| {
            crew.heard.iter().all(|heard| heard.is_up)
        });
        up.await.map_err(|error| {
            let up = crew.heard.iter().filter(|heard| heard.is_up).count();
            format!("{up} of {} processes were up: {error}", crew.plan.nodes)
        })?;
        // From here on, so that no process start is counted. A server forms while it starts.
        begun = Instant::now();
    }
    let before = spent(crew);
    crew.tell("go").await;
    let formed = crew.until(bounds.limit(bounds.form), |crew| {
        let mut places = crew.heard.iter().enumerate();
        places.all(|(place, heard)| heard.sees >= crew.plan.wanted(place))
    });
    let formed = formed.await;
    row.formed_cpu_s = Some((spent(crew).saturating_sub(before)).as_secs_f64());
    formed.map_err(|error| format!("{error}: {}", lacking(crew)))?;
    row.formed_s = Some(begun.elapsed().as_secs_f64());
    Ok(())
}

/// How far it came.
fn lacking(crew: &Crew) -> String {
    let places = crew.heard.iter().enumerate();
    let seen: Vec<(usize, usize)> = places
        .map(|(place, heard)| (heard.sees, crew.plan.wanted(place)))
        .collect();
    let whole = seen.iter().filter(|(sees, wanted)| sees >= wanted).count();
    let worst = seen
        .iter()
        .max_by_key(|(sees, wanted)| wanted.saturating_sub(*sees));
    let (sees, wanted) = worst.copied().unwrap_or_default();
    let nodes = crew.plan.nodes;
    format!("{whole} of {nodes} nodes saw all that they should, the last one {sees} of {wanted}")
}

fn spent(crew: &Crew) -> Duration {
    crew.pids().map(procfs::processor_time).sum()
}

/// Connections and memory, as they are.
fn weigh(crew: &Crew, row: &mut Row) {
    row.connections = Some(procfs::connections(crew.pids()));
    let memory: u64 = crew.pids().map(procfs::memory_bytes).sum();
    row.memory_mb = Some(memory as f64 / 1e6);
}

/// Looks at it while nobody asks it anything.
async fn rest(crew: &mut Crew, idle: Duration, row: &mut Row) {
    crew.tell("rest").await;
    tokio::time::sleep(SETTLE).await;
    weigh(crew, row);
    let (before, begun) = (spent(crew), Instant::now());
    tokio::time::sleep(idle).await;
    let spent = spent(crew).saturating_sub(before);
    let share = spent.as_secs_f64() / begun.elapsed().as_secs_f64();
    row.idle_percent_per_node = Some(share * 100.0 / row.nodes as f64);
    crew.tell("look").await;
}

/// One name, from the order to register it until the last one has found it.
async fn name(crew: &mut Crew, bounds: Bounds, row: &mut Row) -> Result<(), Failure> {
    let holder = crew.plan.nodes - 1;
    let begun = Instant::now();
    crew.tell_one(holder, "register").await;
    crew.tell("find").await;
    let seen = crew.until(bounds.limit(SEEN_MAX), |crew| {
        let mut witnesses = crew.plan.witnesses(holder);
        witnesses.all(|place| crew.heard.get(place).is_some_and(|heard| heard.has_found))
    });
    seen.await?;
    row.named_ms = Some(begun.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

/// One node killed, until the last one that it was connected to knows.
async fn lose(crew: &mut Crew, bounds: Bounds, row: &mut Row) -> Result<(), Failure> {
    let lost = crew.plan.nodes - 1;
    let begun = Instant::now();
    crew.kill(lost)?;
    let knows = |crew: &Crew, place: usize| {
        let heard = crew.heard.get(place);
        heard.is_some_and(|heard| heard.sees < crew.plan.wanted(place))
    };
    let seen = crew.until(bounds.limit(SEEN_MAX), |crew| {
        let mut witnesses = crew.plan.witnesses(lost);
        witnesses.all(|place| knows(crew, place))
    });
    if let Err(error) = seen.await {
        let witnesses = crew.plan.witnesses(lost);
        let (all, seen) = witnesses.fold((0, 0), |(all, seen), place| {
            (all + 1, seen + usize::from(knows(crew, place)))
        });
        return Err(format!("{error}: {seen} of {all} nodes saw its death").into());
    }
    row.killed_seen_ms = Some(begun.elapsed().as_secs_f64() * 1e3);
    Ok(())
}
