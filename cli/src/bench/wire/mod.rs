//! `archipelago bench wire`: messages between two nodes in two processes, over loopback TCP.
//!
//! Every workload runs over Archipelago's public API, by nodes with threads of their own and by nodes
//! on the caller's, and over bare tokio TCP, in turns of a fraction of its time, so that whatever
//! else the machine does falls on all.
//! The ratios count; the absolute figures are this machine's.

mod child;
mod pair;
mod pairs;
mod report;
mod serve;
mod threads;
mod transport;
mod turns;
mod usage;

use std::process::ExitCode;
use std::time::Duration;

use archipelago_load::{Load, LoadError, Workload};

use crate::live::progress::Progress;
use pairs::Pairs;
use report::Report;
use threads::Threads;
use transport::Transport;

pub(crate) use serve::run as serve;

/// Messages between two nodes in two processes: round trips, requests and one-way messages, each
/// over Archipelago and over bare TCP in turns.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Seconds that each workload is measured for over each transport.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// Seconds of each workload over each transport that are not counted, before it is measured.
    /// Default a tenth of `--seconds`.
    #[arg(long)]
    pub(crate) warm_up: Option<f64>,
    /// Measure these only.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) only: Vec<Workload>,
    /// Tasks that send one-way messages at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) senders: u8,
    /// Small calls per second of the workloads `paced` and `mixed`.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: u32,
    /// What carries the connection of the two nodes.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) transport: Transport,
    /// Whose threads nodes run on: the protocol's own, the caller's, or both in turns.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHOSE,…")]
    #[arg(default_values_t = [Threads::Own, Threads::Caller])]
    pub(crate) threads: Vec<Threads>,
    /// Run all transports over a path of so many bits per second each way, through buffers of
    /// 16 KiB: loopback takes megabytes at once, and hides what waits where. As `100mbit`.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) shape: Option<u64>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.01, 3_600.0))
    }

    fn warm_up(&self) -> Duration {
        let tenth = self.seconds / 10.0;
        Duration::from_secs_f64(self.warm_up.unwrap_or(tenth).clamp(0.0, 3_600.0))
    }

    const fn load(&self) -> Load {
        Load {
            senders: self.senders,
            rate: self.rate,
        }
    }

    fn workloads(&self) -> Vec<Workload> {
        let is_wanted = |one: &Workload| self.only.is_empty() || self.only.contains(one);
        Workload::ALL.into_iter().filter(is_wanted).collect()
    }
}

/// Bits per second, from a number with `kbit`, `mbit`, `gbit` or nothing behind it.
fn rate(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "bit" => 1,
        "kbit" => 1_000,
        "mbit" => 1_000_000,
        "gbit" => 1_000_000_000,
        unit => return Err(format!("{unit} is no unit: say 100mbit, kbit or gbit")),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("{digits} is no whole number"))?;
    let rate = number.saturating_mul(unit);
    if (10_000..=100_000_000_000).contains(&rate) {
        Ok(rate)
    } else {
        Err("from 10kbit to 100gbit".to_owned())
    }
}

/// The wire could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error(transparent)]
    Start(#[from] archipelago::StartError),
    #[error(transparent)]
    Node(#[from] archipelago::NodeError),
    #[error(transparent)]
    Runtime(#[from] archipelago::RuntimeError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Process(#[from] crate::live::process::ProcessError),
    #[error("sockets and pipes between the two processes: {0}; try again")]
    Io(#[from] std::io::Error),
    #[error("the other process said something else than it should: {0}; is it the same program?")]
    Answer(#[from] serde_json::Error),
    #[error("the two nodes did not meet within {0:?}: is loopback TCP allowed here? Try again")]
    Forming(Duration),
    #[error("the node has no TCP port that a shaped path could lead to; run without --shape")]
    NoPort,
    #[error("no node to measure: say --threads own, caller, or both")]
    NoThreads,
    #[error("no configuration on standard input: this command is for `bench wire` itself")]
    NoConfig,
}

/// Measures and prints what was found, also when it is interrupted.
pub(crate) async fn main(options: &Options) -> ExitCode {
    let mut report = Report::default();
    let measured = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ok(()),
        measured = measure(options, &mut report) => measured,
    };
    let printed = report.print(options.json);
    match measured.and(printed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("archipelago: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options, report: &mut Report) -> Result<(), WireError> {
    let pairs = Pairs::start(options).await?;
    let workloads = options.workloads();
    let progress = Progress::new(!options.json);
    let bar = progress.phase("wire, by workload", workloads.len() * turns::TURNS);
    for workload in workloads {
        turns::run(&pairs, workload, options, report, &bar).await?;
    }
    bar.finish_and_clear();
    pairs.end().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn rates_have_units_and_bounds() {
        assert_eq!(rate("100mbit"), Ok(100_000_000));
        assert_eq!(rate("64kbit"), Ok(64_000));
        assert_eq!(rate("20000"), Ok(20_000));
        for wrong in ["", "mbit", "100mb", "1.5gbit", "1", "9000gbit"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
