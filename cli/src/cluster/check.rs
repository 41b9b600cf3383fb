//! Turns what was written into a plan, or says what is wrong with it and how to mend it.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::error::Complaint;
use super::file::{ClusterFile, GroupTable, NodeTable};
use super::{ClusterError, Plan, PlannedGroup, PlannedNode};

/// Most parents of one group.
const PARENTS_MAX: usize = 4;

/// Most members of a group that join its parents.
const REFLECTORS_MAX: usize = 8;

/// Most live nodes of one cluster on a machine: two descriptors per loopback connection.
const NODES_MAX: usize = 10_000;

/// Most nodes of a plan that is only looked at or simulated.
const PLANNED_MAX: usize = 1_000_000;

/// Whether so many nodes, groups and reflectors make a cluster.
pub(super) fn regular(nodes: usize, groups: usize, reflectors: usize) -> Result<(), ClusterError> {
    let refuse = |problem: String, remedy: &str| {
        Err(ClusterError::Numbers {
            problem,
            remedy: remedy.to_owned(),
        })
    };
    if groups == 0 {
        return refuse("a cluster of no groups".to_owned(), "ask for at least one");
    }
    if nodes > PLANNED_MAX {
        return refuse(format!("{nodes} nodes"), "ask for at most 1000000");
    }
    let smallest = nodes / groups;
    if smallest < 2 {
        return refuse(
            format!("{nodes} nodes in {groups} groups leave a group with {smallest}"),
            "give every group at least two: more nodes or fewer groups",
        );
    }
    if groups > 1 && (reflectors == 0 || reflectors > smallest) {
        return refuse(
            format!("{reflectors} reflectors for groups of {smallest}"),
            "give every group at least one and at most as many as it has members",
        );
    }
    Ok(())
}

/// Whether so many nodes can live on one machine.
pub(super) fn live(nodes: usize) -> Result<(), ClusterError> {
    if nodes <= NODES_MAX {
        return Ok(());
    }
    Err(ClusterError::Numbers {
        problem: format!("{nodes} live nodes"),
        remedy: "one machine takes at most 10000: ask for fewer, or simulate them".to_owned(),
    })
}

/// Whether so many groups and reflectors make so many tiers.
pub(super) fn tiers(groups: usize, reflectors: usize, tiers: usize) -> Result<(), ClusterError> {
    let refuse = |problem: String, remedy: &str| {
        Err(ClusterError::Numbers {
            problem,
            remedy: remedy.to_owned(),
        })
    };
    if reflectors > REFLECTORS_MAX {
        return refuse(
            format!("{reflectors} reflectors of each group"),
            "at most 8 join a parent: ask for fewer",
        );
    }
    if !(2..=8).contains(&tiers) || groups < 1 << (tiers - 1) {
        return refuse(
            format!("{tiers} tiers over {groups} groups"),
            "ask for 2 to 8 tiers, and twice as many groups for each one more",
        );
    }
    Ok(())
}

/// The plan that `file` describes.
pub(super) fn file(file: &ClusterFile) -> Result<Plan, Complaint> {
    realm(&file.realm)?;
    let mut plan = Plan {
        realm: file.realm.get_ref().clone(),
        groups: Vec::new(),
        nodes: Vec::new(),
    };
    for (name, table) in &file.groups {
        plan.groups.push(group(name, table)?);
    }
    let (mut copies, mut names) = (BTreeMap::new(), BTreeSet::new());
    for (name, table) in &file.nodes {
        let first = plan.nodes.len();
        nodes(&mut plan, &mut names, name, table)?;
        copies.insert(name.get_ref().clone(), first..plan.nodes.len());
    }
    for (index, table) in file.groups.values().enumerate() {
        parents(&mut plan, index, table)?;
    }
    // From the bottom up: who reflects below is a member above.
    let mut order: Vec<usize> = (0..plan.groups.len()).collect();
    order.sort_by_key(|&index| plan.groups[index].tier);
    for index in order {
        let Some((name, table)) = file.groups.get_index(index) else {
            continue;
        };
        plan.fill(index);
        populated(&plan, index, name)?;
        for reflector in &table.reflectors {
            reflect(&mut plan, index, reflector, &copies)?;
        }
        leads_up(&plan, index, name)?;
    }
    bridged(&plan, file)?;
    Ok(plan)
}

pub(super) fn realm(realm: &Spanned<String>) -> Result<(), Complaint> {
    named("realm", realm, 64)
}

fn named(what: &str, name: &Spanned<String>, bytes_max: usize) -> Result<(), Complaint> {
    let text = name.get_ref();
    if text.is_empty() || text.len() > bytes_max || text.chars().any(char::is_control) {
        return Err(Complaint::at(
            name.span().start,
            format!("{what} {text:?} is not a name"),
            format!("give it 1 to {bytes_max} bytes without control characters"),
        ));
    }
    Ok(())
}

fn group(name: &Spanned<String>, table: &GroupTable) -> Result<PlannedGroup, Complaint> {
    named("group", name, 255)?;
    let text = name.get_ref();
    let what = format!("group {text:?}");
    let cookie = table
        .cookie
        .as_ref()
        .map(|cookie| cookie.get_ref().as_str());
    let cookie = secret(name.span().start, &what, cookie, table.open)?;
    Ok(PlannedGroup {
        name: text.clone(),
        cookie: cookie.map(str::to_owned),
        members: Vec::new(),
        reflectors: Vec::new(),
        tier: table.tier.as_ref().map_or(0, |tier| *tier.get_ref()),
        parents: Vec::new(),
        kept_at: None,
    })
}

/// The cookie of what stands at `offset`; none where it is open, and one of the two there must be.
pub(super) fn secret<'a>(
    offset: usize,
    what: &str,
    cookie: Option<&'a str>,
    is_open: bool,
) -> Result<Option<&'a str>, Complaint> {
    let complain = |problem: String, remedy: &str| Err(Complaint::at(offset, problem, remedy));
    match (cookie, is_open) {
        (None, false) => complain(
            format!("{what} has no cookie"),
            "give it `cookie = \"…\"`, or `open = true` for a local experiment",
        ),
        (Some(_), true) => complain(
            format!("{what} is open and has a cookie"),
            "keep one of the two",
        ),
        (Some(""), false) => complain(
            format!("the cookie of {what} is empty"),
            "write a secret, or `open = true` for a local experiment",
        ),
        (cookie, _) => Ok(cookie),
    }
}

/// Parents exist, stand higher, and are few.
fn parents(plan: &mut Plan, group: usize, table: &GroupTable) -> Result<(), Complaint> {
    for parent in &table.parents {
        let text = parent.get_ref();
        let complain = |problem: String, remedy: String| {
            Err(Complaint::at(parent.span().start, problem, remedy))
        };
        let found = plan.groups.iter().position(|group| group.name == *text);
        let Some(above) = found else {
            let remedy = format!("add `[groups.{text}]`, or name one of {}", known(plan));
            return complain(format!("there is no group {text:?}"), remedy);
        };
        let (child, tier) = (&plan.groups[group], plan.groups[above].tier);
        if tier <= child.tier {
            return complain(
                format!(
                    "group {:?} of tier {} has the parent {text:?} of tier {tier}",
                    child.name, child.tier
                ),
                format!(
                    "give {text:?} `tier = {}` or more",
                    child.tier.saturating_add(1)
                ),
            );
        }
        if child.parents.contains(&above) || child.parents.len() >= PARENTS_MAX {
            return complain(
                format!("group {:?} names the parent {text:?} too often", child.name),
                format!("name each parent once, and at most {PARENTS_MAX}"),
            );
        }
        plan.groups[group].parents.push(above);
    }
    Ok(())
}

/// A group with parents says who joins them.
fn leads_up(plan: &Plan, group: usize, name: &Spanned<String>) -> Result<(), Complaint> {
    let planned = &plan.groups[group];
    let count = planned.reflectors.len();
    if planned.parents.is_empty() || (1..=REFLECTORS_MAX).contains(&count) {
        return Ok(());
    }
    Err(Complaint::at(
        name.span().start,
        format!(
            "group {:?} has parents and {count} reflectors",
            name.get_ref()
        ),
        format!(
            "name 1 to {REFLECTORS_MAX} of its nodes under `reflectors`: they join the parents"
        ),
    ))
}

fn nodes(
    plan: &mut Plan,
    names: &mut BTreeSet<String>,
    name: &Spanned<String>,
    table: &NodeTable,
) -> Result<(), Complaint> {
    let groups = memberships(plan, name, table)?;
    for name in copies(name, table.count.as_ref(), names)? {
        let node = plan.nodes.len();
        for &group in &groups {
            plan.groups[group].members.push(node);
        }
        plan.nodes.push(PlannedNode {
            name,
            groups: groups.clone(),
            is_reflector: false,
            attributes: BTreeMap::new(),
        });
    }
    Ok(())
}

/// The names of a node, or of its copies, beside those that are `taken`, to which they come. They
/// are names of files as well.
pub(super) fn copies(
    name: &Spanned<String>,
    count: Option<&Spanned<usize>>,
    taken: &mut BTreeSet<String>,
) -> Result<Vec<String>, Complaint> {
    named("node", name, 48)?;
    let text = name.get_ref();
    if text.contains('/') {
        return Err(Complaint::at(
            name.span().start,
            format!("node {text:?} has a slash in its name"),
            "name it without: its files are named after it",
        ));
    }
    let copies = count.map_or(1, |count| *count.get_ref());
    if copies == 0 || copies > NODES_MAX.saturating_sub(taken.len()) {
        let place = count.map_or(name.span(), Spanned::span);
        return Err(Complaint::at(
            place.start,
            format!("{copies} copies of node {:?}", name.get_ref()),
            format!("ask for at least 1, and at most {NODES_MAX} nodes in all"),
        ));
    }
    let names: Vec<String> = match count {
        Some(_) => (1..=copies).map(|copy| format!("{text}-{copy}")).collect(),
        None => vec![text.clone()],
    };
    match names.iter().find(|&name| !taken.insert(name.clone())) {
        None => Ok(names),
        Some(twice) => Err(Complaint::at(
            name.span().start,
            format!("two nodes are named {twice:?}"),
            "copies are named after their node and numbered: rename one of the two",
        )),
    }
}

fn memberships(
    plan: &Plan,
    name: &Spanned<String>,
    table: &NodeTable,
) -> Result<Vec<usize>, Complaint> {
    let mut groups = Vec::with_capacity(table.groups.len());
    for wanted in &table.groups {
        let found = plan
            .groups
            .iter()
            .position(|group| group.name == *wanted.get_ref());
        match found {
            Some(group) if !groups.contains(&group) => groups.push(group),
            Some(_) => {
                return Err(Complaint::at(
                    wanted.span().start,
                    format!(
                        "node {:?} names group {:?} twice",
                        name.get_ref(),
                        wanted.get_ref()
                    ),
                    "name it once",
                ));
            }
            None => {
                return Err(Complaint::at(
                    wanted.span().start,
                    format!("there is no group {:?}", wanted.get_ref()),
                    format!(
                        "add `[groups.{}]`, or name one of {}",
                        wanted.get_ref(),
                        known(plan)
                    ),
                ));
            }
        }
    }
    if groups.is_empty() {
        return Err(Complaint::at(
            name.span().start,
            format!("node {:?} is in no group", name.get_ref()),
            "name at least one under `groups`",
        ));
    }
    Ok(groups)
}

fn known(plan: &Plan) -> String {
    let names: Vec<_> = plan
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    names.join(", ")
}

fn populated(plan: &Plan, group: usize, name: &Spanned<String>) -> Result<(), Complaint> {
    if plan.groups[group].members.len() < 2 {
        return Err(Complaint::at(
            name.span().start,
            format!("group {:?} has fewer than two nodes", name.get_ref()),
            "name it under `groups` of more nodes, or take it out",
        ));
    }
    Ok(())
}

fn reflect(
    plan: &mut Plan,
    group: usize,
    reflector: &Spanned<String>,
    copies: &BTreeMap<String, std::ops::Range<usize>>,
) -> Result<(), Complaint> {
    let text = reflector.get_ref();
    let complain = |problem: String, remedy: String| {
        Err(Complaint::at(reflector.span().start, problem, remedy))
    };
    let range = match copies.get(text) {
        Some(range) => range.clone(),
        None => match plan.nodes.iter().position(|node| node.name == *text) {
            Some(node) => node..node + 1,
            None => {
                return complain(
                    format!("there is no node {text:?}"),
                    format!("add `[nodes.{text}]`, or take it out of `reflectors`"),
                );
            }
        },
    };
    for node in range {
        let name = plan.groups[group].name.clone();
        let planned = &mut plan.nodes[node];
        if !planned.groups.contains(&group) {
            return complain(
                format!("reflector {text:?} is not in group {name:?}"),
                format!("add {name:?} to its `groups`"),
            );
        }
        let leads_up = !plan.groups[group].parents.is_empty();
        if planned.groups.len() < 2 && !leads_up {
            return complain(
                format!("reflector {text:?} is in one group only"),
                "a reflector bridges groups: put it in another one as well".to_owned(),
            );
        }
        planned.is_reflector = true;
        plan.groups[group].reflectors.push(node);
    }
    Ok(())
}

/// Every group must be reachable from the first one over nodes that reflect for both sides.
fn bridged(plan: &Plan, file: &ClusterFile) -> Result<(), Complaint> {
    let reached = plan.bridged(&BTreeSet::new());
    let stranded = (0..plan.groups.len()).find(|group| !reached.contains(group));
    let Some((name, _)) = stranded.and_then(|group| file.groups.get_index(group)) else {
        return Ok(());
    };
    Err(Complaint::at(
        name.span().start,
        format!(
            "nobody bridges group {:?} to group {:?}",
            name.get_ref(),
            plan.groups[0].name
        ),
        "put a node in both this group and a bridged one, and name it under `reflectors` of both",
    ))
}

#[cfg(test)]
mod tests;
