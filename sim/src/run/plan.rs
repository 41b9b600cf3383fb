//! A scenario laid out as single steps in time: what is done to which node, and why.
//!
//! Every fault draws from a stream of its own, so that leaving one out moves no other: what
//! `shrink` relies on. Cost: O(steps log steps).

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::choose::Nodes;
use super::{flows, toolbox};
use crate::link::LinkProfile;
use crate::random::Random;
use crate::scenario::{
    Chaos, ChaosKind, Churn, Cut, Fault, FaultKind, Law, Load, Scenario, ScenarioError,
};

/// Everything that is done to a world, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Sorted by time; steps of one instant stay in the order in which they were laid out.
    pub steps: Vec<Step>,
    /// Nodes that are not there when the world forms.
    pub absent: BTreeSet<u32>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// On the timeline.
    pub at: Duration,
    /// What.
    pub action: Action,
    /// Why.
    pub cause: Cause,
}

/// Which part of the scenario a step belongs to; what belongs together is left out together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The workload of this number in the file.
    Workload(u32),
    /// One victim (or the one cut) of the fault of this number.
    Fault(u32, u32),
    /// The random fault of this number.
    Chaos(u32),
    /// One absence of a node: its number in the churn.
    Churn(u32),
}

/// What can be done. Cuts have a number by which they end.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is the verb of the world of that name")]
#[non_exhaustive]
pub enum Action {
    Crash(u32),
    PowerOff(u32),
    /// Starts a node that is down, for the first time or again.
    Start(u32),
    Leave(u32),
    Stop(u32),
    Resume(u32),
    Partition(u32, Vec<u32>),
    OneWay(u32, Vec<u32>),
    CutLinks(u32, Vec<(u32, u32)>),
    EndCut(u32),
    EndAllCuts,
    Links(LinkProfile),
    LinksBack,
    Flow {
        from: u32,
        to: u32,
        messages: u64,
        every: Duration,
        bytes: usize,
        body: u64,
        /// Each message is a call with so long for its answer.
        call: Option<Duration>,
    },
    /// A node registers and unregisters names in a group.
    Names {
        node: u32,
        group: u32,
        workers: u32,
        lasting: Duration,
    },
    /// A node groupcasts to a group.
    Groupcast {
        node: u32,
        group: u32,
        messages: u32,
        every: Duration,
        bytes: usize,
    },
    /// Members of the first group host keyed workers, and ask them.
    Keyed(KeyedPart),
}

/// A part of a load of keyed workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyedPart {
    /// Members host.
    Host,
    /// Entries ask.
    Ask,
    /// They ask no more.
    Rest,
}

/// What is done to one node.
type Verb = fn(u32) -> Action;

impl Plan {
    /// Lays out a scenario over its nodes.
    ///
    /// # Errors
    /// A fault that names a node, group or region that is not there.
    pub fn new(scenario: &Scenario, nodes: &Nodes) -> Result<Self, ScenarioError> {
        let mut plan = Self::default();
        for (number, workload) in (0u32..).zip(&scenario.workloads) {
            let mut random = stream(scenario, 1, number);
            let plan = &mut plan;
            match workload {
                Load::Messages(load) => flows::lay_out(plan, load, number, nodes, &mut random),
                Load::Names(load) => toolbox::names(plan, load, number, nodes, &mut random),
                Load::Groupcast(load) => {
                    toolbox::groupcasts(plan, load, number, nodes, &mut random);
                }
                Load::Keyed(load) => toolbox::keyed::lay_out(plan, load, number),
            }
        }
        for (number, fault) in (0u32..).zip(&scenario.faults) {
            let mut random = stream(scenario, 2, number);
            plan.fault(scenario, fault, number, nodes, &mut random)?;
        }
        if let Some(chaos) = &scenario.chaos {
            plan.chaos(scenario, chaos, nodes);
        }
        if let Some(churn) = &scenario.churn {
            plan.churn(scenario, churn, nodes)?;
        }
        plan.steps.retain(|step| step.at <= scenario.duration);
        plan.steps.sort_by_key(|step| step.at);
        Ok(plan)
    }

    /// Leaves out every step of these causes.
    pub fn without(&mut self, causes: &BTreeSet<Cause>) {
        self.steps.retain(|step| !causes.contains(&step.cause));
    }

    /// Causes of steps that break something, each once.
    pub fn faults(&self) -> BTreeSet<Cause> {
        let causes = self.steps.iter().map(|step| step.cause);
        causes
            .filter(|cause| !matches!(cause, Cause::Workload(_)))
            .collect()
    }

    pub(super) fn push(&mut self, at: Duration, action: Action, cause: Cause) {
        self.steps.push(Step { at, action, cause });
    }

    fn fault(
        &mut self,
        scenario: &Scenario,
        fault: &Fault,
        number: u32,
        nodes: &Nodes,
        random: &mut Random,
    ) -> Result<(), ScenarioError> {
        let whole = Cause::Fault(number, 0);
        let end = fault.lasting.map(|lasting| fault.at + lasting);
        let mut each = |plan: &mut Self, who, end, verbs: (Verb, Verb)| {
            let victims = nodes.choose(who, random)?;
            plan.victims(fault.at, end, number, &victims, verbs);
            Ok::<(), ScenarioError>(())
        };
        match &fault.kind {
            FaultKind::Crash(who) => each(self, who, end, (Action::Crash, Action::Start))?,
            FaultKind::PowerOff(who) => each(self, who, end, (Action::PowerOff, Action::Start))?,
            FaultKind::Restart(who) => each(self, who, None, (Action::Start, Action::Start))?,
            FaultKind::Leave(who) => each(self, who, end, (Action::Leave, Action::Start))?,
            FaultKind::Stop(who) => each(self, who, end, (Action::Stop, Action::Resume))?,
            FaultKind::Slow { who, pause, every } => {
                let until = end.unwrap_or(scenario.duration);
                for (place, node) in (0u32..).zip(nodes.choose(who, random)?) {
                    let cause = Cause::Fault(number, place);
                    self.slow(node, (fault.at, until), (*pause, *every), cause, random);
                }
            }
            FaultKind::Join { who, spread } => {
                for (place, node) in (0u32..).zip(nodes.choose_late(who, random)?) {
                    let at = fault.at + random.duration(Duration::ZERO, *spread);
                    self.absent.insert(node);
                    self.push(at, Action::Start(node), Cause::Fault(number, place));
                }
            }
            FaultKind::Partition { who, one_way } => {
                let side = nodes.choose(who, random)?;
                if *one_way {
                    nodes.check_one_way(side.len(), who.line)?;
                    self.cut(fault.at, end, whole, |id| Action::OneWay(id, side.clone()));
                } else {
                    self.cut(fault.at, end, whole, |id| {
                        Action::Partition(id, side.clone())
                    });
                }
            }
            FaultKind::Cut(cut) => {
                let links = links(nodes, cut, random);
                self.cut(fault.at, end, whole, |id| {
                    Action::CutLinks(id, links.clone())
                });
            }
            FaultKind::Links(profile) => {
                self.push(fault.at, Action::Links(profile.clone()), whole);
                if let Some(end) = end {
                    self.push(end, Action::LinksBack, whole);
                }
            }
            FaultKind::Heal => self.push(fault.at, Action::EndAllCuts, whole),
        }
        Ok(())
    }

    /// The same to each of the victims, and after a while what mends it.
    fn victims(
        &mut self,
        at: Duration,
        end: Option<Duration>,
        number: u32,
        victims: &[u32],
        (hurt, mend): (Verb, Verb),
    ) {
        for (place, &node) in (0u32..).zip(victims) {
            let cause = Cause::Fault(number, place);
            self.push(at, hurt(node), cause);
            if let Some(end) = end {
                self.push(end, mend(node), cause);
            }
        }
    }

    fn cut(
        &mut self,
        at: Duration,
        end: Option<Duration>,
        cause: Cause,
        action: impl Fn(u32) -> Action,
    ) {
        let id = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        self.push(at, action(id), cause);
        if let Some(end) = end {
            self.push(end, Action::EndCut(id), cause);
        }
    }

    fn slow(
        &mut self,
        node: u32,
        (from, until): (Duration, Duration),
        (pause, every): (Duration, Duration),
        cause: Cause,
        random: &mut Random,
    ) {
        // Each has a phase of its own.
        let mut at = from + random.duration(Duration::ZERO, every);
        while at + pause <= until {
            self.push(at, Action::Stop(node), cause);
            self.push(at + pause, Action::Resume(node), cause);
            at += every;
        }
    }

    fn chaos(&mut self, scenario: &Scenario, chaos: &Chaos, nodes: &Nodes) {
        let until = chaos.until.unwrap_or(scenario.duration / 2);
        let mut pace = stream(scenario, 3, u32::MAX);
        let mut at = chaos.from + Law::Exponential.draw(chaos.every, &mut pace);
        let mut number = 0;
        while at < until && number < 1_000_000 {
            let mut random = stream(scenario, 3, number);
            let kind = chaos.kinds[random.index(chaos.kinds.len())];
            let end = at + Law::Exponential.draw(chaos.lasting, &mut random);
            self.chaos_step(kind, (at, end), Cause::Chaos(number), nodes, &mut random);
            at += Law::Exponential
                .draw(chaos.every, &mut pace)
                .max(Duration::from_millis(1));
            number += 1;
        }
    }

    fn chaos_step(
        &mut self,
        kind: ChaosKind,
        (at, end): (Duration, Duration),
        cause: Cause,
        nodes: &Nodes,
        random: &mut Random,
    ) {
        let node = nodes.any(random);
        let (hurt, mend) = match kind {
            ChaosKind::Crash => (Action::Crash(node), Action::Start(node)),
            ChaosKind::PowerOff => (Action::PowerOff(node), Action::Start(node)),
            ChaosKind::Stop => (Action::Stop(node), Action::Resume(node)),
            ChaosKind::Slow => {
                let pace = (Duration::from_millis(300), Duration::from_secs(1));
                return self.slow(node, (at, end), pace, cause, random);
            }
            ChaosKind::Partition => {
                let side = nodes.random_side(random);
                return self.cut(at, Some(end), cause, |id| {
                    Action::Partition(id, side.clone())
                });
            }
            ChaosKind::Cut => {
                let cut = Cut {
                    pairs: 1,
                    one_way: random.chance(500_000),
                };
                let links = links(nodes, &cut, random);
                return self.cut(at, Some(end), cause, |id| {
                    Action::CutLinks(id, links.clone())
                });
            }
        };
        self.push(at, hurt, cause);
        self.push(end, mend, cause);
    }

    fn churn(
        &mut self,
        scenario: &Scenario,
        churn: &Churn,
        nodes: &Nodes,
    ) -> Result<(), ScenarioError> {
        if churn.law == Law::Trace {
            return self.trace(churn, nodes);
        }
        let until = churn.until.unwrap_or(scenario.duration * 3 / 4);
        let mut absence = 0;
        let mut draw = stream(scenario, 4, u32::MAX);
        for node in nodes.share(churn.share, &mut draw) {
            let mut random = stream(scenario, 4, node);
            let mut at = churn.from + churn.law.draw(churn.up, &mut random);
            while at < until {
                let back = at + churn.law.draw(churn.down, &mut random);
                let back = back.max(at + Duration::from_millis(1)).min(until);
                self.push(at, Action::Crash(node), Cause::Churn(absence));
                self.push(back, Action::Start(node), Cause::Churn(absence));
                absence += 1;
                at = back
                    + churn
                        .law
                        .draw(churn.up, &mut random)
                        .max(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    fn trace(&mut self, churn: &Churn, nodes: &Nodes) -> Result<(), ScenarioError> {
        for (number, &(at, node, is_up)) in (0u32..).zip(&churn.trace) {
            nodes.check(node, churn.line)?;
            let action = if is_up {
                Action::Start(node)
            } else {
                Action::Crash(node)
            };
            self.push(at, action, Cause::Churn(number));
        }
        Ok(())
    }
}

impl Action {
    /// Whether it is load, and breaks nothing.
    pub const fn is_load(&self) -> bool {
        matches!(
            self,
            Self::Flow { .. } | Self::Names { .. } | Self::Groupcast { .. } | Self::Keyed(_)
        )
    }

    /// For people: a mark on a plot, a line of a log.
    pub fn describe(&self) -> String {
        match self {
            Self::Crash(node) => format!("crash n{node}"),
            Self::PowerOff(node) => format!("power off n{node}"),
            Self::Start(node) => format!("start n{node}"),
            Self::Leave(node) => format!("n{node} leaves"),
            Self::Stop(node) => format!("stop n{node}"),
            Self::Resume(node) => format!("resume n{node}"),
            Self::Partition(_, side) => format!("cut off {} nodes", side.len()),
            Self::OneWay(_, side) => format!("mute {} nodes", side.len()),
            Self::CutLinks(_, links) => format!("cut {} links", links.len()),
            Self::EndCut(_) => "a cut ends".to_owned(),
            Self::EndAllCuts => "all cuts end".to_owned(),
            Self::Links(_) => "links change".to_owned(),
            Self::LinksBack => "links are back".to_owned(),
            Self::Flow {
                from, to, messages, ..
            } => format!("n{from} sends {messages} to n{to}"),
            Self::Names { node, workers, .. } => format!("n{node} registers by {workers}"),
            Self::Groupcast { node, messages, .. } => format!("n{node} groupcasts {messages}"),
            Self::Keyed(KeyedPart::Host) => "keyed workers are hosted".to_owned(),
            Self::Keyed(KeyedPart::Ask) => "keyed workers are asked".to_owned(),
            Self::Keyed(KeyedPart::Rest) => "keyed workers are asked no more".to_owned(),
        }
    }
}

/// Directions between members of one group.
fn links(nodes: &Nodes, cut: &Cut, random: &mut Random) -> Vec<(u32, u32)> {
    let mut links = Vec::new();
    for _ in 0..cut.pairs {
        let Some((a, b)) = nodes.pair_of_a_group(random) else {
            continue;
        };
        links.push((a, b));
        if !cut.one_way {
            links.push((b, a));
        }
    }
    links
}

/// A stream for one part of the scenario.
fn stream(scenario: &Scenario, part: u64, number: u32) -> Random {
    Random::split(scenario.seed ^ (part << 56), u64::from(number))
}
