//! The same plans in virtual time, far beyond what one machine runs: rows that lie on one plot with
//! the live ones.
//!
//! The machines are the live ones, every session and timer there. What is not: each node has a
//! processor of its own, so that nothing waits for a core, and reflectors are elected instead of
//! pinned. Memory, processor and messages per second of this program say nothing of a live node and
//! are left out. Up to [`JOINED_MAX`] nodes join message by message; more begin formed.

use std::collections::BTreeSet;
use std::time::Duration;

use archipelago_core::{GroupId, Time};
use archipelago_router::NodeConfig;
use archipelago_sgroup::GroupConfig;
use archipelago_sim::check::views;
use archipelago_sim::tiers::{Hierarchy, forming_limit, is_formed};
use archipelago_sim::topology::{self, REALM, start_all};
use archipelago_sim::{LinkProfile, NodeIx, Random, World, WorldConfig};

use tokio::sync::oneshot;

use super::row::Row;
use super::{NodesError, Options, Topology, enough};
use crate::cluster::Plan;
use crate::live::latency::Latency;
use crate::machine::usage;
use crate::simulated::{deaths, ix, joined, known_to, late_comer, overlay};

/// Above so many nodes, groups are formed from the beginning.
pub(super) const JOINED_MAX: usize = 2_000;
/// A message one way, and a handshake at each end: as over loopback on an idle machine.
const LATENCY: Duration = Duration::from_micros(75);
const HANDSHAKE: Duration = Duration::from_micros(400);
/// After forming, until everything else about it is done, as live.
const SETTLING: Duration = Duration::from_secs(3);
/// One node's join, and the one-message streams across groups, are over after this.
const JOINING: Duration = Duration::from_secs(1);
const TALKING: Duration = Duration::from_secs(2);
/// Streams across groups.
const PAIRS: usize = 50;
/// Longest wait for the word of an end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a session takes at both ends in this program, and a node beside its sessions; for a refusal
/// before memory is full. Measured at a million nodes in groups of 50, rounded up.
const SESSION_BYTES: f64 = 600.0;
const NODE_BYTES: f64 = 4_000.0;

/// Everything about so many nodes that virtual time can tell; what was not reached stays `null`.
///
/// Cancel safe: dropped before it returns, the run goes on in a thread of its own, which ends with
/// the program.
///
/// # Errors
/// No plan or no memory for so many nodes, or groups that do not form.
pub(super) async fn run(
    options: &Options,
    topology: Topology,
    row: &mut Row,
) -> Result<(), NodesError> {
    let plan = topology.plan(row.nodes, options.group_size(), options.tiers)?;
    row.note_plan(&plan);
    let needed = row.sessions_expected as f64 * SESSION_BYTES + row.nodes as f64 * NODE_BYTES;
    let available = usage::available_bytes().unwrap_or(u64::MAX);
    enough(row.nodes, needed / 1e6, available)?;
    let (done, wait) = oneshot::channel();
    let (options, mut own) = (options.clone(), row.clone());
    let simulation = std::thread::Builder::new().name("simulation".to_owned());
    simulation.spawn(move || {
        let outcome = rehearse(&options, &plan, &mut own);
        // Nobody waits for it any more when the user interrupts.
        let _ = done.send((own, outcome));
    })?;
    let Ok((done, outcome)) = wait.await else {
        return Err(NodesError::Told("the simulation panicked".to_owned()));
    };
    *row = done;
    outcome
}

fn rehearse(options: &Options, plan: &Plan, row: &mut Row) -> Result<(), NodesError> {
    let mut rehearsal = Rehearsal::new(plan, options.seed)?;
    rehearsal.form(row)?;
    rehearsal.count(row);
    rehearsal.rest(Duration::from_secs_f64(options.idle), row);
    rehearsal.join(options.losses, row);
    rehearsal.talk(row);
    rehearsal.lose(options.losses, row);
    Ok(())
}

struct Rehearsal<'a> {
    plan: &'a Plan,
    /// Where groups have parents.
    tiers: Option<Hierarchy>,
    world: World,
    random: Random,
    /// Ended on purpose.
    gone: BTreeSet<NodeIx>,
}

impl<'a> Rehearsal<'a> {
    fn new(plan: &'a Plan, seed: u64) -> Result<Self, NodesError> {
        let is_small = plan.nodes.len() <= JOINED_MAX;
        let config = WorldConfig {
            link: LinkProfile::with_latency(LATENCY),
            handshake_time: HANDSHAKE,
            codec: is_small,
            trace: is_small,
            ..WorldConfig::new(seed)
        };
        let overlay = overlay(plan);
        let tiers = plan.has_tiers().then(|| overlay.elected()).transpose();
        let tiers = tiers.map_err(|error| NodesError::Told(error.to_string()))?;
        let members_max = plan.groups.iter().map(|group| group.members.len()).max();
        // One more than are planned: the one that joins.
        let members_max = ix(members_max.unwrap_or(0)).0.saturating_add(1);
        let widen = |_, config: &mut NodeConfig| {
            for group in &mut config.groups {
                if group.members_max < members_max {
                    let mut wide = GroupConfig::clone(group);
                    wide.members_max = members_max;
                    *group = wide.into();
                }
            }
        };
        let world = match &tiers {
            Some(tiers) => tiers.build(config, widen),
            None => topology::Topology::of(&overlay).build(config, widen),
        };
        Ok(Self {
            plan,
            tiers,
            world,
            random: Random::split(seed, 0x5e4),
            gone: BTreeSet::new(),
        })
    }

    fn form(&mut self, row: &mut Row) -> Result<(), NodesError> {
        if self.plan.nodes.len() > JOINED_MAX {
            let generated = self.world.generate();
            return generated.map_err(|error| NodesError::Told(error.to_string()));
        }
        start_all(&mut self.world);
        let tiers = self.tiers.as_ref();
        let patience = tiers.map_or(PATIENCE, forming_limit);
        let took = self.world.run_until(patience, |world| {
            views::all_agree(world) && tiers.is_none_or(|tiers| is_formed(world, tiers))
        });
        let Some(_) = took else {
            return Err(NodesError::Forming {
                patience,
                formed: 0,
                of: self.plan.nodes.len(),
                waiting: "groups that do not agree yet".to_owned(),
            });
        };
        let since = self.world.now().since(Time::START);
        row.formed_s = Some(since.as_secs_f64());
        Ok(())
    }

    fn count(&mut self, row: &mut Row) {
        self.world.run_for(SETTLING);
        let nodes = self.world.nodes().into_iter();
        let sessions = nodes.map(|node| self.world.connections(node).len());
        row.note_sessions(&sessions.collect::<Vec<_>>());
    }

    fn rest(&mut self, idle: Duration, row: &mut Row) {
        let before = self.heard();
        self.world.run_for(idle);
        let heard = (self.heard() - before) as f64;
        let seconds = idle.as_secs_f64();
        row.idle_s = seconds;
        row.control_messages_per_node_per_s = Some(heard / seconds / row.nodes as f64);
    }

    fn heard(&self) -> u64 {
        let nodes = self.world.nodes().into_iter();
        nodes.map(|node| self.world.heard(node).messages).sum()
    }

    /// Nodes that join, each the group of another, at once.
    fn join(&mut self, joins: usize, row: &mut Row) {
        let (begin, seen) = (self.world.now(), self.world.log().len());
        let hosts = self.victims(joins);
        let newcomers: Vec<NodeIx> = hosts
            .into_iter()
            .map(|host| late_comer(&mut self.world, host))
            .collect();
        self.world.run_for(JOINING);
        let took = newcomers.iter().map(|&node| {
            let at = joined(&self.world, seen, node);
            at.map(|at| at.since(begin))
        });
        let took: Vec<Option<Duration>> = took.collect();
        let late = took.iter().filter(|took| took.is_none()).count();
        row.require(late == 0, || format!("{late} joins took over {JOINING:?}"));
        let took = Latency::of(&took.into_iter().flatten().collect::<Vec<_>>());
        row.join_one_ms = took.millis(50.0);
        row.join_one_ms_max = took.millis(100.0);
    }

    /// One message each between nodes of different groups.
    fn talk(&mut self, row: &mut Row) {
        let pairs: Vec<_> = (0..PAIRS).filter_map(|_| self.strangers()).collect();
        let pause = TALKING / 4 / u32::try_from(PAIRS).unwrap_or(1);
        let flows: Vec<_> = pairs
            .into_iter()
            .map(|(from, to)| {
                self.world.run_for(pause);
                (from, to, self.world.flow(from, to, (1, pause, 64)))
            })
            .collect();
        self.world.run_for(TALKING);
        let first = flows.iter().map(|&(from, to, flow)| {
            let received = self.world.received(to, from, flow);
            (received.delivered > 0).then_some(received.latency_first)
        });
        let first: Vec<Option<Duration>> = first.collect();
        row.first_messages = first.len();
        let lost = first.iter().filter(|first| first.is_none()).count();
        row.require(lost == 0, || {
            format!("{lost} first messages did not arrive")
        });
        let first = Latency::of(&first.into_iter().flatten().collect::<Vec<_>>());
        row.first_message_ms_p50 = first.millis(50.0);
        row.first_message_ms_p99 = first.millis(99.0);
    }

    /// Some are killed, then as many are stopped; all at once, in groups of their own.
    fn lose(&mut self, losses: usize, row: &mut Row) {
        let killed = self.victims(losses);
        row.killed = killed.len();
        let seen = self.end(&killed, World::crash, row);
        (row.killed_seen_ms_p50, row.killed_seen_ms_p99) = (seen.millis(50.0), seen.millis(99.0));
        let stopped = self.victims(losses);
        row.stopped = stopped.len();
        let seen = self.end(&stopped, World::stop, row);
        (row.stopped_seen_ms_p50, row.stopped_seen_ms_p99) = (seen.millis(50.0), seen.millis(99.0));
        row.false_deaths = self.false_deaths();
        let false_deaths = row.false_deaths;
        row.require(false_deaths == 0, || {
            format!("{false_deaths} deaths of the living")
        });
    }

    /// Ends them, and waits until all members of their groups were told.
    fn end(&mut self, victims: &[NodeIx], end: fn(&mut World, NodeIx), row: &mut Row) -> Latency {
        let (since, seen) = (self.world.now(), self.world.log().len());
        self.gone.extend(victims);
        for &victim in victims {
            end(&mut self.world, victim);
        }
        let gone: Vec<NodeIx> = self.gone.iter().copied().collect();
        let awaited: Vec<_> = victims
            .iter()
            .map(|&victim| {
                let (id, members) = self.group_of(victim);
                let witnesses = known_to(&self.world, &members, &gone);
                ((id, self.world.id(victim)), witnesses)
            })
            .collect();
        let told = |world: &World| -> Vec<_> {
            let each = awaited.iter();
            each.flat_map(|(of, witnesses)| deaths(world, seen, *of, witnesses))
                .collect()
        };
        let all: usize = awaited.iter().map(|(_, witnesses)| witnesses.len()).sum();
        let took = self
            .world
            .run_until(PATIENCE, |world| told(world).len() == all);
        row.require(took.is_some(), || {
            format!("not all were told of an end within {PATIENCE:?}")
        });
        let after = told(&self.world).into_iter().map(|at| at.since(since));
        Latency::of(&after.collect::<Vec<_>>())
    }

    /// Deaths that anybody was told of, of nodes that were not ended.
    fn false_deaths(&self) -> usize {
        let log = self.world.log().iter();
        log.filter_map(crate::simulated::death)
            .filter(|(_, node)| !self.gone.contains(&self.world.node_of(node)))
            .count()
    }

    /// Plain members that run, each of a group of its own while groups last.
    fn victims(&mut self, count: usize) -> Vec<NodeIx> {
        let leaves = self.plan.groups.iter().filter(|group| group.tier == 0);
        let mut leaves: Vec<_> = leaves.collect();
        self.random.shuffle(&mut leaves);
        let depth = leaves.iter().map(|group| group.members.len()).max();
        // Reflectors come first in their groups, capable ones next.
        let round = |back: usize| {
            let gone = &self.gone;
            let one = leaves.iter().filter_map(move |group| {
                let members = group.members.iter().rev().copied().map(ix);
                members.filter(|node| !gone.contains(node)).nth(back)
            });
            one.collect::<Vec<_>>()
        };
        (0..depth.unwrap_or(0))
            .flat_map(round)
            .take(count)
            .collect()
    }

    /// The lowest group of a planned node.
    fn group_of(&self, node: NodeIx) -> (GroupId, Vec<NodeIx>) {
        let place = self.plan.nodes[node.0 as usize].groups[0];
        let group = &self.plan.groups[place];
        let members = group.members.iter().copied().map(ix).collect();
        (GroupId::new(REALM, &group.name), members)
    }

    /// Two nodes that share no group, if there are such.
    fn strangers(&mut self) -> Option<(NodeIx, NodeIx)> {
        let nodes = self.plan.nodes.len();
        (0..100).find_map(|_| {
            let (one, other) = (self.random.index(nodes), self.random.index(nodes));
            let mut groups = self.plan.nodes[one].groups.iter();
            let is_strange = groups.all(|group| !self.plan.nodes[other].groups.contains(group));
            (one != other && is_strange).then(|| (ix(one), ix(other)))
        })
    }
}
