//! `archipelago sim compare FILE…`: scenarios, or results that were saved, side by side.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use archipelago_sim::report::{compare_page, csv_header, csv_line};
use archipelago_sim::run::RunResult;

use super::{SimError, files, run, table};

/// Put runs side by side.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Scenarios (.toml), which are run, and results of `sim run --json` (.json).
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Replace the seed of every scenario.
    #[arg(long)]
    seed: Option<u64>,
    /// Threads of each world.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print a list of JSON objects instead of a table.
    #[arg(long)]
    json: bool,
    /// Print CSV instead.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write a page with plots.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) fn main(options: &Options, stop: &AtomicBool) -> Result<bool, SimError> {
    let mut results = Vec::new();
    for path in &options.files {
        if !stop.load(Ordering::Relaxed) {
            results.push((name(path), one(path, options, stop)?));
        }
    }
    let runs: Vec<RunResult> = results.iter().map(|(_, result)| result.clone()).collect();
    if let Some(path) = &options.html {
        files::write(path, &compare_page(&runs))?;
    }
    if options.json {
        println!("{}", serde_json::to_string(&runs)?);
    } else if options.csv {
        println!("{}", csv_header());
        runs.iter()
            .for_each(|result| println!("{}", csv_line(result)));
    } else {
        table::print_compared(&results);
    }
    Ok(runs.iter().all(|result| result.violations_count == 0))
}

fn one(path: &Path, options: &Options, stop: &AtomicBool) -> Result<RunResult, SimError> {
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return files::result(path);
    }
    let run_options = run::Options {
        file: path.to_owned(),
        seed: options.seed,
        threads: options.threads,
        set: Vec::new(),
        json: options.json,
        csv: options.csv,
        html: None,
    };
    run::one(&run_options, stop)
}

fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    stem.to_string_lossy().into_owned()
}
