//! `archipelago bench workers`: keyed workers under the load that the mission's users have.
//!
//! Members of live groups host 100,000 workers; entries ask them at a fixed rate, some requests
//! with large bodies, whether or not earlier ones were answered. A request's time counts from when
//! it was due, not from when it could be sent, so a stall shows in every request that it held up
//! (coordinated omission). Before that the same cluster is looked at without requests, and with
//! the small ones alone: what bodies delay is the difference.
//!
//! This process runs no node. It starts others of the same program, which run the nodes and ask;
//! all share this machine's processors.

mod crew;
mod host;
mod layout;
mod order;
mod phase;
mod report;
mod run;

use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::watch;

use self::layout::{EntryKind, Layout, Topology};
use self::report::{Cluster, Report};
use self::run::Run;
use crate::live::progress::Progress;
use crate::machine::descriptors;

/// 100,000 keyed workers on the members of live groups, asked at a fixed rate, some requests with
/// large bodies.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Members that host workers; several sizes are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "4")]
    pub(crate) members: Vec<u32>,
    /// Who is in a group with whom.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "mesh")]
    pub(crate) topology: Vec<Topology>,
    /// Members of a group, where there are several groups.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(3..=512))]
    pub(crate) group_size: u16,
    /// Who takes requests: proxies that host nothing, or the hosts themselves.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "any")]
    pub(crate) entry: Vec<EntryKind>,
    /// Proxies, where they take the requests.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) proxies: u16,
    /// Workers.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) keys: u64,
    /// Requests a second in all; several rates are asked one after the other.
    #[arg(long, value_delimiter = ',', default_value = "5000")]
    pub(crate) rate: Vec<u32>,
    /// Of those, requests a second with a body of 300 kB; the others have 200 bytes. Default: a
    /// fifth.
    #[arg(long)]
    pub(crate) bodies: Option<u32>,
    /// Seconds that the load lasts; small requests alone are asked for a sixth of it before.
    #[arg(long, default_value_t = 60.0)]
    pub(crate) seconds: f64,
    /// Kill one host in the middle, and add another one.
    #[arg(long, visible_alias = "kill")]
    pub(crate) kill_and_add: bool,
    /// Processes that the nodes are spread over; more, if what one may open demands it. Default:
    /// one per core.
    #[arg(long)]
    pub(crate) processes: Option<usize>,
    /// A rate is held if the 99th percentile of small requests is at most so many ms.
    #[arg(long, default_value_t = 100.0)]
    pub(crate) p99_ms: f64,
    /// Print one JSON object for each load instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Nothing or not all could be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkersError {
    #[error(transparent)]
    Start(#[from] archipelago::StartError),
    #[error(transparent)]
    Node(#[from] archipelago::NodeError),
    #[error(transparent)]
    Host(#[from] archipelago::HostError),
    #[error(transparent)]
    Descriptors(#[from] descriptors::TooFewDescriptors),
    #[error(transparent)]
    Process(#[from] crate::live::process::ProcessError),
    #[error("a process of nodes: {0}")]
    Told(String),
    #[error("not formed in time: is the machine busy with something else?")]
    Forming,
    #[error("{members} members: 2 to 256 are measured")]
    Members { members: u32 },
    #[error("--keys and --rate must be above 0, and --bodies at most --rate")]
    Load,
    #[error("standard input or output: {0}")]
    Pipe(#[from] std::io::Error),
    #[error("what was read or is to be written is no JSON as it should be: {0}")]
    Json(#[from] serde_json::Error),
}

/// Of the descriptors that a process may open, those that sessions may take in a hundred.
const DESCRIPTORS_PERCENT: u64 = 80;

impl Options {
    fn bodies_of(&self, rate: u32) -> u32 {
        self.bodies.unwrap_or(rate / 5)
    }

    fn check(&self) -> Result<(), WorkersError> {
        let mut members = self.members.iter();
        if let Some(&members) = members.find(|members| !(2..=256).contains(*members)) {
            return Err(WorkersError::Members { members });
        }
        let mut rates = self.rate.iter();
        if self.keys == 0 || rates.any(|&rate| rate == 0 || self.bodies_of(rate) > rate) {
            return Err(WorkersError::Load);
        }
        Ok(())
    }

    /// Whether these s-groups are the mesh that is measured anyway: so few members are one group.
    fn is_mesh_again(&self, topology: Topology, layout: &Layout) -> bool {
        let is_one = topology == Topology::SGroups && layout.groups.len() == 1;
        is_one && self.topology.contains(&Topology::Mesh)
    }

    /// The nodes of one measurement, in as many processes as they need.
    fn layout(
        &self,
        members: u32,
        topology: Topology,
        entry: EntryKind,
    ) -> Result<Layout, WorkersError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = self.processes.unwrap_or(cores).max(1);
        let lay_out = |processes| {
            let (size, proxies) = (usize::from(self.group_size), usize::from(self.proxies));
            Layout::new(members as usize, topology, size, entry, proxies, processes)
        };
        let allowed = descriptors::raise() * DESCRIPTORS_PERCENT / 100;
        let fits = |layout: &Layout| layout.descriptors() <= allowed;
        let mut layouts = (wanted..=members as usize).map(lay_out);
        if let Some(layout) = layouts.find(fits) {
            return Ok(layout);
        }
        // Every node in a process of its own is all that there is.
        let last = lay_out(wanted.max(members as usize));
        descriptors::require(last.descriptors())?;
        Ok(last)
    }
}

/// Whether somebody wants no more of it.
#[derive(Clone, Debug)]
struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// By Ctrl-C.
    fn new() -> Self {
        let stop = Self(Arc::new(watch::Sender::new(false)));
        let told = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                told.0.send_replace(true);
            }
        });
        stop
    }

    fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    async fn wait(&self) {
        // The sender is here: it does not end.
        let _ = self.0.subscribe().wait_for(|&is_set| is_set).await;
    }
}

/// Measures everything and prints what was found, also when it is interrupted.
pub(crate) async fn main(options: &Options) -> ExitCode {
    let stop = Stop::new();
    let mut reports = Vec::new();
    let measured = measure(options, &stop, &mut reports).await;
    let printed = report::print(&reports, options.json);
    if let Err(error) = measured.and(printed) {
        eprintln!("archipelago: {error}");
        return ExitCode::FAILURE;
    }
    if !stop.is_set() && reports.iter().all(|report| report.lost() == 0) {
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

async fn measure(
    options: &Options,
    stop: &Stop,
    reports: &mut Vec<Report>,
) -> Result<(), WorkersError> {
    options.check()?;
    let run = Run {
        options,
        progress: Progress::new(!options.json),
        stop: stop.clone(),
    };
    for &members in &options.members {
        for &topology in &options.topology {
            for &entry in &options.entry {
                if stop.is_set() {
                    return Ok(());
                }
                let layout = options.layout(members, topology, entry)?;
                if options.is_mesh_again(topology, &layout) {
                    eprintln!(
                        "{members} members in groups of {} are one group: measured as the mesh; \
                         --group-size makes several",
                        options.group_size
                    );
                    continue;
                }
                let cluster = Cluster {
                    members,
                    topology: topology.name(),
                    groups: layout.groups.len(),
                    entry: entry.name(),
                    processes: layout.processes,
                    keys: options.keys,
                    p99_ms_max: options.p99_ms,
                };
                run.run(layout, cluster, reports).await?;
            }
        }
    }
    Ok(())
}
