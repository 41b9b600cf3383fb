//! The scenario in virtual time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{GroupId, Roles};
use archipelago_router::{Command, Event};
use archipelago_sgroup::{Cookies, GroupConfig, GroupEvent, Place, Seed, Timing};
use archipelago_sim::topology::REALM;
use archipelago_sim::{NodeIx, Observation, World, WorldConfig};

use crate::driver::Driver;
use crate::outcome::{Names, Outcome, Told};
use crate::scenario::{IDLE_TIMEOUT, Name, Plan, plans};

/// A world of the scenario's nodes.
pub(crate) struct Simulated {
    world: World,
    names: Names,
    /// Nodes that were started and not killed.
    living: BTreeMap<Name, NodeIx>,
    /// (sender, flow, receiver), in the order of their start.
    flows: Vec<(Name, u32, Name)>,
}

impl Simulated {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            world: World::new(WorldConfig::new(seed)),
            names: Names::of_realm(REALM),
            living: BTreeMap::new(),
            flows: Vec::new(),
        }
    }

    fn group(&self, plan: &Plan, name: Name) -> Arc<GroupConfig> {
        let seed = plan.seed(name).map(|seed| Seed {
            address: self.world.address(place(seed)),
            node: None,
        });
        Arc::new(GroupConfig {
            realm: REALM.into(),
            name: name.into(),
            cookies: Some(Cookies {
                current: plan.cookie(name).as_bytes().into(),
                previous: None,
            }),
            seeds: seed.into_iter().collect(),
            size: 0,
            members_max: 1_024,
            is_closed: false,
            timing: Arc::new(Timing::default()),
            place: Place::default(),
        })
    }

    /// Numbers in the order of their delivery. The world's record of a flow tells order and gaps
    /// by counts; a flow begins after the one before it was delivered.
    fn delivered(&self, from: Name, flow: u32, to: Name, first: u64) -> Vec<u64> {
        let received = self.world.received(place(to), place(from), flow);
        if (received.skipped, received.misordered) != (0, 0) {
            return vec![u64::MAX];
        }
        (first..first + received.delivered).collect()
    }

    fn told(&self, outcome: &mut Outcome) {
        for seen in self.world.log() {
            let witness = self.names.node(self.world.id(NodeIx(seen.node)));
            let Some(told) = outcome.told.get_mut(witness) else {
                continue;
            };
            let Observation::Event(Event::Group { group, event }) = &seen.what else {
                continue;
            };
            let group = self.names.group(*group);
            match event {
                GroupEvent::MemberUp(member) => {
                    told.insert(Told::Up(self.names.node(member.node), group));
                }
                GroupEvent::MemberDown(member, reason) => {
                    told.insert(Told::down(self.names.node(member.node), group, *reason));
                }
                GroupEvent::Refused(_) => {
                    outcome.refused.insert((witness, group));
                }
                _ => {}
            }
        }
    }
}

/// A node's number: its place in the scenario.
fn place(name: Name) -> NodeIx {
    let place = plans().zip(0..).find(|(plan, _)| plan.name == name);
    NodeIx(place.unwrap().1)
}

impl Driver for Simulated {
    fn start(&mut self, plan: &Plan) {
        let groups = plan.groups.iter().map(|group| self.group(plan, group));
        let groups = groups.collect();
        let node = self.world.add(REALM, |config| {
            config.name = plan.name.into();
            config.groups = groups;
            config.idle_timeout = IDLE_TIMEOUT;
            if plan.is_reflector() {
                config.roles = Roles::REFLECTOR;
            }
        });
        assert_eq!(
            node,
            place(plan.name),
            "nodes start in the scenario's order"
        );
        self.names.add(self.world.id(node), plan);
        self.living.insert(plan.name, node);
        self.world.start(node).unwrap();
        self.world.run_for(Duration::from_millis(1));
    }

    fn send(&mut self, from: Name, to: Name, numbers: Range<u64>) {
        let shape = (numbers.end - numbers.start, Duration::ZERO, 24);
        let flow = self.world.flow(place(from), place(to), shape);
        self.flows.push((from, flow, to));
    }

    fn leave(&mut self, node: Name, group: Name) {
        let command = Command::Leave(GroupId::new(REALM, group));
        self.world.command(place(node), command).unwrap();
    }

    fn kill(&mut self, node: Name) {
        self.world.crash(place(node));
        self.living.remove(node);
    }

    fn look(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        for (&name, &ix) in &self.living {
            let node = self.world.node(ix).unwrap();
            let plan = plans().find(|plan| plan.name == name).unwrap();
            for group in plan.groups {
                if let Some(members) = node.members(GroupId::new(REALM, group)) {
                    let members = self.names.members(&members);
                    outcome.members.insert((name, group), members);
                }
            }
            let sessions = self.names.sessions(name, node.sessions());
            outcome.sessions.extend(sessions);
            outcome.told.entry(name).or_default();
            if plan.is_reflector() {
                let routes = self.names.routes(node.routes());
                outcome.routes.insert(name, routes);
            }
        }
        self.told(&mut outcome);
        for &(from, flow, to) in &self.flows {
            let numbers = outcome.delivered.entry((from, to)).or_default();
            let first = numbers.len() as u64;
            numbers.extend(self.delivered(from, flow, to, first));
        }
        outcome
    }

    fn pass(&mut self) {
        self.world.run_for(Duration::from_millis(10));
    }

    fn elapsed(&self) -> Duration {
        self.world.now().since(archipelago_core::Time::START)
    }
}
