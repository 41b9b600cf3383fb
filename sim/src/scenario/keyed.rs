//! `kind = "keyed"`: workers by their keys, asked at a rate, on the members of the first group.

use std::time::Duration;

use super::error::ScenarioError;
use super::reader::Table;

/// Requests to keyed workers. All members of the first group host them, those that start later
/// too; or all but some proxies, which then are the ones that ask.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyedLoad {
    /// When members begin to host.
    pub at: Duration,
    /// When requests begin, from `at` on. Default 2 s: by then hosts have agreed; with leases two of
    /// their lives more, since a service that nobody hosted runs after one and a tenth.
    pub warm: Duration,
    /// For how long requests are made.
    pub lasting: Duration,
    /// How many keys; every one is asked in turn, in a mixed order.
    pub keys: u64,
    /// Requests a second, of all entries together.
    pub rate: u32,
    /// Members that host nothing and are the only entries. Default 0: every member is an entry.
    pub proxies: u32,
    /// Bytes of each worker's state besides its counts. Default 0.
    pub state: usize,
    /// What a worker takes for a request. Default none.
    pub work: Duration,
    /// For each request, until it is given up. Default 5 s.
    pub patience: Duration,
    /// With leases of so long at every host, so that no key is active twice in a split either; the
    /// first three members of the group are its council then. 4 s suits most. Default none.
    pub lease: Option<Duration>,
    /// Where it stands in the file.
    pub line: usize,
}

const KEYS: &[&str] = &[
    "kind", "at", "warm", "lasting", "keys", "rate", "entry", "proxies", "state", "work",
    "patience", "lease",
];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Any,
    Proxy,
}

pub(super) fn read(table: &Table<'_>) -> Result<KeyedLoad, ScenarioError> {
    table.only(KEYS)?;
    let lease = table.period("lease")?;
    let warm = Duration::from_secs(2) + lease.unwrap_or_default() * 2;
    let state = table.integer("state", 0..=1_000_000)?.unwrap_or(0);
    Ok(KeyedLoad {
        at: table.duration("at")?.unwrap_or_default(),
        warm: table.duration("warm")?.unwrap_or(warm),
        lasting: table.require_period("lasting")?,
        keys: u64::from(table.require_count("keys", 1..=10_000_000)?),
        rate: table.require_count("rate", 1..=1_000_000)?,
        proxies: proxies(table)?,
        state: usize::try_from(state).unwrap_or(usize::MAX),
        work: table.duration("work")?.unwrap_or_default(),
        patience: table.period("patience")?.unwrap_or(Duration::from_secs(5)),
        lease,
        line: table.line(),
    })
}

fn proxies(table: &Table<'_>) -> Result<u32, ScenarioError> {
    let entries = [("any", Entry::Any), ("proxy", Entry::Proxy)];
    let entry = table.one_of("entry", &entries)?.unwrap_or(Entry::Any);
    let proxies = table.count("proxies", 1..=10_000)?;
    match (entry, proxies) {
        (Entry::Proxy, proxies) => Ok(proxies.unwrap_or(2)),
        (Entry::Any, None) => Ok(0),
        (Entry::Any, Some(_)) => Err(table.wrong(
            "proxies",
            "`proxies` where every member is an entry",
            "allowed: only with `entry = \"proxy\"`",
        )),
    }
}
