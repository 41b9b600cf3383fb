//! Nodes that come and go: each in a process of its own, one after the other, so that one joins a
//! group as on a machine of its own, and is killed or stopped by the system.

use std::time::Duration;

use archipelago::NodeId;
use archipelago_core::Rng;
use indicatif::ProgressBar;

use super::NodesError;
use super::crew::{Crew, Worker};
use super::measure::Measure;
use super::order::{Formed, Order, Sight, Started};
use super::row::Row;
use crate::live::latency::Latency;
use crate::machine::clock;

/// How long a node may take to join, and its death to be known; what counts is when it was.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at what the others saw.
const LOOK: Duration = Duration::from_millis(50);
/// From the last join to the first loss: a joiner is watched by then as every member is.
const SETTLING: Duration = Duration::from_secs(3);

/// A node in a process of its own.
struct Guest {
    worker: Worker,
    id: NodeId,
    group: usize,
}

/// How a node is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Killed,
    Stopped,
}

/// Joins and losses; returns who died.
pub(super) async fn run(
    measure: &Measure<'_>,
    crew: &mut Crew,
    rng: &mut Rng,
    row: &mut Row,
) -> Result<Vec<NodeId>, NodesError> {
    let each = measure.options.losses;
    let bar = measure.bar(row, "nodes join, are killed, are stopped", 4 * each);
    let mut guests = join(crew, 2 * each, rng, (row, &bar)).await?;
    tokio::time::sleep(SETTLING).await;
    let dead = guests.iter().map(|guest| guest.id).collect();
    let stopped = guests.split_off(guests.len() / 2);
    row.killed = guests.len();
    row.stopped = stopped.len();
    let killed = lose(crew, guests, Loss::Killed, (row, &bar)).await?;
    row.killed_seen_ms_p50 = killed.millis(50.0);
    row.killed_seen_ms_p99 = killed.millis(99.0);
    let stopped = lose(crew, stopped, Loss::Stopped, (row, &bar)).await?;
    row.stopped_seen_ms_p50 = stopped.millis(50.0);
    row.stopped_seen_ms_p99 = stopped.millis(99.0);
    bar.finish_and_clear();
    Ok(dead)
}

async fn join(
    crew: &mut Crew,
    count: usize,
    rng: &mut Rng,
    (row, bar): (&mut Row, &ProgressBar),
) -> Result<Vec<Guest>, NodesError> {
    let groups = crew.plan.groups.len();
    let homes: Vec<usize> = (0..groups)
        .filter(|&group| !crew.plan.is_parent(group))
        .collect();
    let first = rng.below(homes.len() as u64) as usize;
    let apart = (homes.len() / count.max(1)).max(1);
    let mut took = Latency::new();
    let mut guests: Vec<Guest> = Vec::new();
    for number in 0..count {
        let group = homes[(first + number * apart) % homes.len()];
        let there = guests.iter().filter(|guest| guest.group == group).count();
        let (guest, join_time) = join_one(crew, group, (there + 1, number)).await?;
        guests.push(guest);
        bar.inc(1);
        match join_time {
            Ok(join_time) => took.record(join_time),
            Err(lack) => row.require(false, || format!("one more node: {lack}")),
        }
    }
    row.join_one_ms = took.millis(50.0);
    row.join_one_ms_max = took.millis(100.0);
    Ok(guests)
}

/// How long it took, or what was missing in the end.
type JoinTime = Result<Duration, String>;

async fn join_one(
    crew: &mut Crew,
    group: usize,
    (more, number): (usize, usize),
) -> Result<(Guest, JoinTime), NodesError> {
    let index = crew.plan.nodes.len() + number;
    let mut worker = Worker::start(0, index..index + 1)?;
    let order = Order::Start(vec![crew.order_of_one_more(group, more, index)]);
    let started: Vec<Started> = worker.ask(&order).await?;
    let started = started.into_iter().next();
    let started = started.ok_or_else(|| NodesError::Told("no node was started".to_owned()))?;
    let order = Order::Form {
        wait_ms: PATIENCE.as_millis() as u64,
    };
    let formed: Formed = worker.ask(&order).await?;
    let guest = Guest {
        worker,
        id: started.id,
        group,
    };
    if formed.formed == 0 {
        return Ok((guest, Err(formed.waiting.unwrap_or_default())));
    }
    // All others have seen it come up, too.
    let witnesses = crew.plan.groups[group].members.len();
    let since = (Sight::Up, started.at_us);
    let seen = known(crew, &guest, since, witnesses).await?;
    let lack = format!("{} of {witnesses} saw it come up", seen.len());
    let last = seen.iter().copied().chain([formed.last_us]).max();
    let took = clock::between(started.at_us, last.unwrap_or(0));
    let is_seen = seen.len() == witnesses;
    Ok((guest, if is_seen { Ok(took) } else { Err(lack) }))
}

/// Loses one after the other; when their groups knew.
async fn lose(
    crew: &mut Crew,
    guests: Vec<Guest>,
    loss: Loss,
    (row, bar): (&mut Row, &ProgressBar),
) -> Result<Latency, NodesError> {
    let mut latency = Latency::new();
    for guest in guests {
        let since = clock::now_us();
        match loss {
            Loss::Killed => guest.worker.process.kill()?,
            Loss::Stopped => guest.worker.process.stop()?,
        }
        let witnesses = crew.plan.groups[guest.group].members.len();
        let seen = known(crew, &guest, (Sight::Dead, since), witnesses).await?;
        for &at in &seen {
            latency.record(clock::between(since, at));
        }
        let count = seen.len();
        row.require(count == witnesses, || {
            format!("{count} of {witnesses} saw a node die that was {loss:?}")
        });
        bar.inc(1);
    }
    Ok(latency)
}

/// When its group's members saw it, once all have, or patience ends.
async fn known(
    crew: &mut Crew,
    guest: &Guest,
    (sight, since_us): (Sight, u64),
    witnesses: usize,
) -> Result<Vec<u64>, NodesError> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = crew.seen(sight, guest.id, guest.group, since_us).await?;
        if seen.len() >= witnesses || tokio::time::Instant::now() >= until {
            return Ok(seen);
        }
        tokio::time::sleep(LOOK).await;
    }
}
