//! Messages between nodes that share no group: look-ups, first messages, and as many as go.

use std::time::Duration;

use archipelago::Pid;
use archipelago_core::Rng;

use super::NodesError;
use super::crew::Crew;
use super::measure::Measure;
use super::order::{Arrived, Order};
use super::row::Row;
use crate::live::latency::Latency;
use crate::machine::clock;

/// Nodes that look up, and pairs that write a first message: in turns, so that nothing else goes on.
const PAIRS: usize = 100;
/// Pairs that write without a pause.
const FLOODING: usize = 32;
/// How long.
const FLOOD: Duration = Duration::from_secs(2);
/// Letters that are under way when the last was sent.
const UNDER_WAY: Duration = Duration::from_millis(500);

/// All of it.
pub(super) async fn run(
    measure: &Measure<'_>,
    crew: &mut Crew,
    rng: &mut Rng,
    row: &mut Row,
) -> Result<(), NodesError> {
    let bar = measure.bar(row, "messages across groups", 3);
    let pairs = strangers(crew, 2 * PAIRS, rng);
    let (askers, writers) = pairs.split_at(pairs.len() / 2);
    look_up(crew, askers, row).await?;
    bar.inc(1);
    let writers = open(crew, writers).await?;
    write_first(crew, &writers, row).await?;
    bar.inc(1);
    flood(crew, &writers, row).await?;
    bar.finish_and_clear();
    Ok(())
}

/// Pairs without a common group; where all share one, any pairs. No node is in two of them.
fn strangers(crew: &Crew, wanted: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
    let count = crew.plan.nodes.len();
    let mut nodes: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        nodes.swap(place, rng.below(place as u64 + 1) as usize);
    }
    let is_mesh = crew.plan.groups.len() == 1;
    let mut pairs = Vec::new();
    while let (Some(one), true) = (nodes.pop(), pairs.len() < wanted) {
        let near = crew.plan.neighbours(one);
        let other = nodes
            .iter()
            .rposition(|other| is_mesh || !near.contains(other));
        if let Some(place) = other {
            pairs.push((one, nodes.swap_remove(place)));
        }
    }
    pairs
}

async fn look_up(
    crew: &mut Crew,
    pairs: &[(usize, usize)],
    row: &mut Row,
) -> Result<(), NodesError> {
    let asked = pairs.iter().map(|&(from, to)| {
        let home = crew.plan.nodes[to].groups[0];
        (from, crew.plan.groups[home].name.clone())
    });
    let orders = crew.by_process(asked.collect::<Vec<_>>());
    let mut took = Latency::new();
    for (process, asked) in orders.into_iter().enumerate() {
        let all: Vec<u64> = crew.ask_one(process, &Order::LookUp(asked)).await?;
        all.into_iter()
            .for_each(|us| took.record(Duration::from_micros(us)));
    }
    row.lookup_ms_p50 = took.millis(50.0);
    Ok(())
}

/// Mailboxes on both ends of each pair: who writes, and to whom.
async fn open(crew: &mut Crew, pairs: &[(usize, usize)]) -> Result<Vec<(usize, Pid)>, NodesError> {
    let nodes = pairs.iter().flat_map(|&(from, to)| [(from, ()), (to, ())]);
    let mut opened = std::collections::BTreeMap::new();
    for (process, nodes) in crew.by_process(nodes).into_iter().enumerate() {
        let nodes: Vec<usize> = nodes.into_iter().map(|(node, ())| node).collect();
        let order = Order::Mailboxes(nodes.clone());
        let pids: Vec<Pid> = crew.ask_one(process, &order).await?;
        opened.extend(nodes.into_iter().zip(pids));
    }
    let to = pairs
        .iter()
        .filter_map(|(from, to)| Some((*from, *opened.get(to)?)));
    Ok(to.collect())
}

async fn write_first(
    crew: &mut Crew,
    pairs: &[(usize, Pid)],
    row: &mut Row,
) -> Result<(), NodesError> {
    let mut failed = 0;
    for (process, pairs) in crew.by_process(pairs.to_vec()).into_iter().enumerate() {
        failed += crew.ask_one::<u64>(process, &Order::First(pairs)).await?;
    }
    tokio::time::sleep(UNDER_WAY).await;
    let mut took = Latency::new();
    for arrived in crew.ask_each::<Arrived>(&Order::Arrived).await? {
        let all = arrived.first_us.into_iter();
        all.for_each(|us| took.record(Duration::from_micros(us)));
    }
    row.first_messages = pairs.len();
    row.first_message_ms_p50 = took.millis(50.0);
    row.first_message_ms_p99 = took.millis(99.0);
    let (came, all) = (took.len(), pairs.len());
    row.require(came == all as u64, || {
        format!("{came} of {all} first messages came, {failed} were refused")
    });
    Ok(())
}

async fn flood(crew: &mut Crew, pairs: &[(usize, Pid)], row: &mut Row) -> Result<(), NodesError> {
    let pairs: Vec<(usize, Pid)> = pairs.iter().take(FLOODING).copied().collect();
    let begun = clock::now_us();
    let until_us = begun + FLOOD.as_micros() as u64;
    let parts = crew.by_process(pairs).into_iter();
    let orders: Vec<Order> = parts
        .map(|pairs| Order::Flood { pairs, until_us })
        .collect();
    let sent: u64 = crew.ask_all::<u64>(&orders).await?.iter().sum();
    tokio::time::sleep(UNDER_WAY).await;
    let arrived = crew.ask_each::<Arrived>(&Order::Arrived).await?;
    let in_time: u64 = arrived.iter().map(|arrived| arrived.in_time).sum();
    if sent > 0 {
        row.messages_per_s = Some(in_time as f64 / FLOOD.as_secs_f64());
    }
    Ok(())
}
