//! `archipelago plan FILE`: the groups that a cluster file stands for, and nothing is started.

mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use archipelago_sim::picture;
use archipelago_sim::topology::{OverlayFormat, TopologyError};

use crate::cluster::{self, ClusterError};
use crate::simulated::overlay;
use report::Report;

/// Show the groups, tiers and sessions that a cluster file stands for.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The cluster file, with groups of its own or with `groups = "auto"`.
    file: PathBuf,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Write the plan for the simulator's `[topology.file]`, or as a graph: by its ending .json,
    /// .graphml, .dot or .csv.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a picture of it, as SVG.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// A plan that could not be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("{}: no known ending; name it .json, .graphml, .dot or .csv", .0.display())]
    Ending(PathBuf),
    #[error("{}: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Export(#[from] TopologyError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Reads, groups and shows.
pub(crate) fn main(options: &Options) -> Result<ExitCode, PlanError> {
    let (plan, grounds) = cluster::read_with_grounds(&options.file)?;
    let overlay = overlay(&plan);
    if let Some(path) = &options.output {
        let format = OverlayFormat::of(path).ok_or_else(|| PlanError::Ending(path.clone()))?;
        write(path, &overlay.export(format)?)?;
    }
    if let Some(path) = &options.picture {
        write(path, &picture::draw(&overlay))?;
    }
    let report = Report::of(&plan, &overlay, grounds.as_ref());
    if options.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        report.print();
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &PathBuf, text: &str) -> Result<(), PlanError> {
    std::fs::write(path, text).map_err(|source| PlanError::Write {
        path: path.clone(),
        source,
    })
}
