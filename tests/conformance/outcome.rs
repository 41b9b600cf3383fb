//! What a driver shows: everything by name, and nothing that depends on time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use archipelago::SessionKind;
use archipelago_sgroup::{DownReason, MemberInfo};

use crate::scenario::{Name, Plan, plans};

/// What a witness is told of a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    /// (member, group)
    Up(Name, Name),
    /// (member, group, reason)
    Down(Name, Name, String),
}

impl Told {
    pub(crate) fn down(member: Name, group: Name, reason: DownReason) -> Self {
        Self::Down(member, group, format!("{reason:?}"))
    }
}

/// A route as a reflector knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) group: Name,
    pub(crate) hops: u8,
    /// Without their order, which is by round trip and hash.
    pub(crate) next_hops: BTreeSet<Name>,
}

/// How things stand with the nodes that live.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Members of a group as a node in it sees them: (witness, group).
    pub(crate) members: BTreeMap<(Name, Name), BTreeSet<Name>>,
    /// Admitted sessions as the first of the two says: each shows twice.
    pub(crate) sessions: BTreeSet<(Name, Name, SessionKind)>,
    /// Numbers of messages in the order of their delivery: (from, to).
    pub(crate) delivered: BTreeMap<(Name, Name), Vec<u64>>,
    /// What each witness was told, itself left out.
    pub(crate) told: BTreeMap<Name, BTreeSet<Told>>,
    /// By reflector.
    pub(crate) routes: BTreeMap<Name, BTreeSet<Route>>,
    /// Who was refused: (node, group).
    pub(crate) refused: BTreeSet<(Name, Name)>,
}

/// The fields in which two outcomes differ, entry by entry.
pub(crate) fn difference(left: &Outcome, right: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    entries("members", &left.members, &right.members, &mut lines);
    entries("delivered", &left.delivered, &right.delivered, &mut lines);
    entries("told", &left.told, &right.told, &mut lines);
    entries("routes", &left.routes, &right.routes, &mut lines);
    set("sessions", &left.sessions, &right.sessions, &mut lines);
    set("refused", &left.refused, &right.refused, &mut lines);
    lines
}

fn entries<K: Ord + Debug, V: PartialEq + Debug>(
    field: &str,
    left: &BTreeMap<K, V>,
    right: &BTreeMap<K, V>,
    lines: &mut Vec<String>,
) {
    let keys: BTreeSet<&K> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let (left, right) = (left.get(key), right.get(key));
        if left != right {
            lines.push(format!("{field} {key:?}:\n  {left:?}\n  {right:?}"));
        }
    }
}

fn set<T: Ord + Debug>(
    field: &str,
    left: &BTreeSet<T>,
    right: &BTreeSet<T>,
    lines: &mut Vec<String>,
) {
    for only in left.difference(right) {
        lines.push(format!("{field}: {only:?} only in the first"));
    }
    for only in right.difference(left) {
        lines.push(format!("{field}: {only:?} only in the second"));
    }
}

/// Names for ids.
#[derive(Debug, Default)]
pub(crate) struct Names {
    nodes: BTreeMap<archipelago::NodeId, Name>,
    groups: BTreeMap<archipelago::GroupId, Name>,
}

impl Names {
    /// The groups of the scenario in `realm`, and no node yet.
    pub(crate) fn of_realm(realm: &str) -> Self {
        let groups = plans().flat_map(|plan| plan.groups);
        Self {
            nodes: BTreeMap::new(),
            groups: groups
                .map(|name| (archipelago::GroupId::new(realm, name), *name))
                .collect(),
        }
    }

    pub(crate) fn add(&mut self, id: archipelago::NodeId, plan: &Plan) {
        self.nodes.insert(id, plan.name);
    }

    pub(crate) fn node(&self, id: archipelago::NodeId) -> Name {
        self.nodes.get(&id).copied().unwrap_or("stranger")
    }

    pub(crate) fn group(&self, id: archipelago::GroupId) -> Name {
        self.groups.get(&id).copied().unwrap_or("unheard-of")
    }

    pub(crate) fn members(&self, members: &[MemberInfo]) -> BTreeSet<Name> {
        members
            .iter()
            .map(|member| self.node(member.node))
            .collect()
    }

    pub(crate) fn sessions(
        &self,
        witness: Name,
        sessions: Vec<archipelago::SessionInfo>,
    ) -> impl Iterator<Item = (Name, Name, SessionKind)> {
        let admitted = sessions
            .into_iter()
            .filter(|session| session.kind != SessionKind::Pending);
        admitted.map(move |session| (witness, self.node(session.peer), session.kind))
    }

    pub(crate) fn routes(&self, routes: Vec<archipelago::RouteInfo>) -> BTreeSet<Route> {
        let named = routes.into_iter().map(|route| Route {
            group: self.group(route.group),
            hops: route.hops,
            next_hops: route.next_hops.iter().map(|&id| self.node(id)).collect(),
        });
        named.collect()
    }
}
