//! `archipelago sim replay FILE`: one seed again, what chosen nodes reported, and on request the
//! single control messages to and from them.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use archipelago_sim::Tap;
use archipelago_sim::report::{Told, ToldKind, messages, sequence_page, told};
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
    /// Show up to so many single control messages to and from these nodes as well.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    messages: usize,
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
    let nodes: BTreeSet<u32> = options.nodes.iter().copied().collect();
    let second = |value: f64| Duration::from_secs_f64(value.clamp(0.0, 1e9));
    let window = (second(options.from), second(options.until));
    let begun = experiment.begun();
    experiment.world_mut().tap(Tap {
        nodes: nodes.clone(),
        from: begun.after(window.0),
        until: begun.after(window.1),
        len_max: options.messages,
    });
    experiment.run(&mut |progress| bar.show(progress));
    bar.finish();
    let mut lines = told(experiment.world(), &nodes, begun, window);
    lines.extend(messages(experiment.world(), &nodes, begun));
    lines.sort_by_key(|line| line.at);
    let (kept, count) = experiment.world().tapped();
    let more = count - kept.len() as u64;
    if let Some(path) = &again.html {
        files::write(
            path,
            &sequence_page(&scenario.name, &command, &nodes, (&lines, more)),
        )?;
    }
    for line in &lines {
        println!("{:>10.3} s  {}", line.at.as_secs_f64(), describe(line));
    }
    if more > 0 {
        println!("and {more} more messages: see --messages");
    }
    let result = experiment.finish();
    println!("{} lines; digest {}", lines.len(), result.digest);
    Ok(result.violations_count == 0)
}

/// One line: who, what, and with whom; messages have an arrow.
fn describe(line: &Told) -> String {
    let Told { node, text, .. } = line;
    match (line.kind, line.about) {
        (ToldKind::Sent, Some(other)) => format!("n{node:<6} → n{other}  {text}"),
        (ToldKind::Received, Some(other)) => format!("n{node:<6} ← n{other}  {text}"),
        (_, Some(other)) => format!("n{node:<6} {text} n{other}"),
        (_, None) => format!("n{node:<6} {text}"),
    }
}
