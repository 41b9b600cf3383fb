//! `measure`: what a run is to measure.

use std::collections::BTreeSet;

use super::error::ScenarioError;
use super::reader::Table;

/// Above so many nodes what costs more than a look at each node is measured on request only.
const DEAR_NODES_MAX: usize = 20_000;

/// Something that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// How many nodes have how many sessions.
    Sessions,
    /// Control messages, by kind.
    Control,
    /// Times of joins and rejoins.
    Join,
    /// Times until the end of a member is known.
    Detection,
    /// Times of messages between mailboxes.
    Latency,
    /// The same as multiples of the links' own.
    Stretch,
    /// Look-ups and how far they go.
    LookupHops,
    /// Sessions on demand.
    OnDemand,
    /// How control messages spread over reflectors.
    Load,
    /// What hangs together without some of the nodes.
    Robustness,
}

/// Every measure by its name.
pub const MEASURES: &[(&str, Measure)] = &[
    ("sessions", Measure::Sessions),
    ("control", Measure::Control),
    ("join", Measure::Join),
    ("detection", Measure::Detection),
    ("latency", Measure::Latency),
    ("stretch", Measure::Stretch),
    ("lookup_hops", Measure::LookupHops),
    ("on_demand", Measure::OnDemand),
    ("load", Measure::Load),
    ("robustness", Measure::Robustness),
];

/// What a scenario asks for. Default all, but without robustness above 20,000 nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures(Option<BTreeSet<Measure>>);

impl Measures {
    /// Whether this is to be measured in a world of so many nodes.
    pub fn has(&self, measure: Measure, nodes: usize) -> bool {
        match &self.0 {
            Some(asked) => asked.contains(&measure),
            None => measure != Measure::Robustness || nodes <= DEAR_NODES_MAX,
        }
    }

    /// The names of what is to be measured.
    pub fn names(&self, nodes: usize) -> Vec<String> {
        let measured = MEASURES.iter().filter(|(_, it)| self.has(*it, nodes));
        measured.map(|(name, _)| (*name).to_owned()).collect()
    }
}

pub(super) fn read(root: &Table<'_>) -> Result<Measures, ScenarioError> {
    let asked = root.words("measure", MEASURES)?;
    Ok(Measures(asked.map(BTreeSet::from_iter)))
}
