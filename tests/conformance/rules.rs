//! What must come out, from simple sentences; knows nothing of protocols.
//!
//! - Who starts and knows the cookie is a member; who does not is refused and sees nobody.
//! - Every pair of members has a session, and sees each other; each was told of each other, once.
//! - Messages arrive in order. More than two open a session, which closes when idle.
//! - Who leaves is `Left` to the others and sees them no more; who is killed is `Dead`.
//! - A reflector reaches its own groups at no hop, others over the nearest reflectors.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use archipelago::{DownReason, SessionKind};

use crate::driver::Driver;
use crate::outcome::{Outcome, Route, Told};
use crate::scenario::{Name, Plan};

/// Messages to a far node that open no session.
const RELAYED_MAX: usize = 2;

/// The sentences above.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// Living nodes and the groups that they are in.
    groups: BTreeMap<Name, Vec<Name>>,
    reflectors: BTreeSet<Name>,
    delivered: BTreeMap<(Name, Name), Vec<u64>>,
    direct: BTreeSet<(Name, Name)>,
    told: BTreeMap<Name, BTreeSet<Told>>,
    refused: BTreeSet<(Name, Name)>,
}

impl Rules {
    fn is_in(&self, node: Name, group: Name) -> bool {
        let groups = self.groups.get(node);
        groups.is_some_and(|groups| groups.contains(&group)) && !self.is_refused(node, group)
    }

    fn is_refused(&self, node: Name, group: Name) -> bool {
        self.refused.contains(&(node, group))
    }

    fn members(&self, group: Name) -> Vec<Name> {
        let nodes = self.groups.keys().copied();
        nodes.filter(|node| self.is_in(node, group)).collect()
    }

    fn share_a_group(&self, one: Name, other: Name) -> bool {
        let groups = self.groups.get(one).into_iter().flatten();
        let mut shared = groups.filter(|group| self.is_in(one, group));
        shared.any(|group| self.is_in(other, group))
    }

    fn tell(&mut self, witness: Name, what: Told) {
        self.told.entry(witness).or_default().insert(what);
    }

    fn tell_down(&mut self, node: Name, group: Name, reason: DownReason) {
        for member in self.members(group) {
            if member != node {
                self.tell(member, Told::down(node, group, reason));
            }
        }
    }

    fn sessions(&self) -> BTreeSet<(Name, Name, SessionKind)> {
        let nodes = || self.groups.keys().copied();
        let pairs = nodes().flat_map(|one| nodes().map(move |other| (one, other)));
        let in_groups = pairs
            .filter(|(one, other)| one != other && self.share_a_group(one, other))
            .map(|(one, other)| (one, other, SessionKind::Group));
        let on_demand = self
            .direct
            .iter()
            .flat_map(|&(one, other)| [(one, other), (other, one)])
            .map(|(one, other)| (one, other, SessionKind::OnDemand));
        in_groups.chain(on_demand).collect()
    }

    fn routes_of(&self, node: Name) -> BTreeSet<Route> {
        let groups: BTreeSet<Name> = self.groups.values().flatten().copied().collect();
        let routes = groups.into_iter().filter_map(|group| {
            let hops = self.distance(node, group, &[])?;
            let neighbours = self.neighbours(node).into_iter();
            let is_next = |other: &Name| match hops {
                0 => self.is_in(other, group),
                _ => self.distance(other, group, &[node]) == Some(hops - 1),
            };
            Some(Route {
                group,
                hops,
                next_hops: neighbours.filter(is_next).collect(),
            })
        });
        routes.collect()
    }

    fn neighbours(&self, node: Name) -> Vec<Name> {
        let others = self.reflectors.iter().copied();
        others
            .filter(|other| *other != node && self.share_a_group(node, other))
            .collect()
    }

    /// How many reflectors lie between a reflector and a group.
    fn distance(&self, node: Name, group: Name, passed: &[Name]) -> Option<u8> {
        if self.is_in(node, group) {
            return Some(0);
        }
        let passed: Vec<Name> = passed.iter().copied().chain([node]).collect();
        let neighbours = self.neighbours(node).into_iter();
        let further = neighbours.filter(|other| !passed.contains(other));
        let least = further
            .filter_map(|other| self.distance(other, group, &passed))
            .min();
        least.map(|hops| hops + 1)
    }
}

impl Driver for Rules {
    fn start(&mut self, plan: &Plan) {
        self.groups.insert(plan.name, plan.groups.to_vec());
        self.told.entry(plan.name).or_default();
        if plan.is_reflector() {
            self.reflectors.insert(plan.name);
        }
        for &group in plan.groups {
            if !plan.knows_cookie {
                self.refused.insert((plan.name, group));
                continue;
            }
            for member in self.members(group) {
                if member != plan.name {
                    self.tell(member, Told::Up(plan.name, group));
                    self.tell(plan.name, Told::Up(member, group));
                }
            }
        }
    }

    fn send(&mut self, from: Name, to: Name, numbers: Range<u64>) {
        let delivered = self.delivered.entry((from, to)).or_default();
        delivered.extend(numbers);
        if delivered.len() > RELAYED_MAX {
            self.direct.insert((from, to));
        }
    }

    fn idle(&mut self) {
        self.direct.clear();
    }

    fn leave(&mut self, node: Name, group: Name) {
        self.tell_down(node, group, DownReason::Left);
        if let Some(groups) = self.groups.get_mut(node) {
            groups.retain(|&other| other != group);
        }
    }

    fn kill(&mut self, node: Name) {
        for group in self.groups.get(node).cloned().unwrap_or_default() {
            self.tell_down(node, group, DownReason::Dead);
        }
        self.groups.remove(node);
        self.told.remove(node);
    }

    fn look(&mut self) -> Outcome {
        let mut outcome = Outcome {
            sessions: self.sessions(),
            delivered: self.delivered.clone(),
            told: self.told.clone(),
            refused: self.refused.clone(),
            ..Outcome::default()
        };
        for (&node, groups) in &self.groups {
            for &group in groups {
                let seen = if self.is_refused(node, group) {
                    Vec::new()
                } else {
                    self.members(group)
                };
                let seen = seen.into_iter().collect();
                outcome.members.insert((node, group), seen);
            }
        }
        for &reflector in &self.reflectors {
            let routes = self.routes_of(reflector);
            outcome.routes.insert(reflector, routes);
        }
        outcome
    }

    fn pass(&mut self) {}

    fn elapsed(&self) -> Duration {
        // Rules take no time; whoever waits for them to change has waited long enough.
        Duration::MAX / 2
    }
}
