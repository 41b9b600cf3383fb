//! `archipelago bench nodes`: how many live nodes one machine bears, and what each costs, in groups
//! and in a full mesh of the same nodes.
//!
//! This process runs no node. It starts others of the same program, spreads the nodes over them by
//! what they may open, and asks them. Everything is over loopback, every node with a key, a swarm
//! and a listener of its own.

mod crew;
mod csv;
mod deviation;
mod host;
mod layout;
mod losses;
mod measure;
mod order;
mod page;
mod row;
mod simulated;
mod storm;
mod table;
mod talk;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) use self::layout::Topology;
use self::measure::Measure;
use self::row::{Measured, Row};
use self::storm::Storm;
use crate::live::progress::Progress;
use crate::machine::{descriptors, usage};

/// Live nodes, as many as are asked for, spread over processes: what forming, resting, joining,
/// writing across groups and losing nodes takes; and the same plans simulated, beyond that.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Numbers of live nodes; several are measured one after the other. Default: none if some are
    /// to be simulated, else 50, 100, 200, 500, 1000, 2000, 3000, 5000, and on until something
    /// breaks or the machine is full.
    #[arg(long, value_delimiter = ',')]
    pub(crate) nodes: Vec<usize>,
    /// Numbers of nodes to simulate, after the live ones: the same plans and machines in virtual
    /// time, up to 1,000,000. Beyond 2,000 they begin formed.
    #[arg(long, value_delimiter = ',', value_name = "NODES,…")]
    simulate: Vec<usize>,
    /// Nodes in a group.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(4..=512))]
    group_size: u16,
    /// Tiers of groups; by default as few as keep parents as small as groups.
    #[arg(long)]
    pub(crate) tiers: Option<usize>,
    /// Who is in a group with whom.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "s-groups,full-mesh"
    )]
    pub(crate) topology: Vec<Topology>,
    /// Processes that the nodes are spread over; more, if what one may open demands it. Default:
    /// one per core.
    #[arg(long)]
    pub(crate) processes: Option<usize>,
    /// Seconds of rest that are looked at.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) idle: f64,
    /// Nodes that are killed, and as many that are stopped; all of them join before.
    #[arg(long, default_value_t = 5)]
    pub(crate) losses: usize,
    /// Nodes that join through one seed at once, into many groups and into one; 0: none.
    #[arg(long, default_value_t = 0)]
    pub(crate) joins: usize,
    /// Decides who writes to whom, and where nodes join.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object with a row for each number of nodes, instead of a table.
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// Print comma-separated values instead of a table.
    #[arg(long)]
    pub(crate) csv: bool,
    /// Write a page with plots.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// Nothing or not all could be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodesError {
    #[error(transparent)]
    Cluster(#[from] crate::cluster::ClusterError),
    #[error(transparent)]
    Pins(#[from] crate::live::pins::PinsError),
    #[error(transparent)]
    Process(#[from] crate::live::process::ProcessError),
    #[error("a process of nodes: {0}")]
    Told(String),
    #[error("not formed in {patience:?}: {formed} of {of} nodes; {waiting}")]
    Forming {
        patience: std::time::Duration,
        formed: usize,
        of: usize,
        waiting: String,
    },
    #[error("memory: {nodes} nodes would need {needed_mb:.0} MB, and {available_mb:.0} are free")]
    Memory {
        nodes: usize,
        needed_mb: f64,
        available_mb: f64,
    },
    #[error("standard input or output: {0}")]
    Pipe(#[from] std::io::Error),
    #[error("what was read or is to be written is no JSON as it should be: {0}")]
    Json(#[from] serde_json::Error),
}

/// Where sizes begin, if none are given.
const SIZES: [usize; 8] = [50, 100, 200, 500, 1_000, 2_000, 3_000, 5_000];
/// Of the descriptors that a process may open, those that sessions may take in a hundred.
const DESCRIPTORS_PERCENT: u64 = 70;
/// Of the memory that is free, how much may be used in a hundred.
const MEMORY_PERCENT: f64 = 85.0;

/// Measures and prints; what was measured before Ctrl-C as well.
pub(crate) async fn main(options: &Options) -> ExitCode {
    let allowed = descriptors::raise() * DESCRIPTORS_PERCENT / 100;
    let measure = Measure {
        options,
        progress: Progress::new(!options.json && !options.csv),
        ends_max: usize::try_from(allowed).unwrap_or(usize::MAX).max(64),
    };
    let mut measured = Measured {
        group_size: options.group_size(),
        ..Measured::default()
    };
    let outcome = tokio::select! {
        outcome = measure_all(&measure, &mut measured) => Some(outcome),
        _ = tokio::signal::ctrl_c() => None,
    };
    if outcome.is_none() {
        measured.interrupted = true;
        if let Some(row) = measured.rows.last_mut().filter(|row| !row.ok) {
            row.require(false, || "interrupted".to_owned());
        }
    }
    measured.compare();
    let printed = print(options, &measured);
    let error = outcome.and_then(Result::err).or(printed.err());
    if let Some(error) = error {
        eprintln!("archipelago: {error}");
        return ExitCode::FAILURE;
    }
    let is_ok = !measured.interrupted && measured.is_ok(options.nodes.is_empty());
    if is_ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One of the processes of nodes.
pub(crate) async fn host() -> ExitCode {
    match host::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("archipelago: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn group_size(&self) -> usize {
        usize::from(self.group_size)
    }

    /// The sizes to measure live; those given, or on and on.
    fn sizes(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        if !self.nodes.is_empty() || !self.simulate.is_empty() {
            return Box::new(self.nodes.iter().copied());
        }
        let last = SIZES[SIZES.len() - 1];
        let larger = std::iter::successors(Some(last * 3 / 2), |size| Some(size * 3 / 2));
        Box::new(SIZES.into_iter().chain(larger))
    }
}

async fn measure_all(measure: &Measure<'_>, measured: &mut Measured) -> Result<(), NodesError> {
    let options = measure.options;
    for &topology in &options.topology {
        for nodes in options.sizes() {
            let last = measured
                .rows
                .last()
                .filter(|row| row.topology == topology.name());
            let memory = last.map_or(Ok(()), |last| fits(options, topology, nodes, last));
            measured.rows.push(Row {
                nodes,
                topology: topology.name(),
                ..Row::default()
            });
            let Some(row) = measured.rows.last_mut() else {
                continue;
            };
            let outcome = match memory {
                Ok(()) => measure.run(topology, row).await,
                Err(error) => Err(error),
            };
            let is_broken = outcome.is_err();
            if let Err(error) = outcome {
                row.failures.insert(0, error.to_string());
            }
            row.ok = row.failures.is_empty();
            if is_broken && options.nodes.is_empty() {
                break;
            }
        }
    }
    for &topology in &options.topology {
        if topology.simulated_name().is_some() {
            simulate(measure, topology, measured).await?;
        }
    }
    if options.joins > 0 {
        let (joins, size) = (options.joins, options.group_size());
        for storm in [Storm::into_many(joins, size), Storm::into_one(joins)] {
            measured.joins.push(storm.run(measure).await?);
        }
    }
    Ok(())
}

/// Rows of one topology in virtual time.
async fn simulate(
    measure: &Measure<'_>,
    topology: Topology,
    measured: &mut Measured,
) -> Result<(), NodesError> {
    for &nodes in &measure.options.simulate {
        measured.rows.push(Row {
            nodes,
            topology: topology.simulated_name().unwrap_or(topology.name()),
            ..Row::default()
        });
        let Some(row) = measured.rows.last_mut() else {
            continue;
        };
        let bar = measure.bar(row, "in virtual time", 1);
        let outcome = simulated::run(measure.options, topology, row).await;
        bar.finish_and_clear();
        if let Err(error) = outcome {
            row.failures.insert(0, error.to_string());
        }
        row.ok = row.failures.is_empty();
    }
    Ok(())
}

/// Whether the memory that is free is enough, if ends of sessions cost what they cost last time.
fn fits(options: &Options, topology: Topology, nodes: usize, last: &Row) -> Result<(), NodesError> {
    let (Some(used), Some(available)) = (last.memory_mb, usage::available_bytes()) else {
        return Ok(());
    };
    let plan = topology.plan(nodes, options.group_size(), options.tiers)?;
    let more = plan.sessions_total() as f64 / last.sessions_total.max(1) as f64;
    enough(nodes, used * more, available)
}

/// Refuses what would take more than most of the memory that is free.
fn enough(nodes: usize, needed_mb: f64, available: u64) -> Result<(), NodesError> {
    let available_mb = available as f64 / 1e6 * MEMORY_PERCENT / 100.0;
    if needed_mb > available_mb {
        return Err(NodesError::Memory {
            nodes,
            needed_mb,
            available_mb,
        });
    }
    Ok(())
}

fn print(options: &Options, measured: &Measured) -> Result<(), NodesError> {
    if let Some(path) = &options.report {
        std::fs::write(path, page::render(measured))?;
    }
    if options.json {
        println!("{}", serde_json::to_string(measured)?);
    } else if options.csv {
        print!("{}", csv::render(measured)?);
    } else {
        println!("{}", table::render(measured));
    }
    Ok(())
}

impl Measured {
    /// Whether all that was asked for held; where sizes go on until something breaks, the last one
    /// of a topology may not.
    fn is_ok(&self, is_until_broken: bool) -> bool {
        let may_break = |place: usize| {
            let next = self.rows.get(place + 1);
            is_until_broken && next.is_none_or(|next| next.topology != self.rows[place].topology)
        };
        let mut rows = self.rows.iter().enumerate();
        rows.all(|(place, row)| row.ok || may_break(place)) && self.joins.iter().all(|one| one.ok)
    }
}
