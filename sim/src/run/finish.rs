//! What a run comes to: every figure of its result, read once at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Control, Delivery, Experiment, Load, Lookups, OnDemand, Ratios, Robustness, RunResult, Times,
    resident_bytes, samples,
};
use crate::host::{Latencies, ProcessState};
use crate::metrics::gini;
use crate::picture;
use crate::random::Random;
use crate::scenario::{Measure, StartMode};
use crate::world::NodeIx;

/// Nodes who have not heard of an end after this never will, where the scenario gives no bound.
const DETECTION_MAX: Duration = Duration::from_secs(10);
/// Draws of a link's own latency, whose mean a stretch is a multiple of.
const LATENCY_DRAWS: u32 = 16;
/// Points of a Lorenz curve, and of a robustness curve.
const POINTS: usize = 40;

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn float(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

impl Experiment<'_> {
    /// Checks what must hold at the end, and says what was found.
    pub fn finish(mut self) -> RunResult {
        self.meter.read(&self.world);
        let bound = self.scenario.hold.detection.unwrap_or(DETECTION_MAX);
        self.meter.finish(self.world.now(), bound);
        let is_interrupted = self.is_stopped();
        if !is_interrupted {
            self.check_end();
        }
        let mut result = self.result();
        if !is_interrupted {
            self.check_bounds(&result);
        }
        result.keep_only(&self.scenario.measure, self.nodes.len());
        result.interrupted = is_interrupted;
        result.violations_count = self.violations.count;
        result.violations = std::mem::take(&mut self.violations.kept);
        result
    }

    fn result(&mut self) -> RunResult {
        let nodes = self.nodes.len();
        let wall_s = self.watch.elapsed().as_secs_f64();
        let resident = resident_bytes();
        let trace = self.world.trace();
        let tally = self.world.tally();
        let messages = tally.total() + samples::delivered(&self.world);
        let sessions = self.sessions();
        let reflectors = (0u32..).take(nodes).filter(|&node| self.is_reflector(node));
        RunResult {
            name: self.scenario.name.clone(),
            about: self.scenario.about.clone(),
            command: self.options.command.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.scenario.seed,
            parameters: self.options.parameters.clone(),
            digest: format!("{:016x}", trace.hash()),
            mode: match self.scenario.start {
                StartMode::Joined => "exact".to_owned(),
                StartMode::Generated => "exact, generated start".to_owned(),
            },
            start: match self.scenario.start {
                StartMode::Joined => "joined".to_owned(),
                StartMode::Generated => "generated".to_owned(),
            },
            nodes: nodes as u64,
            groups: self.nodes.groups().len() as u64,
            reflectors: reflectors.count() as u64,
            tiers: u64::from(self.overlay.tier_max()).max(u64::from(self.nodes.groups().len() > 1)),
            threads: self.options.threads as u64,
            virtual_s: self
                .world
                .now()
                .since(archipelago_core::Time::START)
                .as_secs_f64(),
            wall_s,
            events: trace.events(),
            events_per_s: float(trace.events()) / wall_s.max(1e-9),
            messages,
            messages_per_s: float(messages) / wall_s.max(1e-9),
            rss_mb: float(resident) / 1e6,
            bytes_per_node: (self.world.footprint().total() / nodes.max(1)) as u64,
            measured: self.scenario.measure.names(nodes),
            sessions_min: sessions.first().map_or(0, |&(count, _)| count),
            sessions_mean: mean(&sessions),
            sessions_max: self
                .samples
                .sessions_max
                .max(sessions.last().map_or(0, |&(count, _)| count)),
            formed_s: self.formed.map(|formed| formed.as_secs_f64()),
            join: Times::from(&self.meter.join),
            rejoin: Times::from(&self.meter.rejoin),
            detection: Times::from(&self.meter.detection),
            detection_missed: self.meter.missed.len() as u64,
            false_deaths: self.meter.false_deaths,
            healed_s: self.healed.map(|healed| healed.as_secs_f64()),
            delivery: self.delivery(),
            toolbox: self.toolbox(),
            control: Some(self.control()),
            lookups: Some(self.lookups()),
            on_demand: Some(OnDemand {
                opened: self.meter.opened / 2,
                closed: self.meter.closed / 2,
                open_max: self.samples.on_demand_max,
            }),
            load: Some(self.load()),
            robustness: self
                .measures(Measure::Robustness)
                .then(|| self.robustness()),
            sessions,
            series: std::mem::take(&mut self.samples.taken),
            marks: std::mem::take(&mut self.marks),
            picture: match &self.underlay {
                Some(underlay) => picture::draw_on_map(&self.overlay, underlay),
                None => picture::draw(&self.overlay),
            },
            violations: Vec::new(),
            violations_count: 0,
            interrupted: false,
        }
    }

    /// Whether a node is in several groups: by the plan, or, where parents are joined by whoever is
    /// elected, by what became of it.
    fn is_reflector(&self, node: u32) -> bool {
        match &self.tiers {
            Some(_) => self.world.groups_of(NodeIx(node)).len() > 1,
            None => self.nodes.is_reflector(node),
        }
    }

    /// How many running nodes have how many sessions, rising.
    fn sessions(&self) -> Vec<(u64, u64)> {
        let mut counts = BTreeMap::new();
        for node in self.world.nodes() {
            if self.world.state(node) == ProcessState::Running {
                let sessions = self.world.connections(node).len() as u64;
                *counts.entry(sessions).or_default() += 1;
            }
        }
        counts.into_iter().collect()
    }

    fn delivery(&self) -> Delivery {
        let mut delivery = Delivery {
            flows_skipped: self.flows_skipped,
            ..Delivery::default()
        };
        let (mut latency, mut first) = (Latencies::default(), Latencies::default());
        let (mut stretch, mut stretch_first) = (Vec::new(), Vec::new());
        let mut random = Random::split(self.scenario.seed, 0x57_7e7c);
        for (from, flow, to) in self.world.flows() {
            let report = self.world.flow_report(from, flow);
            let received = self.world.received(to, from, flow);
            delivery.flows += 1;
            delivery.sent += report.sent;
            delivery.told_lost += report.told_lost;
            delivery.delivered += received.delivered;
            if received.delivered > 0 {
                first.note(received.latency_first);
            }
            if received.delivered > 0 && self.measures(Measure::Stretch) {
                let own = self.own_latency(from, to, &mut random);
                let mean = received.latency_total.as_secs_f64() / float(received.delivered);
                stretch.push(mean / own);
                stretch_first.push(received.latency_first.as_secs_f64() / own);
            }
        }
        for node in self.world.nodes() {
            latency.add(self.world.latencies(node));
        }
        delivery.latency = Times::from(&latency);
        delivery.first = Times::from(&first);
        delivery.after_mending = Times::from(&self.world.latencies_after_mending());
        delivery.stretch = Ratios::new(stretch);
        delivery.stretch_first = Ratios::new(stretch_first);
        delivery
    }

    /// What the link between two nodes takes, in seconds, on average.
    fn own_latency(&self, from: NodeIx, to: NodeIx, random: &mut Random) -> f64 {
        let links = self.world.links();
        let draws = (0..LATENCY_DRAWS).map(|_| links.delay(from.0, to.0, self.world.now(), random));
        let total: Duration = draws.sum();
        (total.as_secs_f64() / f64::from(LATENCY_DRAWS)).max(1e-6)
    }

    fn control(&self) -> Control {
        let timeline = self.world.tally().since(&self.forming);
        let nodes = float(self.nodes.len()).max(1.0);
        let by_kind = timeline
            .kinds()
            .map(|(kind, count)| (format!("{kind:?}"), count));
        Control {
            forming_per_node: float(self.forming.total()) / nodes,
            per_node_per_s: float(timeline.total()) / nodes / self.seconds(),
            by_kind: by_kind.filter(|&(_, count)| count > 0).collect(),
        }
    }

    fn lookups(&self) -> Lookups {
        let heard = self
            .world
            .nodes()
            .into_iter()
            .map(|node| self.world.heard(node));
        let (asked, questions) = heard.fold((0u64, 0u64), |(asked, questions), heard| {
            (
                asked + u64::from(heard.lookups_first),
                questions + u64::from(heard.lookups),
            )
        });
        let hops = self.world.lookup_hops();
        Lookups {
            asked,
            hops_mean: mean(&hops),
            hops,
            questions,
            failed: self.meter.failed.clone(),
        }
    }

    /// Over the whole run, forming included: a node's share of the work of building counts.
    fn load(&self) -> Load {
        let seconds = self
            .world
            .now()
            .since(archipelago_core::Time::START)
            .as_secs_f64()
            .max(1e-9);
        let mut reflectors = Vec::new();
        let (mut members, mut total) = (0u64, 0u64);
        for node in self.world.nodes() {
            let heard = self.world.heard(node).messages;
            if self.is_reflector(node.0) {
                reflectors.push(heard);
            } else {
                members += 1;
                total += heard;
            }
        }
        reflectors.sort_unstable();
        let sum: u64 = reflectors.iter().sum();
        Load {
            gini: gini(
                &reflectors
                    .iter()
                    .map(|&heard| float(heard))
                    .collect::<Vec<_>>(),
            ),
            mean_per_s: float(sum) / float(reflectors.len().max(1)) / seconds,
            max_per_s: float(reflectors.last().copied().unwrap_or(0)) / seconds,
            member_mean_per_s: float(total) / float(members.max(1)) / seconds,
            lorenz: lorenz(&reflectors),
        }
    }

    fn robustness(&self) -> Robustness {
        super::removal::curves(&self.world, self.scenario.seed, POINTS)
    }

    fn measures(&self, measure: Measure) -> bool {
        self.scenario.measure.has(measure, self.nodes.len())
    }

    fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64().max(1e-9)
    }
}

/// Of values, each with how often it is there.
fn mean(bars: &[(u64, u64)]) -> f64 {
    let sum: u64 = bars.iter().map(|&(value, often)| value * often).sum();
    let count: u64 = bars.iter().map(|&(_, often)| often).sum();
    float(sum) / float(count.max(1))
}

fn lorenz(rising: &[u64]) -> Vec<(f64, f64)> {
    let sum = float(rising.iter().sum::<u64>().max(1));
    let step = rising.len().div_ceil(POINTS).max(1);
    let mut points = vec![(0.0, 0.0)];
    let mut reached = 0u64;
    for (place, &value) in rising.iter().enumerate() {
        reached += value;
        if (place + 1) % step == 0 || place + 1 == rising.len() {
            points.push((float(place + 1) / float(rising.len()), float(reached) / sum));
        }
    }
    points
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_lorenz_curve_begins_at_nothing_and_ends_at_all() {
        assert_eq!(lorenz(&[1, 3]), [(0.0, 0.0), (0.5, 0.25), (1.0, 1.0)]);
    }
}
