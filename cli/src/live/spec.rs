//! A group of a plan as one of its nodes is told of it, also by another process.

use archipelago::{GroupSpec, NodeId};
use serde::{Deserialize, Serialize};

use super::pins::Pins;
use crate::cluster::Plan;

/// A group to join, its parents within.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) name: String,
    /// `None` for an open group.
    pub(crate) cookie: Option<String>,
    /// Addresses of members.
    pub(crate) seeds: Vec<String>,
    pub(crate) tier: u8,
    /// Nodes that join the parents; empty where there are none.
    pub(crate) pinned: Vec<NodeId>,
    pub(crate) parents: Vec<Told>,
    /// Most members; `None` for the default.
    pub(crate) members_max: Option<u32>,
}

impl Told {
    /// The group with this index; `seeds` are the addresses of members of any group.
    pub(crate) fn of(
        plan: &Plan,
        group: usize,
        pins: &Pins,
        seeds: &dyn Fn(usize) -> Vec<String>,
    ) -> Self {
        let planned = &plan.groups[group];
        let leads = !planned.parents.is_empty();
        let pinned = planned.reflectors.iter().filter(|_| leads);
        let parents = planned.parents.iter();
        Self {
            name: planned.name.clone(),
            cookie: planned.cookie.clone(),
            seeds: seeds(group),
            tier: planned.tier,
            pinned: pinned.filter_map(|&node| pins.id(node)).collect(),
            parents: parents
                .map(|&parent| Self::of(plan, parent, pins, seeds))
                .collect(),
            members_max: None,
        }
    }

    /// An open group of the lowest tier.
    pub(crate) fn open(name: &str, seeds: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            cookie: None,
            seeds,
            tier: 0,
            pinned: Vec::new(),
            parents: Vec::new(),
            members_max: None,
        }
    }
}

impl From<Told> for GroupSpec {
    fn from(told: Told) -> Self {
        let spec = match &told.cookie {
            Some(cookie) => Self::with_cookie(&told.name, cookie),
            None => Self::open(&told.name),
        };
        let seeds = told.seeds.iter().map(String::as_str);
        let mut spec = seeds.fold(spec, Self::seed).tier(told.tier);
        if let Some(members) = told.members_max {
            spec = spec.members_max(members);
        }
        if !told.pinned.is_empty() {
            let count = u8::try_from(told.pinned.len()).unwrap_or(u8::MAX);
            spec = told
                .pinned
                .into_iter()
                .fold(spec.reflectors(count), Self::pinned);
        }
        let parents = told.parents.into_iter().map(Self::from);
        parents.fold(spec, Self::parent)
    }
}
