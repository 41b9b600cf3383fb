//! `archipelago sim run FILE`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use archipelago_sim::report::{csv_header, csv_line, run_page};
use archipelago_sim::run::{RunOptions, RunResult, run};
use archipelago_sim::scenario::Scenario;

use super::progress::Bar;
use super::{SimError, files, table};

/// Run one scenario.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The scenario.
    pub(super) file: PathBuf,
    /// Replace the scenario's seed.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Threads of the world; no result depends on it.
    #[arg(long, default_value_t = 1)]
    pub(super) threads: usize,
    /// Replace a value of the file, such as `topology.flat.size=50`; may be repeated.
    #[arg(long, value_name = "PATH=VALUE", value_parser = files::setting)]
    pub(super) set: Vec<(String, String)>,
    /// Print one JSON object instead of a bar and a table.
    #[arg(long)]
    pub(super) json: bool,
    /// Print a header and one line of CSV instead.
    #[arg(long, conflicts_with = "json")]
    pub(super) csv: bool,
    /// Write a page with plots.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}

pub(super) fn main(options: &Options, stop: &AtomicBool) -> Result<bool, SimError> {
    let result = one(options, stop)?;
    if let Some(path) = &options.html {
        files::write(path, &run_page(&result))?;
    }
    if options.json {
        println!("{}", serde_json::to_string(&result)?);
    } else if options.csv {
        println!("{}\n{}", csv_header(), csv_line(&result));
    } else {
        table::print(&result);
    }
    Ok(result.violations_count == 0)
}

/// Runs what the options say, with a bar.
pub(super) fn one(options: &Options, stop: &AtomicBool) -> Result<RunResult, SimError> {
    let mut scenario = files::scenario(&options.file, &options.set)?;
    scenario.seed = options.seed.unwrap_or(scenario.seed);
    let mut run_options = RunOptions::new(stop);
    run_options.threads = options.threads.max(1);
    run_options.parameters = options.set.clone();
    run_options.command = command("run", options, &scenario);
    let mut bar = Bar::new(!options.json && !options.csv);
    let result = run(&scenario, run_options, &mut |progress| bar.show(progress));
    bar.finish();
    result.map_err(SimError::scenario(&options.file))
}

/// What makes this again.
pub(super) fn command(name: &str, options: &Options, scenario: &Scenario) -> String {
    let mut command = format!("archipelago sim {name} {}", options.file.display());
    for (path, value) in &options.set {
        command.push_str(&format!(" --set '{path}={value}'"));
    }
    command.push_str(&format!(" --seed {}", scenario.seed));
    command
}
