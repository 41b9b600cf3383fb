//! Measurements that a user can repeat: one subcommand for each part.

mod directory;
mod ends;
mod live;
mod names;
mod nodes;
mod report;
mod simulated;
mod wire;
mod workers;

use std::process::ExitCode;

use clap::Subcommand;

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All members of one group register and unregister names as fast as they are answered.
    Names(names::Options),
    /// Many names that stay in one group, and one more member who learns them.
    Directory(directory::Options),
    /// How soon monitors tell of ended processes and killed nodes, in the group and across.
    Ends(ends::Options),
    /// Keyed workers on the members of one group, asked at a fixed rate, some with large bodies.
    Workers(workers::Options),
    /// Messages between two nodes in two processes, beside bare TCP.
    Wire(wire::Options),
    /// Live nodes, as many as the machine bears, in groups and in a full mesh.
    Nodes(nodes::Options),
    /// One of the processes of `workers`; for that itself.
    #[command(hide = true)]
    WorkersHost,
    /// One of the processes of `nodes`; for that itself.
    #[command(hide = true)]
    NodesHost,
    /// The other process of `wire`; for that itself.
    #[command(hide = true)]
    WireServe,
}

/// Measures and prints.
pub(crate) async fn main(command: &Command) -> ExitCode {
    match command {
        Command::Names(options) => names::main(options).await,
        Command::Directory(options) => directory::main(options).await,
        Command::Ends(options) => ends::main(options).await,
        Command::Workers(options) => workers::main(options).await,
        Command::WorkersHost => workers::host().await,
        Command::Nodes(options) => nodes::main(options).await,
        Command::NodesHost => nodes::host().await,
        Command::Wire(options) => wire::main(options).await,
        Command::WireServe => ended(wire::serve().await),
    }
}

fn ended(result: Result<(), wire::WireError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("archipelago: {error}");
            ExitCode::FAILURE
        }
    }
}
