//! `archipelago bench ends`: how soon a monitor tells of the end of a process and of a node, in the
//! group and across groups.
//!
//! Two groups of live nodes in this process, over loopback, with two reflectors in both.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use archipelago::{EndReason, Exit, GroupSpec, Monitor, Node, NodeError, Pid};
use comfy_table::{Table, presets};
use serde::Serialize;

use super::report::{print_json, shown_fine};
use crate::live::latency::Latency;
use crate::live::progress::Progress;

const HOME: &str = "home";
const AWAY: &str = "away";
const REFLECTORS: usize = 2;
const LOOK_PERIOD: Duration = Duration::from_millis(1);
/// Longest wait for anything.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Processes and nodes end one after the other, watched from their group and from another.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Processes that end.
    #[arg(long, default_value_t = 50)]
    exits: u32,
    /// Nodes that are killed.
    #[arg(long, default_value_t = 10)]
    kills: u32,
    /// Members of each group beside the two reflectors.
    #[arg(long, default_value_t = 8)]
    members: u32,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// It could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndsError {
    #[error("{members} members of each group: 2 to 100 are measured")]
    Members { members: u32 },
    #[error(transparent)]
    Start(#[from] archipelago::StartError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("a monitor told {0:?}, which is not how it ended")]
    Reason(EndReason),
    #[error("nothing came within {WAIT_MAX:?} of {0}")]
    Late(&'static str),
    #[error("the report cannot be written: {0}")]
    Write(#[from] serde_json::Error),
}

/// One kind of end, seen from one place: from the end to the word, in ms.
#[derive(Clone, Debug, Serialize)]
struct Row {
    ended: &'static str,
    watched_from: &'static str,
    count: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
}

/// Measures and prints, also what it has when it is interrupted.
pub(crate) async fn main(options: &Options) -> ExitCode {
    let mut seen = [const { Vec::new() }; 4];
    let measured = tokio::select! {
        measured = measure(options, &mut seen) => measured,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    let printed = print(&rows(&seen), options.json);
    match measured.and(printed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("archipelago: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Exits seen at home and away, then kills.
type Seen = [Vec<Duration>; 4];

async fn measure(options: &Options, seen: &mut Seen) -> Result<(), EndsError> {
    if !(2..=100).contains(&options.members) {
        let members = options.members;
        return Err(EndsError::Members { members });
    }
    let progress = Progress::new(!options.json);
    let bar = progress.phase("ends", (options.exits + options.kills) as usize);
    let scene = Scene::new(options.members).await?;
    let [exits_home, exits_away, kills_home, kills_away] = seen;
    for _ in 0..options.exits {
        let mailbox = scene.homes[1].mailbox().await?;
        let monitors = scene.watch(mailbox.pid()).await?;
        let exit = Exit::failed("an end that is measured");
        let ended = Instant::now();
        mailbox.end(exit.clone());
        let told = told(monitors, ended, &EndReason::Exited(exit)).await?;
        exits_home.push(told.0);
        exits_away.push(told.1);
        bar.inc(1);
    }
    for _ in 0..options.kills {
        let victim = scene.joiner().await?;
        let mailbox = victim.mailbox().await?;
        let monitors = scene.watch(mailbox.pid()).await?;
        let ended = Instant::now();
        victim.kill();
        let told = told(monitors, ended, &EndReason::NodeDown).await?;
        kills_home.push(told.0);
        kills_away.push(told.1);
        bar.inc(1);
    }
    bar.finish_and_clear();
    scene.end().await;
    Ok(())
}

/// Nodes at rest: `homes[0]` and `aways[1]` watch, `homes[1]` is where processes end.
struct Scene {
    homes: Vec<Node>,
    aways: Vec<Node>,
    reflectors: Vec<Node>,
}

impl Scene {
    async fn new(members: u32) -> Result<Self, EndsError> {
        let mut scene = Self {
            homes: group(HOME, members).await?,
            aways: group(AWAY, members).await?,
            reflectors: Vec::new(),
        };
        for _ in 0..REFLECTORS {
            let builder = Node::builder("reflector").reflector();
            let builder = builder.group(seeded(HOME, &scene.homes));
            let builder = builder.group(seeded(AWAY, &scene.aways));
            scene.reflectors.push(builder.start().await?);
        }
        let size = members as usize + REFLECTORS;
        for (nodes, name) in [(&scene.homes, HOME), (&scene.aways, AWAY)] {
            for node in nodes {
                soon("the groups", node.wait_members(name, size)).await??;
            }
        }
        Ok(scene)
    }

    /// One more member of the group at home.
    async fn joiner(&self) -> Result<Node, EndsError> {
        let builder = Node::builder("killed").group(seeded(HOME, &self.homes));
        let node = builder.start().await?;
        let size = self.homes.len() + self.reflectors.len() + 1;
        soon("a member", node.wait_members(HOME, size)).await??;
        Ok(node)
    }

    /// A process is watched from its group and from the other, and its node has answered both;
    /// begun anew while no route is known.
    async fn watch(&self, pid: Pid) -> Result<(Monitor, Monitor), EndsError> {
        let begun = async {
            Ok((
                answered(&self.homes[0], pid).await?,
                answered(&self.aways[1], pid).await?,
            ))
        };
        soon("a watch across groups", begun).await?
    }

    async fn end(self) {
        for node in [self.homes, self.aways, self.reflectors].concat() {
            node.shutdown().await;
        }
    }
}

/// A monitor that the watched node has answered.
#[allow(
    clippy::async_yields_async,
    reason = "the monitor is what is waited for"
)]
async fn answered(at: &Node, pid: Pid) -> Result<Monitor, EndsError> {
    loop {
        let before = at.metrics().letters_received;
        let mut monitor = at.monitor(pid).await?;
        while let Err(_no_word) = tokio::time::timeout(LOOK_PERIOD, &mut monitor).await {
            if at.metrics().letters_received > before {
                return Ok(monitor);
            }
        }
    }
}

async fn group(name: &str, members: u32) -> Result<Vec<Node>, EndsError> {
    let mut nodes = vec![
        Node::builder(name)
            .group(GroupSpec::open(name))
            .start()
            .await?,
    ];
    for _ in 1..members {
        let builder = Node::builder(name).group(seeded(name, &nodes));
        nodes.push(builder.start().await?);
    }
    Ok(nodes)
}

fn seeded(name: &str, nodes: &[Node]) -> GroupSpec {
    let seeds = nodes.first().into_iter().flat_map(Node::addresses);
    seeds.fold(GroupSpec::open(name), GroupSpec::seed)
}

/// How long after `ended` each of the two told that it ended so.
async fn told(
    (home, away): (Monitor, Monitor),
    ended: Instant,
    expected: &EndReason,
) -> Result<(Duration, Duration), EndsError> {
    let one = async |monitor: Monitor| {
        let reason = monitor.await;
        let took = ended.elapsed();
        if reason == *expected {
            Ok(took)
        } else {
            Err(EndsError::Reason(reason))
        }
    };
    soon("a monitor", async {
        tokio::try_join!(one(home), one(away))
    })
    .await?
}

async fn soon<T>(what: &'static str, future: impl Future<Output = T>) -> Result<T, EndsError> {
    let within = tokio::time::timeout(WAIT_MAX, future).await;
    within.map_err(|_| EndsError::Late(what))
}

fn rows(seen: &Seen) -> Vec<Row> {
    let kinds = [
        ("process", "its group"),
        ("process", "another group"),
        ("killed node", "its group"),
        ("killed node", "another group"),
    ];
    let rows = kinds
        .iter()
        .zip(seen)
        .map(|(&(ended, watched_from), took)| {
            let latency = Latency::of(took);
            Row {
                ended,
                watched_from,
                count: latency.len(),
                p50_ms: latency.millis(50.0),
                p99_ms: latency.millis(99.0),
                max_ms: latency.millis(100.0),
            }
        });
    rows.collect()
}

fn print(rows: &[Row], json: bool) -> Result<(), EndsError> {
    if json {
        return Ok(print_json(rows)?);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "ended",
        "watched from",
        "times",
        "p50 ms",
        "p99 ms",
        "worst ms",
    ]);
    for row in rows {
        table.add_row([
            row.ended.to_owned(),
            row.watched_from.to_owned(),
            row.count.to_string(),
            shown_fine(row.p50_ms),
            shown_fine(row.p99_ms),
            shown_fine(row.max_ms),
        ]);
    }
    println!("{table}");
    Ok(())
}
