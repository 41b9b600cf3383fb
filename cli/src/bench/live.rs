//! Names of live groups, and groups made of their members: every member a node with its own swarm
//! and key, over loopback.

use std::ops::Range;
use std::time::{Duration, Instant};

use archipelago::{Group, GroupSpec, Mailbox, Node, NodeRef, Pid, RegisterError};
use tokio::task::JoinSet;

use super::names::{BenchError, Options};
use super::report::Report;
use crate::live::latency::Latency;

/// How long a group may take to form.
const FORMING_MAX: Duration = Duration::from_secs(60);

/// Look-ups of the measurement of those.
const LOOKUPS: u32 = 1_000_000;

/// Groups that are made of the same members, one after the other.
const CREATIONS: usize = 5;

/// What one worker did.
struct Done {
    member: usize,
    took: Vec<Duration>,
    failed: u64,
}

/// Measures a group of so many members.
pub(crate) async fn run(members: u32, options: &Options) -> Result<Report, BenchError> {
    let nodes = form(&options.divided(members)).await?;
    let mut mailboxes = Vec::new();
    for member in &nodes {
        mailboxes.push(member.node.mailbox().await?);
    }
    let mut report = Report {
        members,
        groups: options.groups(members),
        workers_per_member: options.workers,
        ..Report::default()
    };
    report.group_create_ms = create(&nodes).await?;
    let before = said(&nodes);
    let done = register(&nodes, &mailboxes, options).await?;
    let after = said(&nodes);
    conclude(&mut report, &done, options.duration());
    let registrations = report.registrations.max(1) as f64;
    report.control_messages_per_registration = (after.0 - before.0) as f64 / registrations;
    report.control_bytes_per_registration = Some((after.1 - before.1) as f64 / registrations);
    report.whereis_ns = Some(look_up(&nodes, &mailboxes).await?);
    for member in nodes {
        member.node.shutdown().await;
    }
    Ok(report)
}

/// Control messages that all members sent so far, and their bytes.
fn said(members: &[Member]) -> (u64, u64) {
    let metrics = members.iter().map(|member| member.node.metrics());
    metrics.fold((0, 0), |(messages, bytes), one| {
        (messages + one.control_sent, bytes + one.control_bytes_sent)
    })
}

/// A node, and the group that it registers in.
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) group: String,
}

pub(super) async fn form(ranges: &[Range<u32>]) -> Result<Vec<Member>, BenchError> {
    let mut members: Vec<Member> = Vec::new();
    for range in ranges {
        let group = format!("names{}", range.start);
        let mut seeds = Vec::new();
        for number in range.clone() {
            let spec = seeds
                .iter()
                .cloned()
                .fold(GroupSpec::open(&group), GroupSpec::seed);
            let node = Node::builder(&format!("m{number}")).group(spec);
            let node = node.start().await?;
            if number == range.start {
                seeds = node.addresses();
            }
            let group = group.clone();
            members.push(Member { node, group });
        }
    }
    let formed = async {
        for range in ranges {
            for number in range.clone() {
                if let Some(Member { node, group }) = members.get(number as usize) {
                    node.wait_members(group, range.len()).await?;
                }
            }
        }
        Ok::<(), archipelago::NodeError>(())
    };
    let formed = tokio::time::timeout(FORMING_MAX, formed).await;
    formed.map_err(|_| BenchError::Forming)??;
    Ok(members)
}

/// The median time in which the first member makes a group of all of its own group, over sessions
/// that there are: from the call until each of them is up in it. `None` if one of them did not come.
async fn create(members: &[Member]) -> Result<Option<f64>, BenchError> {
    let Some((first, others)) = members.split_first() else {
        return Ok(None);
    };
    let others = others.iter().filter(|other| other.group == first.group);
    let others: Vec<NodeRef> = others.map(|other| other.node.id().into()).collect();
    let mut took = Vec::new();
    for round in 0..CREATIONS {
        let name = format!("made {round}");
        let group = GroupSpec::with_cookie(&name, "cookie of a made group");
        let asked = Instant::now();
        let results = first.node.create_group(group, &others).await?;
        took.push(asked.elapsed());
        if results.iter().any(|one| one.result.is_err()) {
            return Ok(None);
        }
        first.node.group(&name).delete().await?;
    }
    took.sort_unstable();
    let median = took.get(CREATIONS / 2).map(Duration::as_secs_f64);
    Ok(median.map(|seconds| seconds * 1_000.0))
}

/// All workers of all members register and withdraw names of their own until the time is over.
async fn register(
    nodes: &[Member],
    mailboxes: &[Mailbox],
    options: &Options,
) -> Result<Vec<Done>, BenchError> {
    let until = Instant::now() + options.duration();
    let mut workers = JoinSet::new();
    for (member, (of, mailbox)) in nodes.iter().zip(mailboxes).enumerate() {
        for worker in 0..options.workers {
            let (group, pid) = (of.node.group(&of.group), mailbox.pid());
            workers.spawn(work(group, pid, (member, worker), until));
        }
    }
    let mut done = Vec::new();
    while let Some(ended) = workers.join_next().await {
        if let Ok(worker) = ended {
            done.push(worker?);
        }
    }
    Ok(done)
}

async fn work(
    group: Group,
    pid: Pid,
    (member, worker): (usize, u32),
    until: Instant,
) -> Result<Done, RegisterError> {
    let mut done = Done {
        member,
        took: Vec::new(),
        failed: 0,
    };
    for round in 0_u64.. {
        let asked = Instant::now();
        if asked >= until {
            break;
        }
        let name = format!("{member}.{worker}.{round}");
        match group.register(&name, pid).await {
            Ok(_) => done.took.push(asked.elapsed()),
            Err(RegisterError::Stopped) => return Err(RegisterError::Stopped),
            Err(_) => done.failed += 1,
        }
        group.unregister(&name).await?;
    }
    Ok(done)
}

fn conclude(report: &mut Report, done: &[Done], duration: Duration) {
    let mut latency = Latency::new();
    let mut served = vec![0_u64; report.members as usize];
    for worker in done {
        report.registrations_failed += worker.failed;
        if let Some(served) = served.get_mut(worker.member) {
            *served += worker.took.len() as u64;
        }
        for &took in &worker.took {
            latency.record(took);
        }
    }
    report.registrations = served.iter().sum();
    report.registrations_per_s = report.registrations as f64 / duration.as_secs_f64();
    report.register_p50_us = latency.micros(50.0);
    report.register_p99_us = latency.micros(99.0);
    report.register_p999_us = latency.micros(99.9);
    report.register_max_us = latency.micros(100.0);
    let least = served.iter().min().copied().unwrap_or_default();
    let mean = report.registrations as f64 / f64::from(report.members);
    report.least_served_share = least as f64 / mean.max(1.0);
}

/// The mean time of a look-up on the last member of names that the first one holds.
async fn look_up(nodes: &[Member], mailboxes: &[Mailbox]) -> Result<f64, BenchError> {
    const NAMES: u32 = 1_000;
    let (Some(first), Some(mailbox)) = (nodes.first(), mailboxes.first()) else {
        return Err(BenchError::Forming);
    };
    let of_group = |member: &&Member| member.group == first.group;
    let last = nodes.iter().rfind(of_group).unwrap_or(first);
    let group = first.node.group(&first.group);
    let mut names = Vec::new();
    let mut registrations = JoinSet::new();
    for number in 0..NAMES {
        let name = format!("looked up {number}");
        let (group, pid) = (group.clone(), mailbox.pid());
        names.push(name.clone());
        registrations.spawn(async move { group.register(name, pid).await });
    }
    while let Some(registered) = registrations.join_next().await {
        if let Ok(registered) = registered {
            registered?;
        }
    }
    let group = last.node.group(&last.group);
    let start = Instant::now();
    let mut found = 0_u32;
    for name in names.iter().cycle().take(LOOKUPS as usize) {
        found += u32::from(std::hint::black_box(group.whereis(name)).is_some());
    }
    debug_assert_eq!(found, LOOKUPS, "confirmed names are everywhere");
    Ok(start.elapsed().as_nanos() as f64 / f64::from(LOOKUPS))
}
