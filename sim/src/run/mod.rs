//! Runs a scenario: builds its world, does what its plan says, and measures.
//!
//! ```text
//!  Scenario ─▶ Nodes, Plan ─▶ Experiment ── form, advance ─▶ World
//!                                  │ reads reports, samples, checks
//!                                  └─▶ RunResult
//! ```
//! The digest depends on the scenario and its seed only: neither on the wall clock nor on who looks
//! at the progress. A run may be stopped at any time, and says what it has so far.

mod choose;
mod clock;
mod cuts;
mod drive;
mod engine;
mod finish;
mod flows;
mod formed;
mod meter;
mod plan;
mod removal;
mod result;
mod samples;
mod shrink;
mod toolbox;
mod violations;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use choose::Nodes;
pub use clock::{Stopwatch, resident_bytes};
pub use plan::{Action, Cause, KeyedPart, Plan, Step};
pub use result::{
    Control, Delivery, Load, Lookups, Mark, OnDemand, Ratios, Robustness, RunResult, Sample, Times,
    Toolbox, ToolboxCalls, ToolboxGroupcasts, ToolboxKeyed, ToolboxNames, Violated,
};
pub use shrink::{Shrunk, shrink};

use archipelago_core::{NodeId, Time};
use archipelago_router::NodeConfig;

use crate::names;
use crate::scenario::{self, Scenario, ScenarioError};
use crate::tally::Tally;
use crate::tiers::Hierarchy;
use crate::topology::{Overlay, OverlayConfig, Topology};
use crate::underlay::Underlay;
use crate::world::{World, WorldConfig};

use cuts::Cuts;
use meter::Meter;
use samples::Samples;
use violations::Violations;

/// Above so many nodes control messages are handed over without their bytes, unless the scenario
/// says otherwise.
const CODEC_NODES_MAX: usize = 2_000;

/// How to run, beside what the scenario says.
#[derive(Clone, Debug)]
pub struct RunOptions<'a> {
    /// Threads of the world. Default 1.
    pub threads: usize,
    /// What makes this run again, for the report.
    pub command: String,
    /// Values that were set from outside the file, for the report.
    pub parameters: Vec<(String, String)>,
    /// Parts of the scenario that are left out.
    pub without: BTreeSet<Cause>,
    /// Set by somebody else to stop the run.
    pub stop: &'a AtomicBool,
}

impl<'a> RunOptions<'a> {
    /// One thread, nothing left out.
    pub fn new(stop: &'a AtomicBool) -> Self {
        Self {
            threads: 1,
            command: String::new(),
            parameters: Vec::new(),
            without: BTreeSet::new(),
            stop,
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What is under way.
    pub phase: Phase,
    /// Virtual time done in this phase.
    pub done: Duration,
    /// Virtual time of this phase in all; an upper bound while forming.
    pub total: Duration,
    /// Events since the beginning.
    pub events: u64,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nodes start and join.
    Forming,
    /// The timeline.
    Running,
}

/// A scenario under way.
#[derive(Debug)]
pub struct Experiment<'a> {
    scenario: &'a Scenario,
    options: RunOptions<'a>,
    nodes: Nodes,
    plan: Plan,
    world: World,
    cuts: Cuts,
    meter: Meter,
    samples: Samples,
    violations: Violations,
    marks: Vec<Mark>,
    flows_skipped: u64,
    toolbox: toolbox::Begun,
    watch: Stopwatch,
    /// When the timeline began.
    begun: Time,
    formed: Option<Duration>,
    forming: Tally,
    /// When the last fault mended, and how long agreement took then.
    mended: Option<Time>,
    healed: Option<Duration>,
    topology: Topology,
    overlay: Overlay,
    /// Where parents are joined by whoever is elected at run time.
    tiers: Option<Hierarchy>,
    underlay: Option<Underlay>,
}

/// Runs a scenario to its end, or until it is stopped.
///
/// # Errors
/// A scenario that names what is not there; nothing was run.
pub fn run(
    scenario: &Scenario,
    options: RunOptions<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<RunResult, ScenarioError> {
    if let Some(load) = &scenario.engine {
        return Ok(engine::run(scenario, *load, &options, progress));
    }
    let mut experiment = Experiment::new(scenario, options)?;
    experiment.form(progress);
    experiment.run(progress);
    Ok(experiment.finish())
}

impl<'a> Experiment<'a> {
    /// Builds the world and the plan; nothing has started.
    ///
    /// # Errors
    /// A scenario that names what is not there.
    pub fn new(scenario: &'a Scenario, options: RunOptions<'a>) -> Result<Self, ScenarioError> {
        if scenario.engine.is_some() {
            let problem = "an engine alone has no nodes to look at";
            return Err(ScenarioError::new(
                1,
                problem,
                "allowed: only `sim run` and `sim sweep`",
            ));
        }
        let watch = Stopwatch::start();
        let folder = &scenario.folder;
        let underlay = scenario.underlay.build(scenario.seed, folder)?;
        let spec = &scenario.topology;
        let overlay = spec.build(scenario.seed, folder, underlay.as_ref())?;
        let topology = Topology::of(&overlay);
        let nodes = Nodes::new(&topology, underlay.as_ref());
        let mut plan = Plan::new(scenario, &nodes)?;
        plan.without(&options.without);
        let tiers = elected(scenario, &overlay)?;
        let shape = (&topology, tiers.as_ref());
        let world = build(scenario, &options, shape, &nodes, underlay.clone());
        Ok(Self {
            scenario,
            options,
            nodes,
            plan,
            world,
            cuts: Cuts::default(),
            meter: Meter::default(),
            samples: Samples::default(),
            violations: Violations::default(),
            marks: Vec::new(),
            flows_skipped: 0,
            toolbox: toolbox::Begun::default(),
            watch,
            begun: Time::START,
            formed: None,
            forming: Tally::default(),
            mended: None,
            healed: None,
            topology,
            overlay,
            tiers,
            underlay,
        })
    }

    /// The world, to look at.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// The world, for what a scenario cannot say.
    pub const fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// What is done, in the order of time.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// When the timeline began, in the world's time.
    pub const fn begun(&self) -> Time {
        self.begun
    }

    /// Whether somebody wants it to stop.
    pub fn is_stopped(&self) -> bool {
        self.options.stop.load(Ordering::Relaxed)
    }
}

fn build(
    scenario: &Scenario,
    options: &RunOptions<'_>,
    (topology, tiers): (&Topology, Option<&Hierarchy>),
    nodes: &Nodes,
    underlay: Option<Underlay>,
) -> World {
    let is_small = nodes.len() <= CODEC_NODES_MAX;
    let config = WorldConfig {
        link: scenario.underlay.link(),
        underlay,
        threads: options.threads,
        codec: scenario.node.codec.unwrap_or(is_small),
        trace: is_small,
        handshake_time: scenario.node.handshake_time.unwrap_or_default(),
        packet_time: scenario.node.packet_time.unwrap_or_default(),
        ..WorldConfig::new(scenario.seed)
    };
    let members = nodes.groups().iter().map(Vec::len).max().unwrap_or(0);
    let members_max = u32::try_from(members).unwrap_or(u32::MAX);
    let council = council(scenario, nodes);
    let change = |_, config: &mut NodeConfig| {
        scenario.node.apply(config);
        for group in &mut config.groups {
            if !council.is_empty() && group.id() == topology.id(0) {
                Arc::make_mut(group).place.council.clone_from(&council);
            }
        }
        if members_max > 1_024 {
            for group in &mut config.groups {
                let mut wide = (**group).clone();
                wide.members_max = members_max;
                *group = wide.into();
            }
        }
    };
    match tiers {
        Some(tiers) => tiers.build(config, change),
        None => topology.build(config, change),
    }
}

/// Who says who holds a strict name of the first group: nobody, where nothing needs one.
fn council(scenario: &Scenario, nodes: &Nodes) -> Vec<NodeId> {
    let mut loads = scenario.workloads.iter();
    let is_leased = |load: &scenario::Load| match load {
        scenario::Load::Keyed(load) => load.lease.is_some(),
        _ => false,
    };
    let members = nodes.groups().first().filter(|_| loads.any(is_leased));
    let members = members.map_or(&[][..], Vec::as_slice);
    let len = if members.len() < 3 { 1 } else { 3 };
    let council = members.iter().take(len);
    council
        .map(|&ix| names::node_id(scenario.seed, ix))
        .collect()
}

/// The tiers of a planned hierarchy, as its nodes are to elect them.
fn elected(scenario: &Scenario, overlay: &Overlay) -> Result<Option<Hierarchy>, ScenarioError> {
    if !matches!(scenario.topology.shape, OverlayConfig::Hierarchy(_)) || overlay.tier_max() == 0 {
        return Ok(None);
    }
    overlay.elected().map(Some).map_err(|error| {
        let remedy = "see `[topology.hierarchy]`";
        ScenarioError::new(scenario.topology.line, error.to_string(), remedy)
    })
}
