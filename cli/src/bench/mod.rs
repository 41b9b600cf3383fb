//! Measurements that a user can repeat: one subcommand for each part.

mod live;
mod names;
mod report;
mod simulated;
mod workers;

use std::process::ExitCode;

use clap::Subcommand;

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All members of one group register and unregister names as fast as they are answered.
    Names(names::Options),
    /// Keyed workers on the members of one group, asked at a fixed rate, some with large bodies.
    Workers(workers::Options),
}

/// Measures and prints.
pub(crate) async fn main(command: &Command) -> ExitCode {
    match command {
        Command::Names(options) => names::main(options).await,
        Command::Workers(options) => workers::main(options).await,
    }
}
