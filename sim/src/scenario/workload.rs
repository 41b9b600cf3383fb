//! `[[workload]]`: who talks to whom, how much and when; who registers names; who groupcasts;
//! who asks keyed workers.
//!
//! `kind` says which of these a table is, and so which keys it may have.

use std::time::Duration;

use super::error::ScenarioError;
use super::keyed::{self, KeyedLoad};
use super::reader::Table;

/// One `[[workload]]`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Load {
    /// `kind = "messages"`, the default, and `kind = "calls"`.
    Messages(Workload),
    /// `kind = "names"`.
    Names(NameChurn),
    /// `kind = "groupcast"`.
    Groupcast(Groupcasts),
    /// `kind = "keyed"`.
    Keyed(KeyedLoad),
}

/// Members that register and unregister names of their own, as fast as they are answered.
#[derive(Clone, Debug, PartialEq)]
pub struct NameChurn {
    /// When they begin.
    pub at: Duration,
    /// For how long.
    pub lasting: Duration,
    /// Names of each member at once.
    pub workers: u32,
    /// Which part of all nodes does so, each in the first of its groups.
    pub share: f64,
    /// Where it stands in the file.
    pub line: usize,
}

/// Nodes that groupcast to the first of their groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Groupcasts {
    /// When the first begin.
    pub at: Duration,
    /// Senders begin spread over so much. Default none.
    pub spread: Duration,
    /// How many nodes send.
    pub senders: u32,
    /// Messages of each.
    pub messages: u32,
    /// Between two of them.
    pub every: Duration,
    /// Bytes of each.
    pub bytes: usize,
    /// Where it stands in the file.
    pub line: usize,
}

impl Load {
    /// When it begins, and where it stands in the file.
    pub const fn begins(&self) -> (Duration, usize) {
        match self {
            Self::Messages(load) => (load.at, load.line),
            Self::Names(load) => (load.at, load.line),
            Self::Groupcast(load) => (load.at, load.line),
            Self::Keyed(load) => (load.at, load.line),
        }
    }

    /// As messages, where it is such.
    pub const fn messages(&self) -> Option<&Workload> {
        match self {
            Self::Messages(load) => Some(load),
            Self::Names(_) | Self::Groupcast(_) | Self::Keyed(_) => None,
        }
    }
}

/// Pairs of nodes, each with a stream of messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// When the first pairs begin.
    pub at: Duration,
    /// Pairs begin spread over so much. Default none.
    pub spread: Duration,
    /// Which nodes talk.
    pub between: Between,
    /// How receivers are drawn.
    pub targets: Targets,
    /// How many pairs.
    pub pairs: u32,
    /// Messages of each pair, in each burst.
    pub messages: u64,
    /// Between two messages of a burst; none sends all at once.
    pub every: Duration,
    /// Bytes of each message.
    pub bytes: usize,
    /// Bytes of a body that each message carries besides: charged to the links, held nowhere.
    pub body: u64,
    /// Each message is a call with so long for its answer; none: a cast. Default none.
    pub deadline: Option<Duration>,
    /// How often the stream is repeated. Default 1.
    pub bursts: u32,
    /// Between the beginnings of two bursts.
    pub bursts_every: Duration,
    /// Where it stands in the file.
    pub line: usize,
}

/// Which nodes talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Nodes that share no group.
    Across,
    /// Nodes that share a group.
    Within,
    /// Whoever it falls on.
    Any,
}

/// How receivers are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Targets {
    /// All alike.
    Uniform,
    /// The k-th of an order drawn once, in proportion to k to the minus this.
    Zipf(f64),
}

/// Which load a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Messages,
    Calls,
    Names,
    Groupcast,
    Keyed,
}

const KINDS: &[(&str, Kind)] = &[
    ("messages", Kind::Messages),
    ("calls", Kind::Calls),
    ("names", Kind::Names),
    ("groupcast", Kind::Groupcast),
    ("keyed", Kind::Keyed),
];
const NAMES_KEYS: &[&str] = &["kind", "at", "lasting", "workers", "share"];
const GROUPCAST_KEYS: &[&str] = &[
    "kind", "at", "spread", "senders", "messages", "every", "bytes",
];
/// For the answer of a call of a file that says none.
const DEADLINE: Duration = Duration::from_secs(5);
/// Bytes that a groupcast needs to say when it was sent.
const GROUPCAST_BYTES_MIN: u64 = 8;
/// A megabyte: it goes by tree, and many copies of it still fit a machine's memory.
const GROUPCAST_BYTES_MAX: u64 = 1_000_000;

const KEYS: &[&str] = &[
    "kind",
    "at",
    "spread",
    "between",
    "targets",
    "exponent",
    "pairs",
    "messages",
    "every",
    "bytes",
    "body",
    "deadline",
    "bursts",
    "bursts_every",
];
const BETWEEN: &[(&str, Between)] = &[
    ("across", Between::Across),
    ("within", Between::Within),
    ("any", Between::Any),
];
/// Bytes that a message needs to say who sent it, which it is and when.
const BYTES_MIN: u64 = 24;
/// As the library's own limit.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A terabyte: it only takes time.
const BODY_MAX: u64 = 1_000_000_000_000;

pub(super) fn read(table: &Table<'_>) -> Result<Load, ScenarioError> {
    let kind = table.one_of("kind", KINDS)?.unwrap_or(Kind::Messages);
    Ok(match kind {
        Kind::Messages => Load::Messages(read_messages(table)?),
        Kind::Calls => {
            let calls = read_messages(table)?;
            let deadline = calls.deadline.or(Some(DEADLINE));
            Load::Messages(Workload { deadline, ..calls })
        }
        Kind::Names => Load::Names(read_names(table)?),
        Kind::Groupcast => Load::Groupcast(read_groupcasts(table)?),
        Kind::Keyed => Load::Keyed(keyed::read(table)?),
    })
}

fn read_names(table: &Table<'_>) -> Result<NameChurn, ScenarioError> {
    table.only(NAMES_KEYS)?;
    Ok(NameChurn {
        at: table.duration("at")?.unwrap_or_default(),
        lasting: table.require_period("lasting")?,
        workers: table.count("workers", 1..=10_000)?.unwrap_or(1),
        share: table.number("share", 0.000_001..=1.0)?.unwrap_or(1.0),
        line: table.line(),
    })
}

fn read_groupcasts(table: &Table<'_>) -> Result<Groupcasts, ScenarioError> {
    table.only(GROUPCAST_KEYS)?;
    let bytes = table.integer("bytes", GROUPCAST_BYTES_MIN..=GROUPCAST_BYTES_MAX)?;
    Ok(Groupcasts {
        at: table.duration("at")?.unwrap_or_default(),
        spread: table.duration("spread")?.unwrap_or_default(),
        senders: table.require_count("senders", 1..=1_000_000)?,
        messages: table.count("messages", 1..=1_000_000)?.unwrap_or(10),
        every: table.period("every")?.unwrap_or(Duration::from_millis(100)),
        bytes: usize::try_from(bytes.unwrap_or(200)).unwrap_or(usize::MAX),
        line: table.line(),
    })
}

fn read_messages(table: &Table<'_>) -> Result<Workload, ScenarioError> {
    table.only(KEYS)?;
    let bursts = table.count("bursts", 1..=100_000)?.unwrap_or(1);
    let bursts_every = table.period("bursts_every")?;
    if bursts > 1 && bursts_every.is_none() {
        return Err(table.missing("bursts_every", "allowed: the time between two bursts"));
    }
    let bytes = table
        .integer("bytes", BYTES_MIN..=BYTES_MAX)?
        .unwrap_or(200);
    Ok(Workload {
        at: table.duration("at")?.unwrap_or_default(),
        spread: table.duration("spread")?.unwrap_or_default(),
        between: table.one_of("between", BETWEEN)?.unwrap_or(Between::Across),
        targets: targets(table)?,
        pairs: table.require_count("pairs", 1..=10_000_000)?,
        messages: table.integer("messages", 1..=1_000_000_000)?.unwrap_or(10),
        every: table
            .duration("every")?
            .unwrap_or(Duration::from_millis(100)),
        bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        body: table.integer("body", 1..=BODY_MAX)?.unwrap_or(0),
        deadline: table.period("deadline")?,
        bursts,
        bursts_every: bursts_every.unwrap_or_default(),
        line: table.line(),
    })
}

fn targets(table: &Table<'_>) -> Result<Targets, ScenarioError> {
    let exponent = table.number("exponent", 0.01..=5.0)?;
    let is_zipf = table
        .one_of("targets", &[("uniform", false), ("zipf", true)])?
        .unwrap_or(false);
    match (is_zipf, exponent) {
        (true, exponent) => Ok(Targets::Zipf(exponent.unwrap_or(1.0))),
        (false, None) => Ok(Targets::Uniform),
        (false, Some(_)) => Err(table.wrong(
            "exponent",
            "`exponent` without Zipf's law",
            "allowed: only with `targets = \"zipf\"`",
        )),
    }
}
