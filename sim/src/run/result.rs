//! What a run found: plain values that machines read, and from which every report is drawn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::host::Latencies;
use crate::scenario::{Measure, Measures};

/// The result of one run. Times are of the virtual clock unless they say wall.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The scenario's.
    pub name: String,
    /// The scenario's.
    pub about: String,
    /// What makes it again.
    pub command: String,
    /// Of the program.
    pub version: String,
    /// The run's.
    pub seed: u64,
    /// Values that were set from outside the file.
    pub parameters: Vec<(String, String)>,
    /// The hash over all events: the same for the same seed.
    pub digest: String,
    /// `exact`: every session, timer and table was there; where they were there from the beginning,
    /// `exact, generated start`.
    pub mode: String,
    /// `joined` message by message, or `generated`.
    pub start: String,
    /// Nodes.
    pub nodes: u64,
    /// Groups.
    pub groups: u64,
    /// Nodes in more than one group.
    pub reflectors: u64,
    /// Tiers of groups of reflectors.
    pub tiers: u64,
    /// Threads.
    pub threads: u64,
    /// Virtual seconds, forming included.
    pub virtual_s: f64,
    /// Wall-clock seconds.
    pub wall_s: f64,
    /// Events of the world.
    pub events: u64,
    /// A wall-clock second.
    pub events_per_s: f64,
    /// Control messages and messages between mailboxes that arrived.
    pub messages: u64,
    /// A wall-clock second.
    pub messages_per_s: f64,
    /// Resident memory of the process, 10⁶ bytes.
    pub rss_mb: f64,
    /// What machines, tables and the queue of events take, counted by part and divided by the nodes;
    /// shared records and configurations and the allocator's own are not in it.
    pub bytes_per_node: u64,
    /// What was measured; the rest is empty or null.
    #[serde(default)]
    pub measured: Vec<String>,
    /// Fewest sessions of a running node at the end.
    pub sessions_min: u64,
    /// The mean at the end.
    pub sessions_mean: f64,
    /// Most sessions of a node, at any sample.
    pub sessions_max: u64,
    /// Until every group had formed; none if it never did.
    pub formed_s: Option<f64>,
    /// From a node's start to being up in a group, while the world formed.
    pub join: Times,
    /// The same on the timeline: restarts and late comers.
    pub rejoin: Times,
    /// From a member's end to the word of it at another.
    pub detection: Times,
    /// Members who never heard of an end that they should have heard of.
    pub detection_missed: u64,
    /// Living members that others were told are dead.
    pub false_deaths: u64,
    /// From the last mending until all groups agreed.
    pub healed_s: Option<f64>,
    /// Messages between mailboxes.
    pub delivery: Delivery,
    /// Calls, names, groupcasts and keyed workers, where the scenario has any.
    #[serde(default)]
    pub toolbox: Toolbox,
    /// Control messages.
    pub control: Option<Control>,
    /// Look-ups.
    pub lookups: Option<Lookups>,
    /// Sessions on demand.
    pub on_demand: Option<OnDemand>,
    /// How the load lies on the reflectors.
    pub load: Option<Load>,
    /// How the network holds together without some of its nodes.
    pub robustness: Option<Robustness>,
    /// Sessions of each node at the end: how many have so many.
    pub sessions: Vec<(u64, u64)>,
    /// What was counted along the way.
    pub series: Vec<Sample>,
    /// What was done, when.
    pub marks: Vec<Mark>,
    /// A drawn map of groups and reflectors, as SVG; not saved.
    #[serde(skip)]
    pub picture: String,
    /// What did not hold, at most 100 of them.
    pub violations: Vec<Violated>,
    /// How many there were.
    pub violations_count: u64,
    /// Whether somebody stopped it before its end.
    pub interrupted: bool,
}

/// A distribution of times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the statistic of that name")]
pub struct Times {
    pub count: u64,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    /// Up to which time, and which share of all is not above it; at most 100 points.
    pub curve: Vec<(f64, f64)>,
}

/// Messages between mailboxes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Streams from one node to another.
    pub flows: u64,
    /// Streams that could not begin, since one end was down.
    pub flows_skipped: u64,
    /// Accepted from senders.
    pub sent: u64,
    /// Arrived at mailboxes.
    pub delivered: u64,
    /// Senders were told that they may be lost.
    pub told_lost: u64,
    /// One way.
    pub latency: Times,
    /// The first of each stream.
    pub first: Times,
    /// From the last mending of links until what had been sent before and waited for it arrived.
    #[serde(default)]
    pub after_mending: Times,
    /// The mean latency of each stream, as a multiple of the link's own between its ends.
    pub stretch: Ratios,
    /// The same of each stream's first message.
    pub stretch_first: Ratios,
}

/// What the toolbox was asked for; each part only where the scenario has such a workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Toolbox {
    /// Calls.
    #[serde(default)]
    pub calls: Option<ToolboxCalls>,
    /// Names that were registered and unregistered.
    #[serde(default)]
    pub names: Option<ToolboxNames>,
    /// Groupcasts.
    #[serde(default)]
    pub groupcasts: Option<ToolboxGroupcasts>,
    /// Keyed workers.
    #[serde(default)]
    pub keyed: Option<ToolboxKeyed>,
}

/// Calls, by how they ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolboxCalls {
    /// That were begun.
    pub begun: u64,
    /// That were answered.
    pub answered: u64,
    /// That their deadline ended.
    pub timed_out: u64,
    /// Whose channel or node was lost.
    pub lost: u64,
    /// Whose receiver was not there.
    pub refused: u64,
    /// Answered a second of the timeline.
    pub per_s: f64,
    /// From the call to its answer.
    pub latency: Times,
}

/// Registrations of names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolboxNames {
    /// Confirmed.
    pub registered: u64,
    /// Not confirmed.
    pub failed: u64,
    /// Confirmed a second, while they were asked for, in all groups together.
    pub per_s: f64,
    /// Registrations of the member that was served least, by those of the mean one.
    pub least_served_share: f64,
    /// From the request to its confirmation.
    pub latency: Times,
}

/// Groupcasts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolboxGroupcasts {
    /// That were sent.
    pub sent: u64,
    /// Copies that were to be handed over: one for each member that was there, the sender too.
    pub expected: u64,
    /// Copies that were.
    pub delivered: u64,
    /// Copies that receivers were told they missed.
    pub missed: u64,
    /// Copies handed over a second of the timeline.
    pub per_s: f64,
    /// From the sending to each handing over.
    pub latency: Times,
}

/// Requests to keyed workers, by how they ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolboxKeyed {
    /// That were made.
    pub asked: u64,
    /// That a worker answered.
    pub answered: u64,
    /// Given up at their deadlines, undone.
    pub refused: u64,
    /// Without an answer by their deadlines, done or not.
    pub unanswered: u64,
    /// Of entries that ended before them.
    pub of_the_dead: u64,
    /// Under way at the end.
    pub waiting: u64,
    /// Attempts that went to a host which no longer had the key, and were made again.
    pub redirected: u64,
    /// Done out of order or twice; there are none.
    pub disordered: u64,
    /// Workers at the end, those at rest included.
    pub workers: u64,
    /// Workers that started with nothing.
    pub started: u64,
    /// Workers that started with what they left on another host, or at rest.
    pub moved: u64,
    /// Answered a second, while they were asked.
    pub per_s: f64,
    /// From the request to its answer.
    pub latency: Times,
}

/// A distribution of ratios.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the statistic of that name")]
pub struct Ratios {
    pub count: u64,
    pub mean: f64,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// Control messages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// While the world formed, a node.
    pub forming_per_node: f64,
    /// On the timeline, a node and second.
    pub per_node_per_s: f64,
    /// On the timeline, by kind.
    pub by_kind: BTreeMap<String, u64>,
}

/// Look-ups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lookups {
    /// Begun by nodes that knew no way.
    pub asked: u64,
    /// Reflectors that the question reached before the answer was there, on average.
    pub hops_mean: f64,
    /// How many look-ups reached so many, rising.
    #[serde(default)]
    pub hops: Vec<(u64, u64)>,
    /// Questions that reflectors heard in all, those asked at the same time among them.
    #[serde(default)]
    pub questions: u64,
    /// Given up, by reason.
    pub failed: BTreeMap<String, u64>,
}

/// Sessions on demand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "how many were")]
pub struct OnDemand {
    pub opened: u64,
    pub closed: u64,
    pub open_max: u64,
}

/// How control messages spread over reflectors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// 0: all alike; towards 1: one bears it all.
    pub gini: f64,
    /// Messages a second at the mean reflector.
    pub mean_per_s: f64,
    /// At the busiest.
    pub max_per_s: f64,
    /// At the mean node that is none.
    pub member_mean_per_s: f64,
    /// Lorenz curve: the share of the load that this share of the reflectors bears.
    pub lorenz: Vec<(f64, f64)>,
}

/// The share of all nodes that is in the largest part, when a share of them is removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// Removed in an order of chance.
    pub random: Vec<(f64, f64)>,
    /// Those with the most sessions first.
    pub targeted: Vec<(f64, f64)>,
}

/// What was counted at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds on the timeline.
    pub at_s: f64,
    /// Running nodes.
    pub running: u64,
    /// Sessions a node, mean.
    pub sessions_mean: f64,
    /// Sessions of the node with the most.
    pub sessions_max: u64,
    /// Control messages a node and second since the last sample.
    pub control_per_s: f64,
    /// Messages delivered a second since the last sample.
    pub delivered_per_s: f64,
    /// Open sessions on demand.
    pub on_demand: u64,
}

/// Something that was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Seconds on the timeline.
    pub at_s: f64,
    /// What, in a few words.
    pub text: String,
}

/// Something that did not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violated {
    /// Which invariant or bound.
    pub invariant: String,
    /// Who, when and what.
    pub text: String,
}

impl RunResult {
    /// Leaves out what the scenario did not ask for.
    pub(super) fn keep_only(&mut self, measures: &Measures, nodes: usize) {
        let is_left_out = |measure| !measures.has(measure, nodes);
        if is_left_out(Measure::Sessions) {
            self.sessions.clear();
        }
        if is_left_out(Measure::Control) {
            self.control = None;
        }
        if is_left_out(Measure::Join) {
            (self.join, self.rejoin) = (Times::default(), Times::default());
        }
        if is_left_out(Measure::Detection) {
            self.detection = Times::default();
        }
        if is_left_out(Measure::Latency) {
            let delivery = &mut self.delivery;
            (delivery.latency, delivery.first) = (Times::default(), Times::default());
            delivery.after_mending = Times::default();
        }
        if is_left_out(Measure::LookupHops) {
            self.lookups = None;
        }
        if is_left_out(Measure::OnDemand) {
            self.on_demand = None;
        }
        if is_left_out(Measure::Load) {
            self.load = None;
        }
    }
}

impl From<&Latencies> for Times {
    fn from(latencies: &Latencies) -> Self {
        let ms = |share| latencies.quantile(share).as_secs_f64() * 1e3;
        Self {
            count: latencies.len(),
            mean_ms: latencies.mean().as_secs_f64() * 1e3,
            p50_ms: ms(0.5),
            p90_ms: ms(0.9),
            p99_ms: ms(0.99),
            max_ms: latencies.max().as_secs_f64() * 1e3,
            curve: curve(latencies),
        }
    }
}

impl Ratios {
    /// Of these values.
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let count = values.len() as f64;
        let at = |place: usize| {
            values
                .get(place.min(values.len().saturating_sub(1)))
                .copied()
        };
        Self {
            count: values.len() as u64,
            mean: values.iter().sum::<f64>() / count.max(1.0),
            p50: at(values.len() / 2).unwrap_or(0.0),
            p99: at(values.len() * 99 / 100).unwrap_or(0.0),
            max: values.last().copied().unwrap_or(0.0),
        }
    }
}

/// The cumulative distribution, thinned to what a plot can show.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn curve(latencies: &Latencies) -> Vec<(f64, f64)> {
    let bars = latencies.bars();
    let total = latencies.len().max(1) as f64;
    let step = bars.len().div_ceil(100).max(1);
    let last = bars.len().saturating_sub(1);
    let mut counted = 0;
    let mut points = Vec::new();
    for (place, (until, count)) in bars.into_iter().enumerate() {
        counted += count;
        if place % step == 0 || place == last {
            points.push((until.as_secs_f64() * 1e3, counted as f64 / total));
        }
    }
    points
}
