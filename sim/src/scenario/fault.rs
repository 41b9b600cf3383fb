//! `[[fault]]` and `[chaos]`: what breaks on a timeline, and what breaks at random.

use std::time::Duration;

use super::error::ScenarioError;
use super::reader::Table;
use super::underlay;
use crate::link::LinkProfile;

/// Something that breaks at an instant, and mends after a while if it is to.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// When.
    pub at: Duration,
    /// After so long it mends; never, without.
    pub lasting: Option<Duration>,
    /// What.
    pub kind: FaultKind,
    /// Where it stands in the file.
    pub line: usize,
}

/// What can break.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Processes are killed; mended by a restart.
    Crash(Who),
    /// Machines lose their power: nothing resets their sessions; mended by a restart.
    PowerOff(Who),
    /// Nodes that are down start again.
    Restart(Who),
    /// Nodes leave in order; mended by a restart.
    Leave(Who),
    /// Processes are stopped, and go on when mended.
    Stop(Who),
    /// Processes stop for `pause` every `every`.
    Slow {
        /// Which.
        who: Who,
        /// How long each pause is.
        pause: Duration,
        /// From one pause to the next.
        every: Duration,
    },
    /// A crowd that was not there when the world formed, all within `spread`.
    Join {
        /// Which.
        who: Who,
        /// Spread over so much.
        spread: Duration,
    },
    /// No packet passes between these nodes and all others.
    Partition {
        /// One side.
        who: Who,
        /// Packets of this side pass no longer, those of the others still do.
        one_way: bool,
    },
    /// Links between pairs of members of one group are cut.
    Cut(Cut),
    /// Every link changes.
    Links(LinkProfile),
    /// Every cut and partition ends.
    Heal,
}

/// Links that are cut, drawn at random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How many pairs.
    pub pairs: u32,
    /// One direction only.
    pub one_way: bool,
}

/// Which nodes: those that fit, or some of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Who {
    /// How many of those that fit.
    pub choice: Choice,
    /// Only members of this group.
    pub group: Option<String>,
    /// Only nodes of this region.
    pub region: Option<String>,
    /// Only nodes of this kind.
    pub role: Role,
    /// Where it stands in the file.
    pub line: usize,
}

/// How many of the nodes that fit.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// All.
    All,
    /// These.
    Nodes(Vec<u32>),
    /// So many, drawn.
    Count(u32),
    /// This share, drawn, and at least one.
    Share(f64),
    /// All in so many racks, drawn; a rack is `size` nodes with neighbouring numbers.
    Racks {
        /// How many racks.
        count: u32,
        /// Nodes of a rack.
        size: u32,
    },
}

/// Kinds of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// All.
    Any,
    /// In more than one group.
    Reflector,
    /// In one group only.
    Member,
}

/// Faults drawn at random.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// What may break.
    pub kinds: Vec<ChaosKind>,
    /// The mean time from one fault to the next, exponential.
    pub every: Duration,
    /// The mean time until a fault mends, exponential.
    pub lasting: Duration,
    /// From when.
    pub from: Duration,
    /// Until when. Default half of the run, so that it can heal.
    pub until: Option<Duration>,
}

/// What can break at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "as the kinds of faults of these names, of one node each"
)]
pub enum ChaosKind {
    Crash,
    PowerOff,
    Stop,
    Slow,
    Partition,
    Cut,
}

const WHO: &[&str] = &[
    "nodes",
    "count",
    "share",
    "group",
    "region",
    "racks",
    "rack_size",
    "role",
];
const WHO_ALLOWED: &str =
    "allowed: `nodes`, `count`, `share` or `racks`, and `group`, `region` or `role` to choose from";
const PAUSE: Duration = Duration::from_millis(300);
const PAUSE_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Crash,
    PowerOff,
    Restart,
    Leave,
    Stop,
    Slow,
    Join,
    Partition,
    Cut,
    Links,
    Heal,
}

const NAMES: &[(&str, Name)] = &[
    ("crash", Name::Crash),
    ("power-off", Name::PowerOff),
    ("restart", Name::Restart),
    ("leave", Name::Leave),
    ("stop", Name::Stop),
    ("slow", Name::Slow),
    ("join", Name::Join),
    ("partition", Name::Partition),
    ("cut", Name::Cut),
    ("links", Name::Links),
    ("heal", Name::Heal),
];
const ROLES: &[(&str, Role)] = &[
    ("any", Role::Any),
    ("reflector", Role::Reflector),
    ("member", Role::Member),
];
const CHAOS: &[(&str, ChaosKind)] = &[
    ("crash", ChaosKind::Crash),
    ("power-off", ChaosKind::PowerOff),
    ("stop", ChaosKind::Stop),
    ("slow", ChaosKind::Slow),
    ("partition", ChaosKind::Partition),
    ("cut", ChaosKind::Cut),
];

pub(super) fn read(table: &Table<'_>) -> Result<Fault, ScenarioError> {
    let name = table.require_one_of("kind", NAMES)?;
    only(table, name)?;
    let kind = match name {
        Name::Crash => FaultKind::Crash(who(table)?),
        Name::PowerOff => FaultKind::PowerOff(who(table)?),
        Name::Restart => FaultKind::Restart(who(table)?),
        Name::Leave => FaultKind::Leave(who(table)?),
        Name::Stop => FaultKind::Stop(who(table)?),
        Name::Slow => slow(table)?,
        Name::Join => FaultKind::Join {
            who: who(table)?,
            spread: table.duration("spread")?.unwrap_or_default(),
        },
        Name::Partition => FaultKind::Partition {
            who: who(table)?,
            one_way: table.flag("one_way")?.unwrap_or(false),
        },
        Name::Cut => FaultKind::Cut(Cut {
            pairs: table.require_count("pairs", 1..=1_000_000)?,
            one_way: table.flag("one_way")?.unwrap_or(false),
        }),
        Name::Links => FaultKind::Links(underlay::link(table, LinkProfile::default())?),
        Name::Heal => FaultKind::Heal,
    };
    Ok(Fault {
        at: table.duration("at")?.unwrap_or_default(),
        lasting: table.period("lasting")?,
        kind,
        line: table.line(),
    })
}

pub(super) fn read_chaos(table: &Table<'_>) -> Result<Chaos, ScenarioError> {
    table.only(&["kinds", "every", "lasting", "from", "until"])?;
    let kinds = table.words("kinds", CHAOS)?;
    let kinds = kinds.unwrap_or_else(|| CHAOS.iter().map(|&(_, kind)| kind).collect());
    if kinds.is_empty() {
        return Err(table.wrong(
            "kinds",
            "`kinds` is empty",
            "name at least one, or leave it out",
        ));
    }
    Ok(Chaos {
        kinds,
        every: table.require_period("every")?,
        lasting: table.require_period("lasting")?,
        from: table.duration("from")?.unwrap_or_default(),
        until: table.period("until")?,
    })
}

fn only(table: &Table<'_>, name: Name) -> Result<(), ScenarioError> {
    let mut allowed = vec!["kind", "at"];
    match name {
        Name::Restart | Name::Heal => {}
        Name::Join => allowed.push("spread"),
        Name::Slow => allowed.extend(["lasting", "pause", "every"]),
        Name::Partition => allowed.extend(["lasting", "one_way"]),
        Name::Cut => allowed.extend(["lasting", "pairs", "one_way"]),
        Name::Links => {
            allowed.extend(["lasting", "latency", "jitter", "loss_percent", "bandwidth"]);
        }
        Name::Crash | Name::PowerOff | Name::Leave | Name::Stop => allowed.push("lasting"),
    }
    if !matches!(name, Name::Cut | Name::Links | Name::Heal) {
        allowed.extend(WHO);
    }
    table.only(&allowed)
}

fn slow(table: &Table<'_>) -> Result<FaultKind, ScenarioError> {
    let pause = table.period("pause")?.unwrap_or(PAUSE);
    let every = table.period("every")?.unwrap_or(PAUSE_EVERY);
    if pause >= every {
        let problem = format!("a pause of {pause:?} every {every:?}");
        return Err(table.wrong("pause", problem, "allowed: a pause shorter than `every`"));
    }
    Ok(FaultKind::Slow {
        who: who(table)?,
        pause,
        every,
    })
}

fn who(table: &Table<'_>) -> Result<Who, ScenarioError> {
    if !WHO.iter().any(|key| table.has(key)) {
        return Err(table.missing("count", WHO_ALLOWED));
    }
    let choices = ["nodes", "count", "share", "racks"];
    if choices.iter().filter(|key| table.has(key)).count() > 1 {
        let problem = "more than one of `nodes`, `count`, `share` and `racks`";
        return Err(ScenarioError::new(
            table.line(),
            problem,
            "allowed: one of them",
        ));
    }
    let max = u32::MAX;
    let choice = if let Some(nodes) = table.integers("nodes", 0..=u64::from(max))? {
        let nodes = nodes
            .into_iter()
            .map(|node| u32::try_from(node).unwrap_or(max));
        Choice::Nodes(nodes.collect())
    } else if let Some(count) = table.count("count", 1..=max)? {
        Choice::Count(count)
    } else if let Some(share) = table.number("share", 0.0..=1.0)? {
        Choice::Share(share)
    } else if let Some(count) = table.count("racks", 1..=max)? {
        let size = table.count("rack_size", 1..=100_000)?.unwrap_or(10);
        Choice::Racks { count, size }
    } else {
        Choice::All
    };
    Ok(Who {
        choice,
        group: table.text("group")?.map(str::to_owned),
        region: table.text("region")?.map(str::to_owned),
        role: table.one_of("role", ROLES)?.unwrap_or(Role::Any),
        line: table.line(),
    })
}
