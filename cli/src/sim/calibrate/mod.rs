//! `archipelago sim calibrate`: the same small cluster live on loopback and in the simulator, and how
//! far the two differ.
//!
//! ```text
//!  Plan ─┬─▶ baseline ── latency, handshake, start ──┐
//!        ├─▶ live: the demo's cluster ── Script ─────┤
//!        └─▶ simulated: a World, many seeds ◀────────┘
//!                       └─▶ Report: means, worst, deviation, reason
//! ```
//! The live side is real nodes on sockets, one of them a process of its own that is really stopped.
//! What this machine takes for a message, a handshake and a start is measured on two live nodes and
//! put into the simulator; every other figure is a prediction. An interruption ends the live side,
//! and what there is by then is compared.

mod baseline;
mod course;
mod live;
mod measured;
mod report;
mod simulated;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use archipelago_core::Rng;

use self::baseline::Parameters;
use self::course::{Course, Script};
use self::live::Live;
use self::measured::Measured;
use self::report::Report;
use self::simulated::Simulated;
use super::SimError;
use crate::cluster::Plan;
use crate::demo::DemoError;
use crate::live::progress::Progress;

/// Simulated runs for each live one: they cost next to nothing.
const SIMULATED_PER_LIVE: usize = 10;
/// Between two looks at whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Compare a live cluster with its simulation.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Nodes in all.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(10..=50))]
    nodes: u16,
    /// S-groups; two members of each are in a backbone group as well.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=10))]
    groups: u16,
    /// Live runs.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Stops of one member in each live run, each at another phase of the heartbeats.
    #[arg(long, default_value_t = 5)]
    stops: u16,
    /// Seconds for which the cluster at rest is counted in each live run.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    rest: u64,
    /// Decides who talks, who is killed, and when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object instead of bars and a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(options: &Options, stop: &AtomicBool) -> Result<bool, SimError> {
    let (nodes, groups) = (usize::from(options.nodes), usize::from(options.groups));
    let plan =
        Plan::regular(nodes, groups, 2).map_err(|error| SimError::Usage(error.to_string()))?;
    let course = Course {
        rest: Duration::from_secs(options.rest),
        joins: 3,
        streams: 12,
        stops: usize::from(options.stops),
        kills: 3,
    };
    let mut both = Both {
        plan,
        course,
        progress: Progress::new(!options.json),
        parameters: Parameters::default(),
        scripts: Vec::new(),
        live: Measured::default(),
        simulated: Measured::default(),
    };
    let is_complete = both.run_live(options, stop)?;
    both.run_simulated(options);
    let report = Report::new(options, &both, !is_complete);
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", report::table(&report));
    }
    Ok(report.ok)
}

/// Both sides.
struct Both {
    plan: Plan,
    course: Course,
    progress: Progress,
    parameters: Parameters,
    /// What each live run drew.
    scripts: Vec<Script>,
    live: Measured,
    simulated: Measured,
}

impl Both {
    /// Returns whether nobody stopped it.
    fn run_live(&mut self, options: &Options, stop: &AtomicBool) -> Result<bool, SimError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| SimError::Usage(format!("no threads for live nodes: {error}")))?;
        let done = runtime.block_on(async {
            tokio::select! {
                done = self.live(options) => Some(done),
                () = stopped(stop) => None,
            }
        });
        done.transpose()
            .map_err(SimError::from)
            .map(|done| done.is_some())
    }

    async fn live(&mut self, options: &Options) -> Result<(), DemoError> {
        let bar = self.progress.phase("live: pairs, for the parameters", 1);
        self.parameters = baseline::measure().await?;
        bar.finish_and_clear();
        for number in 0..u64::from(options.repeat) {
            let mut script = Script::default();
            let mut live = Live {
                course: self.course,
                progress: self.progress,
                measured: &mut self.live,
                parameters: &mut self.parameters,
                rng: Rng::from_u64(options.seed).split(number),
            };
            live.run(self.plan.clone(), &mut script).await?;
            self.scripts.push(script);
        }
        Ok(())
    }

    /// Each live run again, with several seeds.
    fn run_simulated(&mut self, options: &Options) {
        let runs = usize::from(options.repeat) * SIMULATED_PER_LIVE;
        let bar = self.progress.phase("simulated", runs);
        let nothing = [Script::default()];
        let scripts = if self.scripts.is_empty() {
            &nothing[..]
        } else {
            &self.scripts
        };
        let seeds = options.seed..;
        for (script, seed) in scripts.iter().cycle().take(runs).zip(seeds) {
            let run = Simulated::new(&self.plan, &self.parameters, seed);
            run.run(&self.course, script, &mut self.simulated);
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
    }
}
