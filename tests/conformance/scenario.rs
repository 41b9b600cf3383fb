//! What happens, as data: three groups in a row, and what becomes of them.
//!
//! ```text
//!  a1 a2 a3 a4 ── ab1 ab2 ── b1 b2 b3 b4 ── bc1 bc2 ── c1 c2 c3 c4
//! ```

use std::ops::Range;
use std::time::Duration;

/// What a node is called; the same in every driver.
pub(crate) type Name = &'static str;

/// One node as it is configured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) name: Name,
    /// Home first. More than one: the node reflects between them.
    pub(crate) groups: &'static [Name],
    /// Whether it knows its groups' cookies.
    pub(crate) knows_cookie: bool,
}

impl Plan {
    pub(crate) const fn is_reflector(&self) -> bool {
        self.groups.len() > 1
    }

    /// The secret that it believes to be the group's.
    pub(crate) fn cookie(&self, group: Name) -> String {
        let kind = if self.knows_cookie { "right" } else { "wrong" };
        format!("the {kind} cookie of {group}")
    }

    /// Through whom it joins a group: the first member, who founds it alone.
    pub(crate) fn seed(&self, group: Name) -> Option<Name> {
        let founder = FORMED.iter().find(|plan| plan.groups.contains(&group));
        founder
            .map(|plan| plan.name)
            .filter(|&name| name != self.name)
    }
}

const fn plain(name: Name, groups: &'static [Name]) -> Plan {
    Plan {
        name,
        groups,
        knows_cookie: true,
    }
}

/// All nodes of the groups, in the order of their start.
pub(crate) const FORMED: &[Plan] = &[
    plain("a1", &["A"]),
    plain("b1", &["B"]),
    plain("c1", &["C"]),
    plain("ab1", &["A", "B"]),
    plain("bc1", &["B", "C"]),
    plain("a2", &["A"]),
    plain("b2", &["B"]),
    plain("c2", &["C"]),
    plain("ab2", &["A", "B"]),
    plain("bc2", &["B", "C"]),
    plain("a3", &["A"]),
    plain("b3", &["B"]),
    plain("c3", &["C"]),
    plain("a4", &["A"]),
    plain("b4", &["B"]),
    plain("c4", &["C"]),
];

/// Who tries to enter B with a cookie that is not B's.
pub(crate) const INTRUDER: Plan = Plan {
    name: "intruder",
    groups: &["B"],
    knows_cookie: false,
};

/// Every node of the scenario.
pub(crate) fn plans() -> impl Iterator<Item = &'static Plan> {
    FORMED.iter().chain([&INTRUDER])
}

/// Idle on-demand sessions close after this.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Nodes start, one after the other.
    Start(&'static [Plan]),
    /// Numbered messages from one node's mailbox to another's.
    Send(Name, Name, Range<u64>),
    /// Nobody sends for longer than the idle time.
    Idle,
    /// A node leaves a group and lives on.
    Leave(Name, Name),
    /// A node's process is killed.
    Kill(Name),
    /// So long nothing more may happen.
    Hold(Duration),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start(plans) => {
                let names: Vec<Name> = plans.iter().map(|plan| plan.name).collect();
                write!(f, "the start of {}", names.join(", "))
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// The scenario.
pub(crate) const STEPS: &[Step] = &[
    Step::Start(FORMED),
    // One message goes by relay and opens nothing; more open a direct session.
    Step::Send("a1", "c1", 0..1),
    Step::Send("a1", "c1", 1..12),
    Step::Send("c1", "a1", 0..1),
    Step::Idle,
    Step::Leave("b4", "B"),
    Step::Kill("a4"),
    Step::Start(&[INTRUDER]),
    Step::Hold(Duration::from_secs(3)),
];
