//! A scenario: one TOML file that says what world to build, what happens in it, and what must hold.
//!
//! ```toml
//! name = "two halves"
//! seed = 1
//! duration = "60s"                 # of the timeline, which begins when the groups have formed
//!
//! [topology.flat]
//! groups = 6
//! size = 10
//! reflectors = 2
//!
//! [underlay]
//! latency = "5ms"
//!
//! [[workload]]
//! between = "across"
//! pairs = 30
//! messages = 100
//! every = "200ms"
//!
//! [[fault]]
//! kind = "partition"
//! at = "10s"
//! lasting = "15s"
//! share = 0.5
//!
//! [hold]
//! invariants = ["safety", "quiet"]
//! detection = "2.5s"
//! ```
//! Reading checks everything that can be checked without building the world, and every refusal names
//! the line and what is allowed. A scenario is plain data afterwards.

mod churn;
mod engine;
mod error;
mod fault;
mod hold;
mod keyed;
mod measure;
mod overrides;
mod reader;
mod settings;
mod sweep;
mod topology;
mod underlay;
mod workload;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeTable;

pub use churn::{Churn, Law};
pub use engine::{EngineLoad, EngineWorkload};
pub use error::ScenarioError;
pub use fault::{Chaos, ChaosKind, Choice, Cut, Fault, FaultKind, Role, Who};
pub use hold::{Hold, Invariant};
pub use keyed::KeyedLoad;
pub use measure::{MEASURES, Measure, Measures};
pub use settings::NodeSettings;
pub use sweep::{Axis, Sweep};
pub use topology::TopologySpec;
pub use underlay::{LinkSpec, UnderlaySpec};
pub use workload::{Between, Groupcasts, Load, NameChurn, Targets, Workload};

use reader::Table;

/// How the world comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode {
    /// Message by message: every node starts, dials and joins.
    Joined,
    /// As if it had formed long ago.
    Generated,
}

/// Everything that a run depends on, beside the program.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// For people.
    pub name: String,
    /// What it is about, for people.
    pub about: String,
    /// All chance comes from here. Default 1.
    pub seed: u64,
    /// Of the timeline. It begins when every group has formed.
    pub duration: Duration,
    /// The longest that forming may take; later is a violation. Default 60 s.
    pub form_within: Duration,
    /// Starts are spread over so much. Default 100 ms.
    pub start_within: Duration,
    /// How the world comes to be. Default joined.
    pub start: StartMode,
    /// Between two looks at what is counted. Default a 60th of the duration.
    pub sample_every: Duration,
    /// Between two looks of the checkers of safety. Default a quarter of the duration.
    pub check_every: Duration,
    /// What is measured.
    pub measure: Measures,
    /// The engine alone in place of a world: nothing else of the scenario but its seed and duration
    /// counts then.
    pub engine: Option<EngineLoad>,
    /// Nodes and groups.
    pub topology: TopologySpec,
    /// Links.
    pub underlay: UnderlaySpec,
    /// What every node is told.
    pub node: NodeSettings,
    /// Who talks to whom.
    pub workloads: Vec<Load>,
    /// What breaks, when.
    pub faults: Vec<Fault>,
    /// What breaks at random.
    pub chaos: Option<Chaos>,
    /// Who comes and goes.
    pub churn: Option<Churn>,
    /// What must hold.
    pub hold: Hold,
    /// What a sweep varies.
    pub sweep: Option<Sweep>,
    /// Where files that the scenario names are sought: the folder that it is in itself. Default
    /// the working folder.
    pub folder: PathBuf,
}

const KEYS: &[&str] = &[
    "name",
    "about",
    "seed",
    "duration",
    "form_within",
    "start_within",
    "start",
    "sample_every",
    "check_every",
    "measure",
    "engine",
    "topology",
    "underlay",
    "node",
    "workload",
    "fault",
    "chaos",
    "churn",
    "hold",
    "sweep",
];

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Self::parse_with(text, &[])
    }

    /// Reads a scenario with some of its values replaced: `("topology.size", "50")`.
    ///
    /// # Errors
    /// As [`Scenario::parse`]; a replacement stands at the line of what it replaces.
    pub fn parse_with(text: &str, replaced: &[(String, String)]) -> Result<Self, ScenarioError> {
        let mut document =
            DeTable::parse(text).map_err(|error| ScenarioError::syntax(text, &error))?;
        overrides::apply(text, &mut document, replaced)?;
        Self::read(text, &document)
    }

    fn read(text: &str, document: &Spanned<DeTable<'_>>) -> Result<Self, ScenarioError> {
        let root = Table::root(text, document);
        root.only(KEYS)?;
        let duration = root.require_period("duration")?;
        let engine = engine::read(&root)?;
        let topology = match (&engine, root.table("topology")?) {
            (Some(_), _) => TopologySpec::none(),
            (None, Some(table)) => topology::read(&table)?,
            (None, None) => {
                let remedy = "write a table such as `[topology.flat]`";
                return Err(root.missing("topology", remedy));
            }
        };
        let scenario = Self {
            name: root.text("name")?.unwrap_or("unnamed").to_owned(),
            about: root.text("about")?.unwrap_or_default().trim().to_owned(),
            seed: root.integer("seed", 0..=u64::MAX)?.unwrap_or(1),
            duration,
            form_within: root
                .period("form_within")?
                .unwrap_or(Duration::from_secs(60)),
            start_within: root
                .duration("start_within")?
                .unwrap_or(Duration::from_millis(100)),
            start: root.one_of("start", STARTS)?.unwrap_or(StartMode::Joined),
            sample_every: root
                .period("sample_every")?
                .unwrap_or(at_least_ms(duration / 60)),
            check_every: root
                .period("check_every")?
                .unwrap_or(at_least_ms(duration / 4)),
            measure: measure::read(&root)?,
            engine,
            topology,
            underlay: underlay::read(root.table("underlay")?)?,
            node: settings::read(root.table("node")?)?,
            workloads: all(&root, "workload", workload::read)?,
            faults: all(&root, "fault", fault::read)?,
            chaos: root
                .table("chaos")?
                .map(|table| fault::read_chaos(&table))
                .transpose()?,
            churn: root
                .table("churn")?
                .map(|table| churn::read(&table))
                .transpose()?,
            hold: hold::read(root.table("hold")?)?,
            sweep: root
                .table("sweep")?
                .map(|table| sweep::read(&table))
                .transpose()?,
            folder: PathBuf::from("."),
        };
        scenario.check_times(&root)?;
        scenario.check_loads()?;
        Ok(scenario)
    }

    /// A node has room for one protocol beside the product's own.
    fn check_loads(&self) -> Result<(), ScenarioError> {
        let is_keyed = |load: &&Load| matches!(load, Load::Keyed(_));
        let has_keyed = self.workloads.iter().any(|load| is_keyed(&load));
        let takes_room = |load: &&Load| matches!(load, Load::Keyed(_) | Load::Groupcast(_));
        let others = self.workloads.iter().filter(takes_room);
        match others.filter(|_| has_keyed).nth(1) {
            None => Ok(()),
            Some(second) => Err(ScenarioError::new(
                second.begins().1,
                "keyed workers beside other ones, or beside groupcasts",
                "allowed: one workload with `kind = \"keyed\"`, and none with \"groupcast\" then",
            )),
        }
    }

    /// Nothing may be planned for after the end.
    fn check_times(&self, root: &Table<'_>) -> Result<(), ScenarioError> {
        let faults = self.faults.iter().map(|fault| (fault.at, fault.line));
        let workloads = self.workloads.iter().map(Load::begins);
        let late = faults.chain(workloads).find(|&(at, _)| at > self.duration);
        if let Some((at, line)) = late {
            return Err(ScenarioError::new(
                line,
                format!("this begins at {at:?}, after the end"),
                format!("allowed: up to the duration of {:?}", self.duration),
            ));
        }
        let samples = self.duration.as_micros() / self.sample_every.as_micros().max(1);
        if samples > 100_000 {
            return Err(root.wrong(
                "sample_every",
                format!("{samples} samples in one run"),
                "allowed: at most 100000, so sample more rarely",
            ));
        }
        Ok(())
    }
}

const STARTS: &[(&str, StartMode)] = &[
    ("joined", StartMode::Joined),
    ("generated", StartMode::Generated),
];

fn all<'a, T>(
    root: &Table<'a>,
    key: &'a str,
    read: impl Fn(&Table<'a>) -> Result<T, ScenarioError>,
) -> Result<Vec<T>, ScenarioError> {
    root.tables(key)?.iter().map(read).collect()
}

fn at_least_ms(duration: Duration) -> Duration {
    duration.max(Duration::from_millis(1))
}
