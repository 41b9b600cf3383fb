//! The main job: a real cluster on this machine, formed, used, broken, and looked at.
//!
//! Each phase fills in its part of the [`Report`] and says what did not hold. Nothing is assumed
//! of one phase by the next but that the cluster stands.

mod child;
pub(crate) mod cluster;
pub(crate) mod faults;
pub(crate) mod letter;
pub(crate) mod options;
mod phases;
mod report;
mod table;
pub(crate) mod traffic;

pub(crate) use options::Options;

use std::time::Instant;

use self::cluster::FormError;
use self::phases::Demo;
use self::report::Report;
use crate::cluster::{ClusterError, Plan};
use crate::live::process::ProcessError;
use crate::machine::descriptors;

/// The demo could not run; what was up is down again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Descriptors(#[from] descriptors::TooFewDescriptors),
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Child(#[from] ProcessError),
    #[error(transparent)]
    Node(#[from] archipelago::NodeError),
    #[error("the report cannot be written: {0}")]
    Write(#[from] serde_json::Error),
}

/// Runs the demo and prints what it saw; returns whether every property held.
///
/// # Errors
/// [`DemoError`] when there is nothing to report.
pub(crate) async fn run(options: &Options) -> Result<bool, DemoError> {
    let plan = match &options.cluster {
        Some(path) => crate::cluster::read(path)?,
        None => laid_out(options)?,
    };
    require_descriptors(&plan, options.pairs)?;
    let mut report = Report::default();
    let demo = Demo::new(options, Instant::now());
    let is_interrupted = tokio::select! {
        done = demo.run(plan, &mut report) => {
            done?;
            false
        }
        _ = tokio::signal::ctrl_c() => true,
    };
    // After the report was printed an interruption only ends `--keep`.
    if is_interrupted && report.elapsed_s == 0.0 {
        report.interrupted = true;
        demo.print(&mut report)?;
    }
    Ok(report.ok)
}

fn laid_out(options: &Options) -> Result<Plan, crate::cluster::ClusterError> {
    let (nodes, groups, reflectors) = (options.nodes, options.groups, options.reflectors);
    match options.tiers {
        1 => Plan::regular(nodes, groups, reflectors),
        tiers => Plan::tiered(nodes, groups, reflectors, tiers),
    }
    .and_then(Plan::live)
}

/// Two ends of each session, a listener per node, on-demand sessions at their most, and some.
fn require_descriptors(plan: &Plan, pairs: usize) -> Result<(), DemoError> {
    let needed = 2 * plan.sessions_total() + plan.nodes.len() + 2 * pairs + 256;
    descriptors::require(needed as u64)?;
    Ok(())
}
