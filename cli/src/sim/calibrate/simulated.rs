//! The course in virtual time: the same plan, the same steps, with links and handshakes as measured.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{Rng, Time};
use archipelago_router::Command;
use archipelago_sgroup::GroupConfig;
use archipelago_sim::topology::Topology;
use archipelago_sim::{LinkProfile, NodeIx, World, WorldConfig};

use super::baseline::Parameters;
use super::course::{
    BACK, CLOSING, Course, FORMING, GONE, KILLED, PATIENCE, PHASE, STAY, STREAM, Script,
};
use super::measured::{Figure, Measured, millis};
use crate::cluster::Plan;
use crate::demo::faults::Known;
use crate::demo::options::IDLE_TIMEOUT;
use crate::simulated::{deaths, ix, joined, known_to, late_comer, start};

/// One simulated run.
pub(super) struct Simulated<'a> {
    plan: &'a Plan,
    parameters: &'a Parameters,
    topology: Topology,
    world: World,
    /// The member that is stopped, and that nobody counts for: live it has a process of its own.
    child: Option<NodeIx>,
    rng: Rng,
}

impl<'a> Simulated<'a> {
    pub(super) fn new(plan: &'a Plan, parameters: &'a Parameters, seed: u64) -> Self {
        let topology = topology(plan);
        Self {
            world: build(&topology, parameters, seed),
            topology,
            child: plan.stoppable().map(ix),
            plan,
            parameters,
            rng: Rng::from_u64(seed),
        }
    }

    /// The whole course.
    pub(super) fn run(mut self, course: &Course, script: &Script, measured: &mut Measured) {
        self.start();
        self.rest(course, measured);
        self.join(course, measured);
        self.talk(script, measured);
        self.stop(course, measured);
        self.kill(script, measured);
    }

    /// Founders first, one after the other; then all others within what that took live, and the
    /// one with a process of its own at the end.
    fn start(&mut self) {
        let groups = 0..self.plan.groups.len();
        let founders: BTreeSet<_> = groups.map(|group| ix(self.plan.founder(group))).collect();
        let mut others = self.world.nodes();
        others.retain(|node| !founders.contains(node) && Some(*node) != self.child);
        let order: Vec<_> = founders
            .into_iter()
            .chain(others)
            .chain(self.child)
            .collect();
        let pause = self.parameters.starts_within() / u32::try_from(order.len()).unwrap_or(1);
        for node in order {
            self.world.run_for(pause);
            start(&mut self.world, node);
        }
        let until = FORMING.saturating_sub(self.world.now().since(Time::START));
        self.world.run_for(until);
    }

    fn rest(&mut self, course: &Course, measured: &mut Measured) {
        let formed = (
            self.heard(),
            self.world.now().since(Time::START).as_secs_f64(),
        );
        self.world.run_for(course.rest);
        let rested = (self.heard() - formed.0, course.rest.as_secs_f64());
        measured.note_control(formed, rested);
        let nodes = self.world.nodes().into_iter();
        let counts: Vec<_> = nodes
            .map(|node| self.world.connections(node).len())
            .collect();
        measured.note_sessions(&counts);
    }

    /// As live: the start of the process is added as measured.
    fn join(&mut self, course: &Course, measured: &mut Measured) {
        for _ in 0..course.joins {
            let (begin, seen) = (self.world.now(), self.world.log().len());
            let node = late_comer(&mut self.world, self.topology.members(0)[0]);
            self.world.run_for(STAY);
            if let Some(at) = joined(&self.world, seen, node) {
                measured.note_time(Figure::Join, at.since(begin) + self.parameters.start());
            }
            // It was started a moment ago: it is not leaving yet.
            let _refused = self.world.command(node, Command::Shutdown);
            self.world.run_for(GONE);
        }
    }

    fn talk(&mut self, script: &Script, measured: &mut Measured) {
        let mut first: Vec<Duration> = Vec::new();
        for &(from, to) in &script.streams {
            let flow = self.world.flow(ix(from), ix(to), STREAM);
            self.world.run_for(Duration::from_millis(400));
            let received = self.world.received(ix(to), ix(from), flow);
            first.extend((received.delivered > 0).then_some(received.latency_first));
        }
        first.sort_unstable();
        if let (Some(median), Some(worst)) = (first.get(first.len() / 2), first.last()) {
            measured.note(Figure::FirstMessage, millis(*median), millis(*worst));
        }
        self.world.run_for(CLOSING);
    }

    fn stop(&mut self, course: &Course, measured: &mut Measured) {
        let Some(child) = self.child else { return };
        for _ in 0..course.stops {
            let phase = self.rng.below(PHASE.as_micros() as u64);
            self.world.run_for(Duration::from_micros(phase));
            let known = self.known(child, |world| world.stop(child));
            measured.note_known(Figure::Stopped, &known);
            self.world.resume(child);
            let topology = &self.topology;
            let is_back = |world: &World| sees(world, topology, child);
            self.world.run_until(PATIENCE, is_back);
            self.world.run_for(BACK);
        }
    }

    fn kill(&mut self, script: &Script, measured: &mut Measured) {
        for &victim in &script.kills {
            let victim = ix(victim);
            let known = self.known(victim, |world| world.crash(victim));
            measured.note_known(Figure::Killed, &known);
            self.world.run_for(KILLED);
        }
    }

    /// What the members of the victim's first group, but for the child, know of its end.
    fn known(&mut self, victim: NodeIx, end: impl FnOnce(&mut World)) -> Known {
        let group = self.plan.nodes[victim.0 as usize].groups[0];
        let (id, name) = (self.topology.id(group), self.world.id(victim));
        let without: Vec<_> = self.child.into_iter().chain([victim]).collect();
        let witnesses = known_to(&self.world, self.topology.members(group), &without);
        let (since, seen) = (self.world.now(), self.world.log().len());
        end(&mut self.world);
        let is_known =
            |world: &World| deaths(world, seen, (id, name), &witnesses).len() == witnesses.len();
        self.world.run_until(PATIENCE, is_known);
        let after = deaths(&self.world, seen, (id, name), &witnesses);
        Known {
            witnesses: witnesses.len(),
            after: after.into_iter().map(|at| at.since(since)).collect(),
        }
    }

    /// Control messages that a node heard so far, on average.
    fn heard(&self) -> f64 {
        let mut nodes = self.world.nodes();
        nodes.retain(|node| Some(*node) != self.child);
        let heard = nodes.iter().map(|&node| self.world.heard(node).messages);
        heard.sum::<u64>() as f64 / nodes.len().max(1) as f64
    }
}

/// How long the join to a lone founder takes, with its start, and without handshake time.
pub(super) fn join_of_two(parameters: &Parameters) -> Duration {
    let topology = Topology::group(1);
    let mut world = build(&topology, parameters, 1);
    start(&mut world, NodeIx(0));
    world.run_for(FORMING);
    let (begin, seen) = (world.now(), world.log().len());
    let node = late_comer(&mut world, NodeIx(0));
    world.run_for(STAY);
    let took = joined(&world, seen, node).map_or(Duration::ZERO, |at| at.since(begin));
    took + parameters.start()
}

fn topology(plan: &Plan) -> Topology {
    let mut topology = Topology::new();
    topology.take(u32::try_from(plan.nodes.len()).unwrap_or(u32::MAX));
    for group in &plan.groups {
        topology.push(&group.name, group.members.iter().copied().map(ix).collect());
    }
    topology
}

/// As the live nodes are told: each joins through the founder, whose address is all it knows.
fn build(topology: &Topology, parameters: &Parameters, seed: u64) -> World {
    let config = WorldConfig {
        link: LinkProfile::with_latency(parameters.latency()),
        handshake_time: parameters.handshake(),
        ..WorldConfig::new(seed)
    };
    topology.build(config, |_, config| {
        config.idle_timeout = IDLE_TIMEOUT;
        for group in &mut config.groups {
            let mut told = GroupConfig::clone(group);
            told.seeds.truncate(1);
            for seed in &mut told.seeds {
                seed.node = None;
            }
            *group = Arc::new(told);
        }
    })
}

/// Whether all members of the node's group see it.
fn sees(world: &World, topology: &Topology, node: NodeIx) -> bool {
    let name = world.id(node);
    topology.groups_of(node).into_iter().all(|place| {
        let (id, members) = (topology.id(place), topology.members(place));
        members.iter().all(|&member| {
            let view = world.node(member).and_then(|node| node.members(id));
            view.is_none_or(|view| view.iter().any(|seen| seen.node == name))
        })
    })
}
