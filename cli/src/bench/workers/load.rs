//! The load: every worker once as fast as may be, then requests at their times.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use archipelago::{Bytes, Keyed, Node};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::names::BenchError;
use super::Options;
use super::cluster::{self, Member};
use super::measured::{Class, Measured};
use crate::live::progress::Progress;
use crate::machine::usage;

const BODY_BYTES: usize = 300_000;
const SMALL_BYTES: usize = 200;
/// Until a request is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests under way at once while workers are started.
const STARTING_MAX: usize = 256;
/// Requests under way at once under load; one that is due beyond waits, and its time counts.
const UNDER_WAY_MAX: usize = 20_000;
/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(1);
/// A request whose host died may be asked again so often.
const TRIES_MAX: usize = 5;
/// All entries, the killed one too: who asked it asks the next one.
type Entries = Arc<[Keyed]>;

/// Coprime to every number of keys below it: keys are asked in a mixed order, each in turn.
const MIXING: u64 = 1_000_000_007;

/// Forms a group, starts its workers, and loads them.
pub(super) async fn run(
    hosts: u32,
    options: &Options,
    measured: &Arc<Measured>,
    progress: Progress,
) -> Result<(), BenchError> {
    let bar = progress.phase("members started", hosts as usize);
    let mut members = cluster::form(hosts as usize, options, || bar.inc(1)).await?;
    bar.finish_and_clear();
    let entries = members.iter().filter_map(|member| member.entry.clone());
    let entries: Entries = entries.collect();
    measured.set_entries(entries.to_vec());
    activate(&entries, options, measured, progress).await;
    let looking = tokio::spawn(look(nodes(&members), measured.clone()));
    let loaded = load(&mut members, entries, options, measured, progress).await;
    looking.abort();
    for member in &members {
        member.node.shutdown().await;
    }
    loaded
}

fn nodes(members: &[Member]) -> Vec<Node> {
    members.iter().map(|member| member.node.clone()).collect()
}

/// Asks every key once.
async fn activate(
    entries: &Entries,
    options: &Options,
    measured: &Arc<Measured>,
    progress: Progress,
) {
    let bar = progress.phase("workers started", options.keys as usize);
    let (begun, memory) = (Instant::now(), usage::resident_bytes());
    let room = Arc::new(Semaphore::new(STARTING_MAX));
    let request = Bytes::from(vec![1; 16]);
    for number in 0..options.keys {
        let permit = room.clone().acquire_owned().await;
        let entries = entries.clone();
        let (measured, request, bar) = (measured.clone(), request.clone(), bar.clone());
        let (place, key) = (number as usize, number);
        tokio::spawn(async move {
            let _permit = permit;
            if !ask((&entries, place), key, &request, &measured).await {
                measured.lost.fetch_add(1, Relaxed);
            }
            bar.inc(1);
        });
    }
    // All are back when all are free again.
    drop(room.acquire_many(STARTING_MAX as u32).await);
    bar.finish_and_clear();
    measured.started(options.keys, begun.elapsed(), memory);
}

/// Requests at their times; a host is killed and another one added in the middle.
async fn load(
    members: &mut Vec<Member>,
    entries: Entries,
    options: &Options,
    measured: &Arc<Measured>,
    progress: Progress,
) -> Result<(), BenchError> {
    let duration = options.duration();
    let total = (duration.as_secs_f64() * f64::from(options.rate)) as u64;
    let bar = progress.phase("requests", total as usize);
    let loads = [vec![7; SMALL_BYTES], vec![7; BODY_BYTES]].map(Bytes::from);
    let room = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let mut living: Vec<usize> = (0..entries.len()).collect();
    let mut kill = options.kill.then_some(duration / 2);
    let mut adding = JoinSet::new();
    measured.begin_load();
    let begun = Instant::now();
    let mut number = 0;
    while number < total {
        tokio::time::sleep(TICK).await;
        if kill.is_some_and(|at| begun.elapsed() >= at) {
            kill = None;
            let first = kill_one(members, &mut living);
            let place = members.len() + 1;
            adding.spawn(async move { cluster::add(place, &first).await });
        }
        let due = (begun.elapsed().as_secs_f64() * f64::from(options.rate)) as u64;
        while number < due.min(total) {
            let class = class_of(number, options);
            let due_at = begun + Duration::from_secs_f64(number as f64 / f64::from(options.rate));
            let place = living[number as usize % living.len()];
            let key = (number % options.keys) * (MIXING % options.keys.max(1)) % options.keys;
            let permit = room.clone().acquire_owned().await.ok();
            let request = loads[class as usize].clone();
            measured.asked.fetch_add(1, Relaxed);
            let (entries, measured) = (entries.clone(), measured.clone());
            tokio::spawn(async move {
                let _permit = permit;
                if ask((&entries, place), key, &request, &measured).await {
                    measured.answered(class, due_at.elapsed());
                } else {
                    measured.lost.fetch_add(1, Relaxed);
                }
            });
            number += 1;
        }
        bar.set_position(number);
    }
    // What is under way has its patience.
    let all = room.acquire_many(UNDER_WAY_MAX as u32);
    drop(tokio::time::timeout(PATIENCE, all).await);
    measured.end_load();
    while let Some(added) = adding.join_next().await {
        if let Ok(added) = added {
            members.push(added?);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Kills the second host, which takes no requests any more; the first node.
fn kill_one(members: &mut Vec<Member>, living: &mut Vec<usize>) -> Node {
    let gone = members.remove(1);
    if gone.entry.is_some() && living.len() > 1 {
        living.remove(1);
    }
    gone.node.kill();
    members[0].node.clone()
}

/// Bodies are spread evenly among all requests.
fn class_of(number: u64, options: &Options) -> Class {
    let bodies = |number: u64| number * u64::from(options.bodies) / u64::from(options.rate);
    if bodies(number + 1) > bodies(number) {
        Class::Body
    } else {
        Class::Small
    }
}

/// Asks once, and again, at the next entry, where a host or the entry died meanwhile: whether it was
/// answered.
async fn ask(
    (entries, place): (&Entries, usize),
    key: u64,
    request: &Bytes,
    measured: &Measured,
) -> bool {
    let from = entries.iter().cycle().skip(place % entries.len());
    for entry in from.take(TRIES_MAX) {
        match entry.call(key.to_be_bytes(), request, PATIENCE).await {
            Ok(_) => return true,
            Err(error) => measured.failed(&error),
        }
    }
    false
}

/// Reads what control messages take between members, once a second.
async fn look(nodes: Vec<Node>, measured: Arc<Measured>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for node in &nodes {
            for session in node.sessions() {
                if let Some(round_trip) = session.rtt {
                    measured.control(round_trip);
                }
            }
        }
    }
}
