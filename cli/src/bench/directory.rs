//! `archipelago bench directory`: many names in one group that stay, and a member who comes to them.
//!
//! Members are live nodes of this process, over loopback. What names take of memory is what the
//! process grew by, over its members; so it is an upper bound, with what its allocator keeps.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use archipelago::{GroupSpec, Node, RegisterError};
use comfy_table::{Table, presets};
use serde::Serialize;
use tokio::task::JoinSet;

use super::live::{Member, form};
use super::names::BenchError;
use super::report::{print_json, shown};
use crate::live::progress::Progress;
use crate::machine::usage::resident_bytes;

/// How long names may take to be everywhere once they are confirmed.
const EVERYWHERE_MAX: Duration = Duration::from_secs(60);
const LOOK_PERIOD: Duration = Duration::from_millis(1);

/// The members of one group register so many names in all and keep them; then one more node joins,
/// and learns them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Names in all.
    #[arg(long, default_value_t = 100_000)]
    names: u32,
    /// Members of the group before the last one comes.
    #[arg(long, default_value_t = 8)]
    members: u32,
    /// Names that each member registers at once.
    #[arg(long, default_value_t = 64)]
    workers: u32,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// What was measured; a figure that was not taken is `null`.
#[derive(Clone, Debug, Default, Serialize)]
struct Report {
    names: u32,
    members: u32,
    /// Until all were confirmed.
    registered_s: f64,
    registrations_per_s: f64,
    /// From the last confirmation until every member has every name.
    everywhere_ms: f64,
    /// What the process grew by, for each member.
    bytes_per_member: Option<f64>,
    bytes_per_name_and_member: Option<f64>,
    /// From the start of a node until it is a member.
    joiner_in_ms: f64,
    /// From its start until it has every name.
    joiner_has_names_ms: f64,
    /// What came to it meanwhile, as control messages.
    joiner_bytes: u64,
    joiner_messages: u64,
    joiner_bytes_per_name: f64,
}

/// Measures and prints.
pub(crate) async fn main(options: &Options) -> ExitCode {
    let measured = tokio::select! {
        measured = measure(options) => measured,
        _ = tokio::signal::ctrl_c() => Err(BenchError::Interrupted),
    };
    match measured.and_then(|report| print(&report, options.json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("archipelago: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> Result<Report, BenchError> {
    let (names, members) = (options.names, options.members);
    if !(2..=256).contains(&members) {
        return Err(BenchError::Members { members });
    }
    let progress = Progress::new(!options.json);
    let bar = progress.phase("names, by member", members as usize);
    let group = form(std::slice::from_ref(&(0..members))).await?;
    let mut report = Report {
        names,
        members,
        ..Report::default()
    };

    let before = resident_bytes();
    let begun = Instant::now();
    let mut owners = JoinSet::new();
    let mut mailboxes = Vec::new();
    for (number, member) in (0..).zip(&group) {
        let mailbox = member.node.mailbox().await?;
        let named = (number..names).step_by(members as usize);
        for worker in 0..options.workers.max(1) as usize {
            let named = named.clone().skip(worker);
            let named = named.step_by(options.workers.max(1) as usize);
            owners.spawn(register(
                member.node.group(&member.group),
                mailbox.pid(),
                named,
            ));
        }
        mailboxes.push(mailbox);
    }
    while let Some(ended) = owners.join_next().await {
        if let Ok(registered) = ended {
            registered?;
        }
    }
    report.registered_s = begun.elapsed().as_secs_f64();
    report.registrations_per_s = f64::from(names) / report.registered_s;
    let confirmed = Instant::now();
    for member in &group {
        knows(member, names).await?;
        bar.inc(1);
    }
    report.everywhere_ms = millis(confirmed);
    let grown = resident_bytes().zip(before);
    let grown = grown.map(|(after, before)| after.saturating_sub(before) as f64);
    report.bytes_per_member = grown.map(|bytes| bytes / f64::from(members));
    let per_name = |bytes: f64| bytes / f64::from(names.max(1));
    report.bytes_per_name_and_member = report.bytes_per_member.map(per_name);
    join(&group, &mut report).await?;
    bar.finish_and_clear();
    for member in group {
        member.node.shutdown().await;
    }
    Ok(report)
}

async fn register(
    group: archipelago::Group,
    pid: archipelago::Pid,
    numbers: impl Iterator<Item = u32>,
) -> Result<(), RegisterError> {
    for number in numbers {
        group.register(name(number), pid).await?;
    }
    Ok(())
}

/// As long as names of services are.
fn name(number: u32) -> String {
    format!("service/of/some/kind/{number:08}")
}

/// Waits until a member has so many names.
async fn knows(member: &Member, names: u32) -> Result<(), BenchError> {
    let group = member.node.group(&member.group);
    let known = async {
        while group.names_count() < names as usize {
            tokio::time::sleep(LOOK_PERIOD).await;
        }
    };
    let known = tokio::time::timeout(EVERYWHERE_MAX, known).await;
    known.map_err(|_| BenchError::Names {
        known: group.names_count(),
        names,
    })
}

/// One more node comes, knowing the first member.
async fn join(members: &[Member], report: &mut Report) -> Result<(), BenchError> {
    let Some(first) = members.first() else {
        return Ok(());
    };
    let seeds = first.node.addresses().into_iter();
    let spec = seeds.fold(GroupSpec::open(&first.group), GroupSpec::seed);
    let begun = Instant::now();
    let node = Node::builder("comes last").group(spec).start().await?;
    node.wait_members(&first.group, members.len() + 1).await?;
    report.joiner_in_ms = millis(begun);
    let group = first.group.clone();
    let joiner = Member { node, group };
    knows(&joiner, report.names).await?;
    report.joiner_has_names_ms = millis(begun);
    let metrics = joiner.node.metrics();
    report.joiner_bytes = metrics.control_bytes_received;
    report.joiner_messages = metrics.control_received;
    report.joiner_bytes_per_name = report.joiner_bytes as f64 / f64::from(report.names.max(1));
    joiner.node.shutdown().await;
    Ok(())
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

fn print(report: &Report, json: bool) -> Result<(), BenchError> {
    if json {
        return Ok(print_json(std::slice::from_ref(report))?);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "",
        &format!("{} names, {} members", report.names, report.members),
    ]);
    let kib = |bytes: f64| format!("{:.0} kB", bytes / 1_000.0);
    let rows = [
        (
            "registrations/s",
            format!("{:.0}", report.registrations_per_s),
        ),
        (
            "everywhere after, ms",
            format!("{:.0}", report.everywhere_ms),
        ),
        (
            "memory of a member",
            report.bytes_per_member.map_or_else(|| "–".to_owned(), kib),
        ),
        ("… bytes a name", shown(report.bytes_per_name_and_member)),
        (
            "joiner is a member after, ms",
            format!("{:.0}", report.joiner_in_ms),
        ),
        (
            "joiner has all names after, ms",
            format!("{:.0}", report.joiner_has_names_ms),
        ),
        ("joiner took", kib(report.joiner_bytes as f64)),
        (
            "… bytes a name",
            format!("{:.0}", report.joiner_bytes_per_name),
        ),
        ("… messages", report.joiner_messages.to_string()),
    ];
    for (what, figure) in rows {
        table.add_row([what.to_owned(), figure]);
    }
    println!("{table}");
    Ok(())
}
