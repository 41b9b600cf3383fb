//! The same messages over Archipelago, over bare TCP, and over what a user would pick instead: side
//! by side, in one run, each pair of processes on the same machine.
//!
//! ```text
//!  this process: every sender ──▶ a process for each peer that receives and answers
//!        └─ for each workload, each peer in turn, twice, in opposite order
//! ```
//! `nodes` compares how many nodes their clusters take instead.

mod chart;
mod erlang;
mod nodes;
mod peer;
mod report;
mod serving;
mod transport;

use std::process::ExitCode;
use std::time::Duration;

use archipelago_load::{Load, Workload, run};
use clap::Parser;

use erlang::Erlang;
use peer::Peer;
use report::Report;
use serving::Serving;
use transport::Transport;

/// Any failure of a peer: it is said in the table, and the others go on.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long a peer may take to start and to meet.
const START_MAX: Duration = Duration::from_secs(20);

/// How much longer than asked a turn may take before the peer is given up.
const TURN_SLACK: Duration = Duration::from_secs(20);

/// Messages between two processes, over each peer; or clusters of many.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Seconds that each workload is measured for over each peer.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Measure these peers only.
    #[arg(long, value_delimiter = ',', value_name = "PEER,…")]
    peers: Vec<Peer>,
    /// Measure these workloads only.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    only: Vec<Workload>,
    /// Tasks that send one-way messages at once.
    #[arg(long, default_value_t = 4)]
    senders: u8,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Write a plot, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<std::path::PathBuf>,
    /// Serve as the other process of a peer; for the program itself.
    #[arg(long, hide = true)]
    serve: Option<Peer>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Nodes(nodes::Options),
    #[command(hide = true)]
    Node(nodes::NodeOptions),
}

/// What is measured where nothing else is asked for.
const USUAL: [Workload; 6] = [
    Workload::Rtt64,
    Workload::Requests64,
    Workload::Oneway16,
    Workload::Oneway64,
    Workload::Oneway1k,
    Workload::Oneway300k,
];

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let result = match (&options.command, options.serve) {
        (Some(Command::Nodes(options)), _) => nodes::compare(options).await,
        (Some(Command::Node(options)), _) => nodes::node(options).await,
        (None, Some(peer)) => serving::serve(peer).await,
        (None, None) => compare(&options).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("archipelago-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn compare(options: &Options) -> Result<(), Failure> {
    let mut report = Report::default();
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => eprintln!("interrupted: this is what there was"),
        () = measure(options, &mut report) => {}
    }
    if let Some(path) = &options.plot {
        chart::write(path, &report)?;
    }
    report.print(options.json)
}

async fn measure(options: &Options, report: &mut Report) {
    let wanted = |peer: &Peer| options.peers.is_empty() || options.peers.contains(peer);
    let mut running = Vec::new();
    for peer in Peer::ALL.into_iter().filter(wanted) {
        eprintln!("starting {}", peer.name());
        let started = tokio::time::timeout(START_MAX, start(peer)).await;
        match started.unwrap_or_else(|_| Err("did not start in time".into())) {
            Ok(started) => running.push((peer, started)),
            Err(error) => report.absent(peer, &error),
        }
    }
    let workloads: Vec<Workload> = match options.only.as_slice() {
        [] => USUAL.to_vec(),
        only => only.to_vec(),
    };
    for workload in workloads {
        for round in 0..2 {
            for (peer, running) in &running {
                eprintln!("{} over {}", workload.key(), peer.name());
                turn(*peer, running, workload, options, report).await;
            }
            if round == 0 {
                running.reverse();
            }
        }
        running.reverse();
    }
    for (_, running) in running {
        running.end().await;
    }
}

/// A peer whose other process serves.
enum Running {
    Link(Serving, Box<Transport>),
    Erlang(Erlang),
}

impl Running {
    async fn end(self) {
        match self {
            Self::Link(serving, _) => serving.end().await,
            Self::Erlang(erlang) => erlang.end().await,
        }
    }
}

async fn start(peer: Peer) -> Result<Running, Failure> {
    if peer == Peer::Erlang {
        return Ok(Running::Erlang(Erlang::start().await?));
    }
    let serving = Serving::start(peer).await?;
    let transport = Transport::connect(peer, &serving.address).await?;
    Ok(Running::Link(serving, Box::new(transport)))
}

async fn turn(
    peer: Peer,
    running: &Running,
    workload: Workload,
    options: &Options,
    report: &mut Report,
) {
    let half = Duration::from_secs_f64(options.seconds.clamp(0.02, 600.0) / 2.0);
    let load = Load {
        senders: options.senders.max(1),
        rate: 500,
    };
    let measured = async {
        match running {
            Running::Link(_, link) => Ok(run(link.as_ref(), workload, load, half).await?),
            Running::Erlang(erlang) => erlang.turn(workload, load.senders, half).await,
        }
    };
    let measured = tokio::time::timeout(half + TURN_SLACK, measured).await;
    match measured.unwrap_or_else(|_| Err("did not come to its end".into())) {
        Ok(sample) => report.add(peer, workload, &sample),
        Err(error) => report.failed(peer, workload, &error),
    }
}
