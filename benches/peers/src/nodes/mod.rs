//! How many nodes each peer's cluster takes: every node a process of its own, over loopback.
//!
//! ```text
//!  this process: starts N nodes ─ go ─▶ all see what they should ─ rest ─▶ a name ─▶ one is killed
//!        └─ for each N, each peer in turn; a peer that did not form is asked for no more
//! ```
//! Everything that was started is killed by its handle at the end, also when interrupted.

mod chart;
mod crew;
mod erlang;
mod kind;
mod measure;
mod member;
mod nats;
mod plan;
mod procfs;
mod report;
mod row;

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use self::kind::Kind;
use self::measure::Bounds;
use self::plan::Plan;
use self::report::Report;
use crate::Failure;

/// How many nodes each peer's cluster takes, each node a process of its own over loopback.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Numbers of nodes, smallest first.
    #[arg(long, value_delimiter = ',', default_value = "10,25,50,100",
          value_parser = clap::value_parser!(u16).range(3..=1_000))]
    nodes: Vec<u16>,
    /// Form these peers' clusters only.
    #[arg(long, value_delimiter = ',', value_name = "PEER,…")]
    peers: Vec<Kind>,
    /// Seconds that a cluster may take to form; a peer that takes longer is asked for no more.
    #[arg(long, default_value_t = 60.0)]
    limit: f64,
    /// Seconds of rest that are looked at.
    #[arg(long, default_value_t = 5.0)]
    idle: f64,
    /// Gigabytes of memory that the machine is to keep: a cluster that takes more is ended.
    #[arg(long, default_value_t = 3.0)]
    memory_free: f64,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Write a plot, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// One node of a cluster; for the program itself.
#[derive(Debug, clap::Args)]
pub(crate) struct NodeOptions {
    #[arg(long)]
    place: usize,
    #[arg(long)]
    plan: String,
}

/// Forms clusters, and prints what they took.
///
/// # Errors
/// The plot or the report could not be written. What peers do not manage is in the report.
pub(crate) async fn compare(options: &Options) -> Result<(), Failure> {
    let mut report = Report::default();
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => eprintln!("interrupted: this is what there was"),
        _ = terminated.recv() => eprintln!("terminated: this is what there was"),
        () = measure_all(options, &mut report) => {}
    }
    if let Some(path) = &options.plot {
        chart::write(path, &report)?;
    }
    report.print(options.json)
}

/// Runs one node until its standard input ends.
///
/// # Errors
/// It did not start, or its library failed.
pub(crate) async fn node(options: &NodeOptions) -> Result<(), Failure> {
    let plan: Plan = serde_json::from_str(&options.plan)?;
    member::run(&plan, options.place).await
}

async fn measure_all(options: &Options, report: &mut Report) {
    let seconds = |seconds: f64| Duration::from_secs_f64(seconds.clamp(0.1, 3_600.0));
    let bounds = Bounds {
        form: seconds(options.limit),
        idle: seconds(options.idle),
        memory_free_bytes: (options.memory_free.max(0.0) * 1e9) as u64,
    };
    let mut sizes = options.nodes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let wanted = |kind: &Kind| options.peers.is_empty() || options.peers.contains(kind);
    let mut kinds: Vec<Kind> = Kind::ALL.into_iter().filter(wanted).collect();
    for nodes in sizes {
        for kind in std::mem::take(&mut kinds) {
            eprintln!("{nodes} nodes of {}", kind.name());
            let row = measure::measure(kind, usize::from(nodes), bounds).await;
            match (&row.broke, row.formed_s) {
                (Some(why), _) => eprintln!("  did not form: {why}"),
                (None, formed) => {
                    eprintln!("  formed in {:.2} s", formed.unwrap_or_default());
                    kinds.push(kind);
                }
            }
            report.rows.push(row);
        }
    }
}
