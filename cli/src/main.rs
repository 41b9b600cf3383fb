//! The program `archipelago`: without a command it runs the demo.

mod bench;
mod cluster;
mod demo;
mod live;
mod machine;
mod member;
mod plan;
mod sim;
mod simulated;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Overlay networks for clusters that have outgrown the full mesh.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: demo::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring up a real cluster over loopback and say what was seen (the default).
    Demo(demo::Options),
    /// Measure a part of it: live over loopback, or in virtual time.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Simulate clusters in virtual time with the machines that run live.
    #[command(subcommand)]
    Sim(sim::Command),
    /// Show the groups, tiers and sessions that a cluster file stands for; nothing is started.
    Plan(plan::Options),
    /// Start the nodes of a cluster file as processes, and start again those that die.
    ///
    /// The master stays in the foreground. When it ends (Ctrl-C), the nodes go on; started again,
    /// it finds them by its folder and leaves them as they are.
    Up(up::UpOptions),
    /// Have a running cluster take a changed file: groups are joined, left and changed as it says.
    ///
    /// Nodes that are new in it are started, those that are gone are stopped; of a changed cookie
    /// the previous one counts for 30 s more. What a running node cannot change is told.
    Reload(up::ReloadOptions),
    /// Stop the nodes of a cluster, and whoever looks after them.
    Down(up::DownOptions),
    /// Tell which nodes of a cluster run.
    Status(up::StatusOptions),
    /// One node of a cluster as a process of its own; for `up` itself.
    #[command(hide = true)]
    Node {
        /// What `up` wrote for it.
        file: std::path::PathBuf,
    },
    /// One node as a process of its own, told over standard input; for the demo itself.
    #[command(hide = true)]
    Member,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Sim(command)) = &arguments.command {
        return sim::main(command);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let command = arguments.command.unwrap_or(Command::Demo(arguments.demo));
    match command {
        Command::Demo(options) => match runtime.block_on(demo::run(&options)) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => failed(&error),
        },
        Command::Bench(command) => runtime.block_on(bench::main(&command)),
        Command::Sim(command) => sim::main(&command),
        Command::Plan(options) => plan::main(&options).unwrap_or_else(|error| failed(&error)),
        Command::Up(options) => ended(runtime.block_on(up::up(&options))),
        Command::Reload(options) => ended(runtime.block_on(up::reload(&options))),
        Command::Down(options) => ended(runtime.block_on(up::down(&options))),
        Command::Status(options) => ended(up::status(&options)),
        Command::Node { file } => ended(runtime.block_on(up::node(&file))),
        Command::Member => match runtime.block_on(member::run()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
    }
}

fn ended(result: Result<ExitCode, up::UpError>) -> ExitCode {
    result.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("archipelago: {error}");
    ExitCode::FAILURE
}
