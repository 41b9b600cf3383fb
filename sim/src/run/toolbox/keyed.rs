//! Keyed workers on the members of the first group: who hosts, who asks, and what came of it.
//!
//! Entries are the members that ran when the load began (or the proxies among them). A member that
//! starts later, or again, hosts as soon as it is in the group, and asks nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archipelago_core::wire::Offer;
use archipelago_core::{LocalId, Pid, Time};
use archipelago_sgroup::keyed::{HostConfig, office};
use archipelago_sgroup::registry::{Entry, RegistryCommand};
use bytes::Bytes;

use super::super::plan::{Action, Cause, KeyedPart, Plan};
use super::super::{Experiment, ToolboxKeyed};
use super::{float, rate};
use crate::host::{Latencies, ProcessState};
use crate::keyed::{KeyedConfig, KeyedDraw, KeyedNode, KeyedReport};
use crate::scenario::{KeyedLoad, Load};
use crate::world::NodeIx;

const SERVICE: &[u8] = b"keyed";
/// Keys of which it is looked at where they are active, where there are leases.
const KEYS_LOOKED_AT: u64 = 64;
/// How long a host asks for the service's strict name at a time.
const OFFICE_PATIENCE: Duration = Duration::from_secs(1);

/// What was begun of it.
#[derive(Debug, Default)]
pub(in super::super) struct Begun {
    /// Members take part from here on.
    is_on: bool,
    /// How each entry asks.
    entries: BTreeMap<NodeIx, KeyedDraw>,
    /// Members that host nothing.
    proxies: BTreeSet<NodeIx>,
    /// The mailboxes of the protocols, by their nodes.
    locals: BTreeMap<NodeIx, LocalId>,
    /// What each host was told of the service's strict name last, and when it asked for it.
    offices: BTreeMap<NodeIx, Option<(u64, Time)>>,
    asked: BTreeMap<NodeIx, Time>,
    /// Protocols put on nodes so far: each is an entry of its own.
    installed: u32,
    /// Of nodes that have ended since.
    before: KeyedReport,
    took: Latencies,
    lost: u64,
}

/// Lays it out.
pub(in super::super) fn lay_out(plan: &mut Plan, load: &KeyedLoad, number: u32) {
    let ask = load.at + load.warm;
    let parts = [
        (load.at, KeyedPart::Host),
        (ask, KeyedPart::Ask),
        (ask + load.lasting, KeyedPart::Rest),
    ];
    for (at, part) in parts {
        plan.push(at, Action::Keyed(part), Cause::Workload(number));
    }
}

impl Experiment<'_> {
    /// The load, if the scenario has one: there is at most one.
    fn keyed_load(&self) -> Option<&KeyedLoad> {
        let mut loads = self.scenario.workloads.iter();
        loads.find_map(|load| match load {
            Load::Keyed(load) => Some(load),
            _ => None,
        })
    }

    fn keyed_members(&self) -> Vec<NodeIx> {
        let members = self.nodes.groups().first();
        let members = members.into_iter().flatten().map(|node| NodeIx(*node));
        let is_running = |node: &NodeIx| self.world.state(*node) == ProcessState::Running;
        members.filter(is_running).collect()
    }

    pub(in super::super) fn keyed_part(&mut self, part: KeyedPart) {
        match part {
            KeyedPart::Host => self.begin_keyed(),
            KeyedPart::Ask => self.set_keyed(true),
            KeyedPart::Rest => self.set_keyed(false),
        }
    }

    fn begin_keyed(&mut self) {
        let proxies = self.keyed_load().map_or(0, |load| load.proxies) as usize;
        let members = self.keyed_members();
        let hosts = members.len().saturating_sub(proxies).max(1);
        let (hosting, proxies) = members.split_at(hosts.min(members.len()));
        let asking = if proxies.is_empty() { hosting } else { proxies };
        let entries = asking.len() as u64;
        let draws = (0..).map(|place| KeyedDraw::InTurn { place, entries });
        let begun = &mut self.toolbox.keyed;
        begun.is_on = true;
        begun.proxies = proxies.iter().copied().collect();
        begun.entries = asking.iter().copied().zip(draws).collect();
        self.keyed_look();
    }

    /// Has members take part that do not yet: those that started since, and those that were not in
    /// the group when they were looked at.
    pub(in super::super) fn keyed_look(&mut self) {
        if !self.toolbox.keyed.is_on {
            return;
        }
        for node in self.keyed_members() {
            let known = self.world.protocol::<KeyedNode>(node);
            let is_host = known.map(KeyedNode::is_host);
            if is_host.is_none() {
                self.install_keyed(node);
            }
            if is_host != Some(true) && !self.toolbox.keyed.proxies.contains(&node) {
                self.host_keyed(node);
            }
        }
        if self.keyed_load().is_some_and(|load| load.lease.is_some()) {
            self.keep_offices();
            self.check_leases();
        }
    }

    /// Has every host ask for the service's strict name, and tells it whether it holds it: what the
    /// live driver does by events is looked at here, often enough within a holder's life.
    fn keep_offices(&mut self) {
        let (group, now) = (self.topology.id(0), self.world.now());
        let name = office(SERVICE);
        for node in self.keyed_members() {
            let keyed = self.world.protocol::<KeyedNode>(node);
            let local = self.toolbox.keyed.locals.get(&node).copied();
            let Some(local) = local.filter(|_| keyed.is_some_and(KeyedNode::is_host)) else {
                continue;
            };
            let tenure = self.world.tenure(node, group, &name);
            let office = tenure.map(|(_, fence, until)| (fence, until));
            let told = &mut self.toolbox.keyed.offices;
            if told.insert(node, office) != Some(office) {
                self.world
                    .prompt::<KeyedNode>(node, |keyed, turn| keyed.set_office(office, turn));
            }
            let asked = self.toolbox.keyed.asked.get(&node);
            if office.is_none() && asked.is_none_or(|asked| now.since(*asked) > OFFICE_PATIENCE) {
                self.toolbox.keyed.asked.insert(node, now);
                let pid = self.world.pid(node).map(|pid| Pid { local, ..pid });
                // Asked again at the next look but one where the node is not in the group yet.
                let _refused =
                    pid.map(|pid| self.world.claim_strict(pid, group, &name, OFFICE_PATIENCE));
            }
        }
    }

    fn install_keyed(&mut self, node: NodeIx) {
        let Some(load) = self.keyed_load() else {
            return;
        };
        let begun = &self.toolbox.keyed;
        let draw = begun.entries.get(&node).copied().unwrap_or_default();
        let entries = begun.entries.len().max(1);
        let config = KeyedConfig {
            group: self.topology.id(0),
            service: Bytes::from_static(SERVICE),
            keys: load.keys,
            draw,
            rate: f64::from(load.rate) / float(entries as u64),
            state_bytes: load.state,
            work: load.work,
            patience: load.patience,
            host: HostConfig {
                lease: load.lease,
                ..HostConfig::default()
            },
        };
        self.toolbox.keyed.installed += 1;
        self.toolbox.keyed.offices.remove(&node);
        self.toolbox.keyed.asked.remove(&node);
        let keyed = KeyedNode::new(config, self.toolbox.keyed.installed);
        if let Some(pid) = self.world.install(node, keyed) {
            self.toolbox.keyed.locals.insert(node, pid.local);
            self.world
                .prompt::<KeyedNode>(node, |keyed, turn| keyed.begin(false, turn));
        }
    }

    /// A member offers the service, and runs workers, if it is in the group by now.
    fn host_keyed(&mut self, node: NodeIx) {
        let group = self.topology.id(0);
        let Some(&local) = self.toolbox.keyed.locals.get(&node) else {
            return;
        };
        let said = RegistryCommand::Say(Entry::Service {
            service: Bytes::from_static(SERVICE),
            local,
            offer: Some(Offer {
                is_leased: self.keyed_load().is_some_and(|load| load.lease.is_some()),
                ..Offer::default()
            }),
        });
        if self.world.say(node, group, said).is_ok() {
            self.world
                .prompt::<KeyedNode>(node, |keyed, turn| keyed.begin(true, turn));
        }
    }

    fn set_keyed(&mut self, is_asking: bool) {
        let entries = self.toolbox.keyed.entries.keys().copied();
        for node in entries.collect::<Vec<_>>() {
            if self.world.protocol::<KeyedNode>(node).is_some() {
                self.world
                    .prompt::<KeyedNode>(node, |keyed, _| keyed.set_asking(is_asking));
            }
        }
    }

    /// A node is about to end: what it knows would be lost.
    pub(in super::super) fn keyed_ends(&mut self, node: NodeIx) {
        if let Some(keyed) = self.world.protocol::<KeyedNode>(node) {
            let begun = &mut self.toolbox.keyed;
            begun.before.add(keyed.report());
            begun.took.add(keyed.latencies());
            begun.lost += keyed.pending_len() as u64;
        }
    }

    /// What came of it.
    pub(super) fn keyed(&self) -> Option<ToolboxKeyed> {
        let load = self.keyed_load()?;
        let begun = &self.toolbox.keyed;
        let (mut sum, mut took) = (begun.before, begun.took.clone());
        let (mut workers, mut waiting) = (0, 0);
        let nodes = self.world.nodes().into_iter();
        for keyed in nodes.filter_map(|node| self.world.protocol::<KeyedNode>(node)) {
            sum.add(keyed.report());
            took.add(keyed.latencies());
            workers += keyed.workers_len() as u64;
            waiting += keyed.pending_len() as u64;
        }
        Some(ToolboxKeyed {
            asked: sum.asked,
            answered: sum.answered,
            refused: sum.refused,
            unanswered: sum.unanswered,
            of_the_dead: begun.lost,
            waiting,
            redirected: sum.redirected,
            disordered: sum.disordered,
            workers,
            started: sum.fresh,
            moved: sum.resumed,
            per_s: rate(sum.answered, load.lasting),
            latency: (&took).into(),
        })
    }

    /// With leases no key is active at two hosts at any time.
    fn check_leases(&mut self) {
        let Some(load) = self.keyed_load().filter(|load| load.lease.is_some()) else {
            return;
        };
        let (keys, now) = (load.keys.min(KEYS_LOOKED_AT), self.world.now());
        let nodes = self.world.running().into_iter();
        let hosts = nodes.filter_map(|node| self.world.protocol::<KeyedNode>(node));
        let hosts: Vec<&KeyedNode> = hosts.collect();
        let active = |key| {
            hosts
                .iter()
                .filter(|host| host.is_serving(key, now))
                .count()
        };
        if let Some(key) = (0..keys).find(|&key| active(key) > 1) {
            let text = format!("key {key} is active at {} hosts", active(key));
            self.violations.add("leases", text);
        }
    }

    /// Requests of one entry and key are done in their order, once, wherever the key goes.
    pub(in super::super) fn check_keyed(&mut self) {
        if let Some(keyed) = self.keyed().filter(|keyed| keyed.disordered > 0) {
            let text = format!("{} requests were done out of order", keyed.disordered);
            self.violations.add("keyed", text);
        }
    }
}
