//! `archipelago bench workers`: keyed workers under the load that the mission's users have.
//!
//! Members of one live group host 100,000 workers; entries ask them at a fixed rate, some requests
//! with large bodies, whether or not earlier ones were answered. A request's time counts from when
//! it was due, not from when it could be sent, so a stall shows in every request that it held up
//! (coordinated omission). All nodes run in this process and share its processors.

mod cluster;
mod load;
mod measured;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use super::names::BenchError;
use crate::live::progress::Progress;
use crate::machine::descriptors;
use measured::Measured;

/// 100,000 keyed workers on the members of a live group, asked at a fixed rate, some requests with
/// large bodies.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Members that host workers; several sizes are measured one after the other.
    #[arg(long, value_delimiter = ',', default_value = "4")]
    pub(crate) members: Vec<u32>,
    /// Who takes requests: two proxies that host nothing, or the hosts themselves.
    #[arg(long, value_enum, default_value_t = EntryKind::Any)]
    pub(crate) entry: EntryKind,
    /// Workers.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) keys: u64,
    /// Requests a second in all.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) rate: u32,
    /// Of those, requests a second with a body of 300 kB; the others have 200 bytes.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) bodies: u32,
    /// Seconds that the load lasts.
    #[arg(long, default_value_t = 60.0)]
    pub(crate) seconds: f64,
    /// Kill one host in the middle, and add another one.
    #[arg(long)]
    pub(crate) kill: bool,
    /// Print one JSON object for each size instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EntryKind {
    Proxy,
    Any,
}

impl EntryKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Any => "any",
        }
    }
}

impl Options {
    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 86_400.0))
    }

    fn check(&self) -> Result<(), BenchError> {
        for &members in &self.members {
            // Each pair has a session, whose ends both take a descriptor of this process.
            let pairs = u64::from(members + 4).pow(2);
            if !(2..=256).contains(&members) {
                return Err(BenchError::Hosts { members });
            }
            descriptors::require(pairs + 256)?;
        }
        if self.keys == 0 || self.rate == 0 || self.bodies > self.rate {
            return Err(BenchError::Load);
        }
        Ok(())
    }
}

/// Measures every size and prints what was found, also when it is interrupted.
pub(crate) async fn main(options: &Options) -> ExitCode {
    match measure(options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("archipelago: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was lost.
async fn measure(options: &Options) -> Result<bool, BenchError> {
    options.check()?;
    let progress = Progress::new(!options.json);
    let mut reports = Vec::new();
    for &members in &options.members {
        let measured = Arc::new(Measured::default());
        let ended = tokio::select! {
            ended = load::run(members, options, &measured, progress) => Some(ended),
            _ = tokio::signal::ctrl_c() => None,
        };
        reports.push(measured.report(members, options, ended.is_none()));
        match ended {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                report::print(&reports, options.json)?;
                return Err(error);
            }
            None => break,
        }
    }
    report::print(&reports, options.json)?;
    Ok(reports.iter().all(|report| report.lost == 0))
}
