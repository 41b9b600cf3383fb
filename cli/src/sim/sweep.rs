//! `archipelago sim sweep FILE` and `sim merge`: many runs over parameters and seeds.
//!
//! Each run's result is a file of its own in the output folder, written whole or not at all, so a
//! sweep goes on where it was stopped, and parts of it may be made on several machines.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use archipelago_sim::report::{csv_header, csv_line, points, sweep_page};
use archipelago_sim::run::{RunOptions, RunResult, run};
use archipelago_sim::scenario::Scenario;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{SimError, files};

/// Run a scenario over every combination of its `[sweep]`, with every seed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The scenario, with a table `[sweep]`.
    file: PathBuf,
    /// The folder of results; runs that it has are not run again.
    #[arg(long, value_name = "FOLDER", default_value = "sweep")]
    out: PathBuf,
    /// Only every n-th run, from the i-th on, 1 to n: one machine's part.
    #[arg(long, value_name = "i/n", value_parser = shard)]
    shard: Option<(usize, usize)>,
    /// Runs at the same time. Default the number of cores.
    #[arg(long)]
    jobs: Option<usize>,
    /// Print one JSON object for each run instead of a bar and a summary.
    #[arg(long)]
    json: bool,
}

/// Put the parts of a sweep together.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MergeOptions {
    /// The folders that `sim sweep --shard` filled.
    #[arg(required = true)]
    parts: Vec<PathBuf>,
    /// The folder of the whole.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// A parameter point with its seed.
type Run = (Vec<(String, String)>, u64);

pub(super) fn main(options: &Options, stop: &AtomicBool) -> Result<bool, SimError> {
    let text = std::fs::read_to_string(&options.file).map_err(SimError::file(&options.file))?;
    let runs = runs(&text, &options.file)?;
    begin(&options.out, &text)?;
    let (part, parts) = options.shard.unwrap_or((1, 1));
    let numbers = (0..runs.len()).filter(|number| number % parts == part - 1);
    let missing: Vec<usize> = numbers
        .filter(|&number| !path(&options.out, number).exists())
        .collect();
    all(options, &runs, &missing, stop)?;
    finish(&options.out, &options.file, &text, runs.len(), options.json)
}

pub(super) fn merge(options: &MergeOptions) -> Result<bool, SimError> {
    let mut whole: Option<String> = None;
    for part in &options.parts {
        let scenario = part.join("scenario.toml");
        let text = std::fs::read_to_string(&scenario).map_err(SimError::file(&scenario))?;
        if whole.as_ref().is_some_and(|whole| *whole != text) {
            let problem = "is a part of another sweep: its scenario.toml differs";
            return Err(SimError::Usage(format!("{} {problem}", part.display())));
        }
        begin(&options.out, &text)?;
        let total = runs(&text, &scenario)?.len();
        for number in 0..total {
            let (from, to) = (path(part, number), path(&options.out, number));
            if from.exists() && !to.exists() {
                std::fs::copy(&from, &to).map_err(SimError::file(&to))?;
            }
        }
        whole = Some(text);
    }
    let text = whole.unwrap_or_default();
    let file = options.out.join("scenario.toml");
    let total = runs(&text, &file)?.len();
    finish(&options.out, &file, &text, total, false)
}

fn runs(text: &str, file: &Path) -> Result<Vec<Run>, SimError> {
    let scenario = Scenario::parse(text).map_err(SimError::scenario(file))?;
    match scenario.sweep {
        Some(sweep) => Ok(sweep.runs()),
        None => Err(SimError::Usage(format!(
            "{}: there is no table [sweep] that says what to vary",
            file.display()
        ))),
    }
}

/// Makes the folder, or sees to it that it is of the same sweep.
fn begin(folder: &Path, text: &str) -> Result<(), SimError> {
    let kept = folder.join("scenario.toml");
    let runs = folder.join("runs");
    std::fs::create_dir_all(&runs).map_err(SimError::file(&runs))?;
    if kept.exists() {
        let before = std::fs::read_to_string(&kept).map_err(SimError::file(&kept))?;
        if before != text {
            return Err(SimError::Usage(format!(
                "{} holds another sweep: name another folder with --out",
                folder.display()
            )));
        }
        return Ok(());
    }
    files::write(&kept, text)
}

/// Runs what is missing, several at a time.
fn all(
    options: &Options,
    runs: &[Run],
    missing: &[usize],
    stop: &AtomicBool,
) -> Result<(), SimError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = options.jobs.unwrap_or(cores).clamp(1, missing.len().max(1));
    let bar = bar(missing.len(), !options.json);
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&number) = missing.get(at) else {
                        return;
                    };
                    if let Err(error) = one(options, &runs[number], number, stop) {
                        stop.store(true, Ordering::Relaxed);
                        let mut failed = failed.lock().unwrap_or_else(|p| p.into_inner());
                        *failed = Some(error);
                        return;
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let failed = failed.into_inner().unwrap_or_else(|p| p.into_inner());
    failed.map_or(Ok(()), Err)
}

fn one(
    options: &Options,
    (parameters, seed): &Run,
    number: usize,
    stop: &AtomicBool,
) -> Result<(), SimError> {
    let mut scenario = files::scenario(&options.file, parameters)?;
    scenario.seed = *seed;
    let mut run_options = RunOptions::new(stop);
    run_options.parameters = parameters.clone();
    let set = parameters
        .iter()
        .map(|(path, value)| format!(" --set '{path}={value}'"));
    let set: String = set.collect();
    run_options.command = format!(
        "archipelago sim run {}{set} --seed {seed}",
        options.file.display()
    );
    let result =
        run(&scenario, run_options, &mut |_| {}).map_err(SimError::scenario(&options.file))?;
    if result.interrupted {
        return Ok(());
    }
    files::write(
        &path(&options.out, number),
        &serde_json::to_string(&result)?,
    )
}

/// Reports on what is there; whether it is everything and nothing was violated.
fn finish(
    folder: &Path,
    file: &Path,
    text: &str,
    total: usize,
    is_json: bool,
) -> Result<bool, SimError> {
    let mut results = Vec::new();
    for number in 0..total {
        let path = path(folder, number);
        if path.exists() {
            results.push(files::result(&path)?);
        }
    }
    let lines: Vec<_> = std::iter::once(csv_header())
        .chain(results.iter().map(csv_line))
        .collect();
    files::write(&folder.join("results.csv"), &(lines.join("\n") + "\n"))?;
    let scenario = Scenario::parse(text).map_err(SimError::scenario(file))?;
    let command = format!("archipelago sim sweep {}", file.display());
    let page = sweep_page(&scenario.name, &scenario.about, &command, &results);
    files::write(&folder.join("report.html"), &page)?;
    if is_json {
        for result in &results {
            println!("{}", serde_json::to_string(result)?);
        }
    } else {
        print(folder, &results, total);
    }
    let failed = results.iter().any(|result| result.violations_count > 0);
    Ok(!failed)
}

fn print(folder: &Path, results: &[RunResult], total: usize) {
    for point in points(results) {
        let parameters = point.parameters.iter();
        let parameters: Vec<_> = parameters
            .map(|(path, value)| format!("{path} = {value}"))
            .collect();
        let verdict = match point.failed {
            0 => "everything held".to_owned(),
            failed => format!("{failed} with violations"),
        };
        println!("{}: {} runs, {verdict}", parameters.join(", "), point.runs);
    }
    let folder = folder.display();
    println!(
        "{} of {total} runs; {folder}/report.html, {folder}/results.csv",
        results.len()
    );
}

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join("runs").join(format!("{number:06}.json"))
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parsed = text.split_once('/').and_then(|(part, parts)| {
        let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
        (part >= 1 && part <= parts).then_some((part, parts))
    });
    parsed.ok_or_else(|| "write i/n with 1 ≤ i ≤ n, such as 2/8".to_owned())
}

fn bar(runs: usize, is_shown: bool) -> ProgressBar {
    let target = if is_shown {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{bar:36} {pos}/{len} runs · {per_sec} · {eta} left");
    ProgressBar::with_draw_target(Some(runs as u64), target)
        .with_style(style.expect("the template is well formed"))
}
