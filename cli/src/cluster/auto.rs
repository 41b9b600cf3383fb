//! A cluster file that says who the nodes are and leaves the groups to the program.
//!
//! ```toml
//! realm = "fleet"
//! groups = "auto"
//!
//! [auto]
//! size = 20                                # members of a group; a half to three halves pass
//!                                          # or: size = { min = 10, max = 30 }
//! by = ["region", "zone", "rack"]          # what keeps nodes together, the widest first
//! keep = true                              # groups split and merge by themselves while they run
//! cookie = "the secret of all its groups"  # or: open = true
//! underlay.latency.matrix.files = ["round-trips.txt"]   # as a scenario has it; may be left out
//!
//! [nodes.eu]                               # eu-1 to eu-40
//! count = 40
//! attributes = { region = "eu", zone = "a" }
//! ```
//! With an underlay, a node is at the site that its attribute `at` (default the first of `by`)
//! names, and round-trip times decide where labels do not. With `keep`, the plan is how the cluster
//! begins; every node can lead up then, since nobody knows who will have to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use archipelago_router::grouping::{self, Candidate, Grouped, Wish, WishError};
use archipelago_sim::underlay::{Underlay, UnderlayConfig};
use indexmap::IndexMap;
use serde::Deserialize;
use toml::Spanned;

use super::error::Complaint;
use super::size::Size;
use super::{KeptAt, Plan, PlannedGroup, PlannedNode, check};

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AutoFile {
    realm: Spanned<String>,
    groups: Spanned<String>,
    auto: Spanned<AutoTable>,
    nodes: IndexMap<Spanned<String>, AutoNode>,
}

/// `[auto]`: what groups are wished for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AutoTable {
    size: Option<Spanned<Size>>,
    reflectors: Option<usize>,
    parent_size: Option<usize>,
    #[serde(default = "by")]
    by: Vec<String>,
    /// Groups keep themselves in size while they run.
    #[serde(default)]
    keep: bool,
    cookie: Option<String>,
    #[serde(default)]
    open: bool,
    underlay: Option<UnderlayConfig>,
    at: Option<String>,
}

/// One `[nodes.NAME]`; with a count it stands for NAME-1, NAME-2 and so on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AutoNode {
    count: Option<Spanned<usize>>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

fn by() -> Vec<String> {
    ["region", "zone", "rack"].map(str::to_owned).to_vec()
}

/// What the groups were made from, for those who want to look at it.
#[derive(Debug)]
pub(crate) struct Grounds {
    pub(crate) wish: Wish,
    pub(crate) candidates: Vec<Candidate>,
    /// One-way latencies between sites, and the site of each node.
    pub(crate) underlay: Option<(Underlay, Vec<u32>)>,
}

impl Grounds {
    /// Between two nodes, there and back, in microseconds; 0 where nothing is known.
    pub(crate) fn round_trip_us(&self, one: usize, other: usize) -> u64 {
        let Some((underlay, sites)) = &self.underlay else {
            return 0;
        };
        let there = underlay.site_latency(sites[one], sites[other]);
        let back = underlay.site_latency(sites[other], sites[one]);
        u64::try_from((there + back).as_micros()).unwrap_or(u64::MAX)
    }

    /// The groups that the wish asks for.
    pub(crate) fn groups(&self) -> Result<Vec<Grouped>, grouping::WishError> {
        let between = |one: usize, other: usize| self.round_trip_us(one, other);
        grouping::plan(&self.candidates, &self.wish, &between)
    }
}

/// Whether a cluster file leaves its groups to the program.
pub(super) fn is_auto(text: &str) -> bool {
    let table: Result<toml::Table, _> = toml::from_str(text);
    table.is_ok_and(|table| table.get("groups").is_some_and(toml::Value::is_str))
}

/// The plan that `file` asks for, and what it was made from; files are sought in `folder`.
pub(super) fn plan(file: &AutoFile, folder: &Path) -> Result<(Plan, Grounds), Complaint> {
    check::realm(&file.realm)?;
    if file.groups.get_ref() != "auto" {
        return Err(Complaint::at(
            file.groups.span().start,
            format!("groups are {:?}", file.groups.get_ref()),
            "write `groups = \"auto\"`, or a table `[groups.NAME]` for each",
        ));
    }
    let start = file.auto.span().start;
    let table = file.auto.get_ref();
    let cookie = check::secret(
        start,
        "groups = \"auto\"",
        table.cookie.as_deref(),
        table.open,
    )?;
    let grounds = grounds(file, folder)?;
    let groups = grounds.groups();
    let groups = groups.map_err(|error| refused(table, start, &error))?;
    let mut plan = Plan {
        realm: file.realm.get_ref().clone(),
        groups: groups.iter().map(|it| planned(it, cookie)).collect(),
        nodes: nodes(&file.nodes)?,
    };
    if table.keep {
        keep(&mut plan, &grounds.wish, &table.by);
    }
    for (place, group) in plan.groups.iter().enumerate() {
        for &member in &group.members {
            plan.nodes[member].groups.push(place);
        }
        for &reflector in &group.reflectors {
            plan.nodes[reflector].is_reflector = true;
        }
    }
    Ok((plan, grounds))
}

/// A wish that no plan fulfils, at the line that says it.
fn refused(table: &AutoTable, start: usize, error: &WishError) -> Complaint {
    let size = table.size.as_ref().map(|size| size.span().start);
    let (at, remedy) = match error {
        WishError::Size(_) | WishError::Span { .. } => (size, "mend `size`"),
        _ => (None, "mend `[auto]`"),
    };
    Complaint::at(at.unwrap_or(start), error.to_string(), remedy)
}

fn planned(group: &Grouped, cookie: Option<&str>) -> PlannedGroup {
    PlannedGroup {
        name: group.name.clone(),
        cookie: cookie.map(str::to_owned),
        members: group.members.clone(),
        reflectors: group.reflectors.clone(),
        tier: group.tier,
        parents: group.parent.into_iter().collect(),
        kept_at: None,
    }
}

/// The lowest groups keep themselves at what was wished for; whoever may have to lead up can.
fn keep(plan: &mut Plan, wish: &Wish, by: &[String]) {
    let number = |members: usize| u32::try_from(members).unwrap_or(u32::MAX);
    let kept_at = KeptAt {
        members: number(wish.size),
        span: wish.span.map(|(min, max)| (number(min), number(max))),
        parent_members: number(wish.parent_size),
        by: by.to_vec(),
    };
    for group in plan.groups.iter_mut().filter(|group| group.tier == 0) {
        group.kept_at = Some(kept_at.clone());
    }
    for node in &mut plan.nodes {
        node.is_reflector = true;
    }
}

fn nodes(all: &IndexMap<Spanned<String>, AutoNode>) -> Result<Vec<PlannedNode>, Complaint> {
    let (mut nodes, mut taken) = (Vec::new(), BTreeSet::new());
    for (name, node) in all {
        let names = check::copies(name, node.count.as_ref(), &mut taken)?;
        nodes.extend(names.into_iter().map(|name| PlannedNode {
            name,
            groups: Vec::new(),
            is_reflector: false,
            attributes: node.attributes.clone(),
        }));
    }
    Ok(nodes)
}

fn grounds(file: &AutoFile, folder: &Path) -> Result<Grounds, Complaint> {
    let table = file.auto.get_ref();
    let size = table.size.as_ref().map(Spanned::get_ref);
    let mut wish = size.map_or(Wish::of(20), Size::wish);
    wish.reflectors = table.reflectors.unwrap_or(wish.reflectors);
    wish.parent_size = table.parent_size.unwrap_or(wish.parent_size);
    let start = file.auto.span().start;
    let underlay = table.underlay.as_ref().map(|it| it.build(0, folder));
    let underlay = underlay.transpose().map_err(|error| {
        Complaint::at(start, error.to_string(), "mend `underlay`, or leave it out")
    })?;
    let at = table.at.as_ref().or_else(|| table.by.first());
    let (mut candidates, mut sites) = (Vec::new(), Vec::new());
    for (name, node) in &file.nodes {
        let label = |key: &String| node.attributes.get(key).cloned().unwrap_or_default();
        let candidate = Candidate {
            labels: table.by.iter().map(label).collect(),
        };
        let count = node.count.as_ref().map_or(1, |count| *count.get_ref());
        if let Some(underlay) = &underlay {
            let site = site(underlay, at, name, node)?;
            sites.extend(std::iter::repeat_n(site, count));
        }
        candidates.extend(std::iter::repeat_n(candidate, count));
    }
    Ok(Grounds {
        wish,
        candidates,
        underlay: underlay.map(|underlay| (underlay, sites)),
    })
}

/// The place of the site that a node says it is at.
fn site(
    underlay: &Underlay,
    at: Option<&String>,
    name: &Spanned<String>,
    node: &AutoNode,
) -> Result<u32, Complaint> {
    let wanted = at.and_then(|at| node.attributes.get(at));
    let found = underlay
        .sites()
        .iter()
        .zip(0..)
        .find(|(site, _)| Some(&site.name) == wanted);
    found.map(|(_, place)| place).ok_or_else(|| {
        let known = underlay.sites().iter().map(|site| site.name.as_str());
        let known: Vec<&str> = known.take(8).collect();
        let key = at.map_or("at", String::as_str);
        Complaint::at(
            name.span().start,
            format!("node {:?} is at no site of the underlay", name.get_ref()),
            format!(
                "give it the attribute `{key}`, one of {} …",
                known.join(", ")
            ),
        )
    })
}
