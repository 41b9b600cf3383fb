//! `archipelago bench names`: one group of each size after the other, live over loopback or in the
//! simulator's virtual time.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use super::report::Report;
use super::{live, report, simulated};
use crate::live::progress::Progress;

/// All members of a group register and unregister names as fast as they are answered; then look
/// names up; then, in the simulator, split and heal.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Members of the group; several sizes are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "4,8,16,32")]
    pub(crate) members: Vec<u32>,
    /// Processes of each member that register at once.
    #[arg(long, default_value_t = 10)]
    pub(crate) workers: u32,
    /// Seconds that each size is measured for; virtual ones with --simulated.
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Measure in virtual time: up to 1,024 members. Without --packet-us what processors take is
    /// not counted.
    #[arg(long)]
    pub(crate) simulated: bool,
    /// Divide the members into as many groups of this size or more as there can be, each with its
    /// own names. Default one group, which connects all.
    #[arg(long)]
    pub(crate) groups_of: Option<u32>,
    /// Microseconds that each packet takes the simulated node that it arrives at.
    #[arg(long, default_value_t = 0, requires = "simulated")]
    pub(crate) packet_us: u32,
    /// Of what is drawn by chance in the simulator.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print one JSON object for each size instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    /// How long each size is measured.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.01, 3_600.0))
    }

    /// How many groups so many members are divided into.
    pub(crate) fn groups(&self, members: u32) -> u32 {
        let size = self.groups_of.unwrap_or(members).max(1);
        (members / size).max(1)
    }

    /// The members of each group; sizes differ by one at most.
    pub(crate) fn divided(&self, members: u32) -> Vec<Range<u32>> {
        let groups = self.groups(members);
        let start = |group| members * group / groups;
        let ranges = (0..groups).map(|group| start(group)..start(group + 1));
        ranges.collect()
    }
}

/// A benchmark could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("{members} members: 2 to 1024 are measured, in groups of 2 or more")]
    Members { members: u32 },
    #[error(transparent)]
    Start(#[from] archipelago::StartError),
    #[error(transparent)]
    Node(#[from] archipelago::NodeError),
    #[error(transparent)]
    Register(#[from] archipelago::RegisterError),
    #[error("a member has {known} of {names} names a minute after they were confirmed")]
    Names { known: usize, names: u32 },
    #[error("interrupted; nothing was measured to its end")]
    Interrupted,
    #[error("the group did not form within a minute")]
    Forming,
    #[error("the simulated group cannot be made: {0}")]
    World(#[from] archipelago_router::ConfigError),
    #[error("the report cannot be written: {0}")]
    Write(#[from] serde_json::Error),
}

/// Measures every size and prints what was found, also when it is interrupted.
pub(crate) async fn main(options: &Options) -> ExitCode {
    let mut reports = Vec::new();
    let measured = tokio::select! {
        measured = measure(options, &mut reports) => measured,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    let printed = report::print(&reports, options.json);
    match measured.and(printed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("archipelago: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options, reports: &mut Vec<Report>) -> Result<(), BenchError> {
    let progress = Progress::new(!options.json);
    let bar = progress.phase("names, by size of the group", options.members.len());
    for &members in &options.members {
        let smallest = options.groups_of.unwrap_or(2);
        if !(2..=1_024).contains(&members) || smallest < 2 {
            return Err(BenchError::Members { members });
        }
        let mut report = if options.simulated {
            let options = options.clone();
            let run = move || simulated::run(members, &options);
            let ended = tokio::task::spawn_blocking(run).await;
            ended.unwrap_or_else(|_| Ok(Report::default()))?
        } else {
            live::run(members, options).await?
        };
        report.agree_after_heal_ms = healed(members / options.groups(members), options).await?;
        reports.push(report);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// The time to agree after a split is measured in the simulator, also for a live group: nothing
/// cuts a loopback in two. Larger groups take too long.
async fn healed(members: u32, options: &Options) -> Result<Option<f64>, BenchError> {
    if members > 128 {
        return Ok(None);
    }
    let seed = options.seed;
    let healed = tokio::task::spawn_blocking(move || simulated::heal(members, seed)).await;
    healed.unwrap_or(Ok(None))
}
