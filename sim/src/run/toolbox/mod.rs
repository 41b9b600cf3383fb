//! The toolbox as a workload: names registered and unregistered, groupcasts, keyed workers, and
//! what came of them and of calls.

mod groupcast;
pub(super) mod keyed;

use std::time::Duration;

use archipelago_core::GroupId;

use super::choose::Nodes;
use super::plan::{Action, Cause, Plan};
use super::{Experiment, Toolbox, ToolboxCalls, ToolboxGroupcasts, ToolboxNames};
use crate::host::{Latencies, ProcessState};
use crate::random::Random;
use crate::scenario::{Groupcasts, Load, NameChurn};
use crate::world::NodeIx;

use groupcast::Caster;

/// What was begun of it.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// Who registers, in this order.
    registering: Vec<NodeIx>,
    /// For how long, the longest.
    lasting: Duration,
    /// Copies of groupcasts that are to be handed over.
    expected: u64,
    sent: u64,
    pub(super) keyed: keyed::Begun,
}

/// Lays out who registers names.
pub(super) fn names(
    plan: &mut Plan,
    load: &NameChurn,
    number: u32,
    nodes: &Nodes,
    random: &mut Random,
) {
    for node in nodes.share(load.share, random) {
        let Some(&group) = nodes.groups_of(node).first() else {
            continue;
        };
        let (workers, lasting) = (load.workers, load.lasting);
        let names = Action::Names {
            node,
            group,
            workers,
            lasting,
        };
        plan.push(load.at, names, Cause::Workload(number));
    }
}

/// Lays out who groupcasts.
pub(super) fn groupcasts(
    plan: &mut Plan,
    load: &Groupcasts,
    number: u32,
    nodes: &Nodes,
    random: &mut Random,
) {
    for _ in 0..load.senders {
        let node = nodes.any(random);
        let Some(&group) = nodes.groups_of(node).first() else {
            continue;
        };
        let at = load.at + random.duration(Duration::ZERO, load.spread);
        let (messages, every, bytes) = (load.messages, load.every, load.bytes);
        let cast = Action::Groupcast {
            node,
            group,
            messages,
            every,
            bytes,
        };
        plan.push(at, cast, Cause::Workload(number));
    }
}

impl Experiment<'_> {
    fn group(&self, place: u32) -> GroupId {
        self.topology.id(place as usize)
    }

    fn is_running(&self, node: u32) -> bool {
        self.world.state(NodeIx(node)) == ProcessState::Running
    }

    /// Has a node register names, if it runs.
    pub(super) fn register(&mut self, node: u32, group: u32, load: (u32, Duration)) {
        if !self.is_running(node) {
            self.flows_skipped += 1;
            return;
        }
        let (workers, lasting) = load;
        let group = self.group(group);
        self.toolbox.registering.push(NodeIx(node));
        self.toolbox.lasting = self.toolbox.lasting.max(lasting);
        self.world
            .start_names(NodeIx(node), group, workers, lasting);
    }

    /// Puts groupcasts on every running node, if any are planned.
    pub(super) fn install_groupcasts(&mut self) {
        let loads = &self.scenario.workloads;
        if !loads.iter().any(|load| matches!(load, Load::Groupcast(_))) {
            return;
        }
        groupcast::install(&mut self.world, &self.topology);
    }

    /// Has a node groupcast, if it is the one that ran when the timeline began.
    pub(super) fn groupcast(&mut self, node: u32, group: u32, load: (u32, Duration, usize)) {
        let (id, ix) = (self.group(group), NodeIx(node));
        let caster = self.world.protocol::<Caster>(ix);
        let Some(members) = caster.map(|caster| caster.members_len(id)) else {
            self.flows_skipped += 1;
            return;
        };
        self.toolbox.sent += u64::from(load.0);
        self.toolbox.expected += u64::from(load.0) * members;
        self.world
            .prompt::<Caster>(ix, |caster, turn| caster.begin(id, load, turn));
    }

    /// What came of it.
    pub(super) fn toolbox(&self) -> Toolbox {
        let loads = &self.scenario.workloads;
        let has = |is_meant: fn(&Load) -> bool| loads.iter().any(is_meant);
        let calls = has(|load| load.messages().is_some_and(|load| load.deadline.is_some()));
        let names = has(|load| matches!(load, Load::Names(_)));
        let groupcasts = has(|load| matches!(load, Load::Groupcast(_)));
        Toolbox {
            calls: calls.then(|| self.called()),
            names: names.then(|| self.registered()),
            groupcasts: groupcasts.then(|| self.groupcasted()),
            keyed: self.keyed(),
        }
    }

    fn called(&self) -> ToolboxCalls {
        let mut calls = ToolboxCalls::default();
        for (from, flow, _) in self.world.flows() {
            let report = self.world.call_report(from, flow);
            calls.begun += report.begun;
            calls.answered += report.answered;
            calls.timed_out += report.timed_out;
            calls.lost += report.lost + report.stopped;
            calls.refused += report.refused;
        }
        let mut latency = Latencies::default();
        for node in self.world.nodes() {
            latency.add(&self.world.call_latencies(node));
        }
        calls.per_s = rate(calls.answered, self.elapsed());
        calls.latency = (&latency).into();
        calls
    }

    fn registered(&self) -> ToolboxNames {
        let (mut names, mut latency) = (ToolboxNames::default(), Latencies::default());
        let mut least = u64::MAX;
        for &node in &self.toolbox.registering {
            let load = self.world.name_load(node);
            names.registered += load.confirmed;
            names.failed += load.failed;
            least = least.min(load.confirmed);
            for took in load.took {
                latency.note(took);
            }
        }
        let members = self.toolbox.registering.len().max(1);
        let mean = float(names.registered) / float(members as u64);
        if mean > 0.0 {
            names.least_served_share = float(least) / mean;
        }
        names.per_s = rate(names.registered, self.toolbox.lasting);
        names.latency = (&latency).into();
        names
    }

    fn groupcasted(&self) -> ToolboxGroupcasts {
        let mut groupcasts = ToolboxGroupcasts {
            sent: self.toolbox.sent,
            expected: self.toolbox.expected,
            ..ToolboxGroupcasts::default()
        };
        let mut latency = Latencies::default();
        let nodes = self.world.nodes().into_iter();
        for caster in nodes.filter_map(|node| self.world.protocol::<Caster>(node)) {
            groupcasts.missed += caster.missed;
            latency.add(&caster.took);
        }
        groupcasts.delivered = latency.len();
        groupcasts.per_s = rate(groupcasts.delivered, self.elapsed());
        groupcasts.latency = (&latency).into();
        groupcasts
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn float(count: u64) -> f64 {
    count as f64
}

fn rate(count: u64, time: Duration) -> f64 {
    float(count) / time.as_secs_f64().max(1e-6)
}
