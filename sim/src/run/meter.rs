//! What a run counts, read from what its nodes report as it goes.
//!
//! It looks at each report once, keeps no report, and never touches the world.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use archipelago_core::{GroupId, Time};
use archipelago_router::{Event, SessionKind};
use archipelago_sgroup::{DownReason, GroupEvent};

use crate::host::{Latencies, ProcessState};
use crate::observe::{Observation, Observed};
use crate::world::{NodeIx, World};

/// After a cut or a pause is over, deaths that it caused are still told for so long.
const AFTERMATH: Duration = Duration::from_secs(10);

/// Counts, distributions, and what is still awaited.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// How much of the log was looked at.
    read: usize,
    pub(super) join: Latencies,
    pub(super) rejoin: Latencies,
    pub(super) detection: Latencies,
    pub(super) false_deaths: u64,
    /// The first few of them.
    pub(super) false_death_texts: Vec<String>,
    pub(super) opened: u64,
    pub(super) closed: u64,
    /// Ends of open sessions on demand, by node.
    open: BTreeMap<u32, u64>,
    pub(super) failed: BTreeMap<String, u64>,
    /// The world has formed: joins from now on are rejoins.
    pub(super) has_formed: bool,
    started: BTreeMap<u32, Time>,
    awaited: BTreeMap<u32, Ending>,
    /// Ends that some never heard of: who, of whom.
    pub(super) missed: Vec<(u32, u32)>,
    /// Until when deaths of a node are no surprise.
    excused: BTreeMap<u32, Time>,
    /// Until when any death is none.
    excused_all: Time,
}

/// A process that ended or was stopped, and who is to hear of it.
#[derive(Debug)]
struct Ending {
    at: Time,
    waiting: BTreeSet<(u32, GroupId)>,
}

impl Meter {
    /// Nodes that a fault is about to end: whoever shares a group with one is to hear of it.
    pub(super) fn on_end(&mut self, node: u32, world: &World) {
        let mut waiting = BTreeSet::new();
        let machine = world.node(NodeIx(node));
        for group in &world.node_config(NodeIx(node)).groups {
            let members = machine.and_then(|machine| machine.members(group.id()));
            for member in members.unwrap_or_default() {
                let watcher = world.node_of(&member.node).0;
                if watcher != node && world.state(NodeIx(watcher)) == ProcessState::Running {
                    waiting.insert((watcher, group.id()));
                }
            }
        }
        self.forget_watcher(node);
        self.excuse(node, world.now());
        let ending = Ending {
            at: world.now(),
            waiting,
        };
        self.awaited.insert(node, ending);
    }

    /// A node is back, or goes on: who has not heard of its end by now need not.
    pub(super) fn on_back(&mut self, node: u32, now: Time, bound: Option<Duration>) {
        self.excuse(node, now);
        let Some(ending) = self.awaited.remove(&node) else {
            return;
        };
        if bound.is_some_and(|bound| now.since(ending.at) > bound) {
            let missed = ending.waiting.iter().map(|&(watcher, _)| (watcher, node));
            self.missed.extend(missed);
        }
    }

    /// A stopped node goes on: of a short pause nobody was to hear, nor be told a death.
    pub(super) fn on_resumed(
        &mut self,
        node: u32,
        now: Time,
        (pause_max, bound): (Duration, Option<Duration>),
    ) {
        let paused = self.awaited.get(&node).map(|ending| now.since(ending.at));
        if paused.is_some_and(|paused| paused <= pause_max) {
            self.awaited.remove(&node);
            self.excused.remove(&node);
            return;
        }
        self.on_back(node, now, bound);
    }

    /// A cut began or ended: those on the other side are as good as dead.
    pub(super) fn on_cut(&mut self, is_over: bool, now: Time) {
        let until = if is_over {
            now.after(AFTERMATH)
        } else {
            Time::NEVER
        };
        self.excused_all = until;
        for ending in self.awaited.values_mut() {
            ending.waiting.clear();
        }
    }

    /// Looks at what was reported since the last time.
    pub(super) fn read(&mut self, world: &World) {
        let log = world.log();
        for observed in log.get(self.read..).unwrap_or_default() {
            self.on_report(observed, world);
        }
        self.read = log.len();
    }

    /// The run is over: what is still awaited after `bound` was missed.
    pub(super) fn finish(&mut self, now: Time, bound: Duration) {
        for (node, ending) in std::mem::take(&mut self.awaited) {
            if now.since(ending.at) > bound {
                let missed = ending.waiting.iter().map(|&(watcher, _)| (watcher, node));
                self.missed.extend(missed);
            }
        }
    }

    fn on_report(&mut self, observed: &Observed, world: &World) {
        match &observed.what {
            Observation::Started => {
                self.started.insert(observed.node, observed.time);
            }
            Observation::Ended => {
                self.started.remove(&observed.node);
                // A process that died says nothing of its sessions.
                self.closed += self.open.remove(&observed.node).unwrap_or(0);
            }
            Observation::Unreachable { reason, .. } => {
                *self.failed.entry(format!("{reason:?}")).or_default() += 1;
            }
            Observation::Event(event) => self.on_event(observed, event, world),
            _ => {}
        }
    }

    fn on_event(&mut self, observed: &Observed, event: &Event, world: &World) {
        match event {
            Event::SessionUp {
                kind: SessionKind::OnDemand,
                ..
            } => {
                self.opened += 1;
                *self.open.entry(observed.node).or_default() += 1;
            }
            Event::SessionDown {
                kind: SessionKind::OnDemand,
                ..
            } => {
                self.closed += 1;
                let open = self.open.entry(observed.node).or_default();
                *open = open.saturating_sub(1);
            }
            Event::Group {
                event: GroupEvent::Joined { .. },
                ..
            } => self.on_joined(observed),
            Event::Group {
                group,
                event: GroupEvent::MemberDown(info, reason),
            } => {
                let member = world.node_of(&info.node).0;
                self.on_down(observed, member, *group, *reason, world);
            }
            _ => {}
        }
    }

    fn on_joined(&mut self, observed: &Observed) {
        if let Some(started) = self.started.get(&observed.node) {
            let took = observed.time.since(*started);
            if self.has_formed {
                self.rejoin.note(took);
            } else {
                self.join.note(took);
            }
        }
    }

    fn on_down(
        &mut self,
        observed: &Observed,
        member: u32,
        group: GroupId,
        reason: DownReason,
        world: &World,
    ) {
        if let Some(ending) = self.awaited.get_mut(&member)
            && ending.waiting.remove(&(observed.node, group))
        {
            self.detection.note(observed.time.since(ending.at));
            return;
        }
        let is_alive = world.state(NodeIx(member)) == ProcessState::Running;
        let excused = self.excused.get(&member).copied().unwrap_or(Time::START);
        let is_surprise = observed.time > excused && observed.time > self.excused_all;
        if reason == DownReason::Dead && is_alive && is_surprise && self.has_formed {
            self.false_deaths += 1;
            if self.false_death_texts.len() < 10 {
                self.false_death_texts.push(format!(
                    "at {:.3} s n{} was told that n{member} is dead, which it is not",
                    observed.time.as_micros() as f64 / 1e6,
                    observed.node
                ));
            }
        }
    }

    fn excuse(&mut self, node: u32, now: Time) {
        self.excused.insert(node, now.after(AFTERMATH));
    }

    /// Whoever ended itself need not hear of others.
    fn forget_watcher(&mut self, node: u32) {
        for ending in self.awaited.values_mut() {
            ending.waiting.retain(|&(watcher, _)| watcher != node);
        }
    }
}
