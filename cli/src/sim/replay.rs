//! `archipelago sim replay FILE`: one seed again, and what chosen nodes reported.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use archipelago_sim::report::{sequence_page, told};
use archipelago_sim::run::{Experiment, RunOptions};

use super::progress::Bar;
use super::{SimError, files, run};

/// Run one seed again, and show what chosen nodes reported.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "replay")]
pub(crate) struct Options {
    #[command(flatten)]
    run: run::Options,
    /// The nodes, by number.
    #[arg(long, value_delimiter = ',', required = true)]
    nodes: Vec<u32>,
    /// From this second of the timeline on.
    #[arg(long, default_value_t = 0.0)]
    from: f64,
    /// Until this second of the timeline.
    #[arg(long, default_value_t = 1e6)]
    until: f64,
}

pub(super) fn main(options: &Options, stop: &AtomicBool) -> Result<bool, SimError> {
    let again = &options.run;
    let mut scenario = files::scenario(&again.file, &again.set)?;
    scenario.seed = again.seed.unwrap_or(scenario.seed);
    let mut run_options = RunOptions::new(stop);
    run_options.threads = again.threads.max(1);
    let command = run::command("replay", again, &scenario);
    let mut experiment =
        Experiment::new(&scenario, run_options).map_err(SimError::scenario(&again.file))?;
    let mut bar = Bar::new(true);
    experiment.form(&mut |progress| bar.show(progress));
    experiment.run(&mut |progress| bar.show(progress));
    bar.finish();
    let nodes: BTreeSet<u32> = options.nodes.iter().copied().collect();
    let second = |value: f64| Duration::from_secs_f64(value.clamp(0.0, 1e9));
    let window = (second(options.from), second(options.until));
    let lines = told(experiment.world(), &nodes, experiment.begun(), window);
    if let Some(path) = &again.html {
        files::write(
            path,
            &sequence_page(&scenario.name, &command, &nodes, &lines),
        )?;
    }
    for line in &lines {
        let about = line.about.map_or(String::new(), |node| format!(" n{node}"));
        println!(
            "{:>10.3} s  n{:<6} {}{about}",
            line.at.as_secs_f64(),
            line.node,
            line.text
        );
    }
    let result = experiment.finish();
    println!("{} reports; digest {}", lines.len(), result.digest);
    Ok(result.violations_count == 0)
}
