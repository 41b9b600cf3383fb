//! `[hold]`: what must hold, as invariants of the design and as bounds on what is measured.

use std::time::Duration;

use super::error::ScenarioError;
use super::reader::Table;

/// What must hold; whatever does not is a violation, and the run fails.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// By name. Default safety, during the run and at its end.
    pub invariants: Vec<Invariant>,
    /// Every end of a member is known to all others of its groups within this.
    pub detection: Option<Duration>,
    /// Every join takes at most this, of nodes that start while the world forms.
    pub join: Option<Duration>,
    /// The whole world has formed within this.
    pub formed: Option<Duration>,
    /// No node ever has more sessions.
    pub sessions_max: Option<u32>,
    /// Control messages a node and second, on average over the timeline.
    pub control_per_s: Option<f64>,
    /// This share of the messages sent must arrive.
    pub delivered: Option<f64>,
    /// Groups agree again so soon after the last fault mended.
    pub healed: Option<Duration>,
}

/// What can be asked to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// The order of ups and downs, the order of messages, the limits of reflection; at all times.
    Safety,
    /// At the end: views agree, groups are full meshes and nothing lies beyond, nothing is lost
    /// without a word.
    Quiet,
    /// I2: one Up and at most one Down for each start, in order.
    UpDown,
    /// I7: messages come in order and once.
    Order,
    /// I10: rows do not circle.
    Rows,
    /// At the end every view is the set of running members.
    Views,
    /// At the end members of a group have one session each.
    Mesh,
    /// At the end no session lies beyond groups.
    NoneBeyond,
    /// At the end every message arrived, or its sender knows that it may not have.
    Complete,
    /// No living member was declared dead, but those that a fault touched.
    NoFalseDeath,
    /// No look-up failed.
    NoFailedLookup,
}

const INVARIANTS: &[(&str, Invariant)] = &[
    ("safety", Invariant::Safety),
    ("quiet", Invariant::Quiet),
    ("up-down", Invariant::UpDown),
    ("order", Invariant::Order),
    ("rows", Invariant::Rows),
    ("views", Invariant::Views),
    ("mesh", Invariant::Mesh),
    ("none-beyond", Invariant::NoneBeyond),
    ("complete", Invariant::Complete),
    ("no-false-death", Invariant::NoFalseDeath),
    ("no-failed-lookup", Invariant::NoFailedLookup),
];

const KEYS: &[&str] = &[
    "invariants",
    "detection",
    "join",
    "formed",
    "sessions_max",
    "control_per_s",
    "delivered",
    "healed",
];

impl Default for Hold {
    fn default() -> Self {
        Self {
            invariants: vec![Invariant::Safety],
            detection: None,
            join: None,
            formed: None,
            sessions_max: None,
            control_per_s: None,
            delivered: None,
            healed: None,
        }
    }
}

pub(super) fn read(table: Option<Table<'_>>) -> Result<Hold, ScenarioError> {
    let Some(table) = table else {
        return Ok(Hold::default());
    };
    table.only(KEYS)?;
    let invariants = table.words("invariants", INVARIANTS)?;
    Ok(Hold {
        invariants: invariants.unwrap_or_else(|| Hold::default().invariants),
        detection: table.period("detection")?,
        join: table.period("join")?,
        formed: table.period("formed")?,
        sessions_max: table.count("sessions_max", 0..=u32::MAX)?,
        control_per_s: table.number("control_per_s", 0.0..=1e9)?,
        delivered: table.number("delivered", 0.0..=1.0)?,
        healed: table.period("healed")?,
    })
}
