//! `archipelago sim`: experiments in virtual time, from scenario files.
//!
//! Everything that counts is in `archipelago-sim`; here are options, bars, tables and files.

mod calibrate;
mod compare;
mod error;
mod files;
mod progress;
mod replay;
mod run;
mod shrink;
mod sweep;
mod table;
mod topology;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use error::SimError;
pub(crate) use table::framed;

/// Simulate clusters in virtual time with the machines that run live.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Run a scenario, and fail if something in it does not hold.
    Run(run::Options),
    /// Run several scenarios, or take results that were saved, and put them side by side.
    Compare(compare::Options),
    /// Run a scenario over every combination of its `[sweep]`, with every seed; may be resumed.
    Sweep(sweep::Options),
    /// Put the parts of a sweep together that several machines made.
    Merge(sweep::MergeOptions),
    /// Look at a scenario's topology without running it.
    Topology(topology::Options),
    /// Run one seed again, and show what chosen nodes reported, as a sequence diagram.
    Replay(replay::Options),
    /// Leave out faults of a failing run as long as it still fails.
    Shrink(run::Options),
    /// Run one small cluster live on loopback and in the simulator, and say how far they differ.
    Calibrate(calibrate::Options),
}

/// Runs one of the commands; it succeeds when everything held.
pub(crate) fn main(command: &Command) -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    watch_interrupts(&stop);
    let result = match command {
        Command::Run(options) => run::main(options, &stop),
        Command::Compare(options) => compare::main(options, &stop),
        Command::Sweep(options) => sweep::main(options, &stop),
        Command::Merge(options) => sweep::merge(options),
        Command::Topology(options) => topology::main(options),
        Command::Replay(options) => replay::main(options, &stop),
        Command::Shrink(options) => shrink::main(options, &stop),
        Command::Calibrate(options) => calibrate::main(options, &stop),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("archipelago: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The first Ctrl-C asks for what there is so far, the second ends the program.
fn watch_interrupts(stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stop.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
    });
}
