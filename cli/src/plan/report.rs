//! What is said of a plan.

use archipelago_router::grouping::{self, Unknown};
use archipelago_sim::Random;
use archipelago_sim::report::{count, figure};
use archipelago_sim::topology::Overlay;
use serde::Serialize;

use crate::cluster::{Grounds, Plan};
use crate::sim::framed;

/// Groups that are printed one by one.
const PRINTED_MAX: usize = 60;

/// A plan in figures.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    nodes: usize,
    groups: usize,
    tiers: u8,
    size_min: usize,
    size_mean: f64,
    size_max: usize,
    sessions_mean: f64,
    sessions_max: u32,
    sessions_total: u64,
    full_mesh_total: usize,
    /// Mean round trip between two of one group of the lowest tier; only with an underlay.
    fellow_round_trip_ms: Option<f64>,
    /// The same in groups of the same sizes by chance.
    random_round_trip_ms: Option<f64>,
    plan: Vec<GroupRow>,
}

#[derive(Debug, Serialize)]
struct GroupRow {
    name: String,
    tier: u8,
    parents: Vec<String>,
    reflectors: Vec<String>,
    members: Vec<String>,
}

impl Report {
    pub(super) fn of(plan: &Plan, overlay: &Overlay, grounds: Option<&Grounds>) -> Self {
        let sizes: Vec<usize> = lowest(plan).iter().map(Vec::len).collect();
        let sessions = overlay.sessions();
        let ends: u64 = sessions.iter().copied().map(u64::from).sum();
        let distances = grounds.filter(|grounds| grounds.underlay.is_some());
        Self {
            nodes: plan.nodes.len(),
            groups: plan.groups.len(),
            tiers: plan
                .groups
                .iter()
                .map(|it| it.tier)
                .max()
                .map_or(0, |top| top + 1),
            size_min: sizes.iter().copied().min().unwrap_or_default(),
            size_mean: mean(sizes.iter().sum::<usize>() as f64, sizes.len()),
            size_max: sizes.iter().copied().max().unwrap_or_default(),
            sessions_mean: mean(ends as f64, sessions.len()),
            sessions_max: sessions.iter().copied().max().unwrap_or_default(),
            sessions_total: ends / 2,
            full_mesh_total: plan.full_mesh_total(),
            fellow_round_trip_ms: distances.map(|it| round_trip_ms(it, &lowest(plan))),
            random_round_trip_ms: distances.map(|it| round_trip_ms(it, &by_chance(it))),
            plan: plan
                .groups
                .iter()
                .map(|it| GroupRow::of(plan, it))
                .collect(),
        }
    }

    pub(super) fn print(&self) {
        let mut table = framed();
        table.set_header(["group", "tier", "members", "reflectors", "parent"]);
        for group in self.plan.iter().take(PRINTED_MAX) {
            table.add_row([
                group.name.clone(),
                group.tier.to_string(),
                group.members.len().to_string(),
                group.reflectors.join(", "),
                group.parents.join(", "),
            ]);
        }
        println!("{table}");
        if let Some(more) = self
            .plan
            .len()
            .checked_sub(PRINTED_MAX)
            .filter(|&it| it > 0)
        {
            println!(
                "and {} groups more: --json has them all",
                count(more as u64)
            );
        }
        println!("{}", self.summary());
    }

    fn summary(&self) -> String {
        let mut said = format!(
            "{} nodes in {} groups of {} to {} (mean {}) and tiers 0 to {}: sessions per node {} on \
             average, {} at most; {} in all, {} in a full mesh",
            count(self.nodes as u64),
            count(self.groups as u64),
            self.size_min,
            self.size_max,
            figure(self.size_mean),
            self.tiers.saturating_sub(1),
            figure(self.sessions_mean),
            self.sessions_max,
            count(self.sessions_total),
            count(self.full_mesh_total as u64),
        );
        if let (Some(near), Some(chance)) = (self.fellow_round_trip_ms, self.random_round_trip_ms) {
            said.push_str(&format!(
                "\nround trip between two of a group: {} ms on average; {} ms in groups by chance",
                figure(near),
                figure(chance),
            ));
        }
        said
    }
}

impl GroupRow {
    fn of(plan: &Plan, group: &crate::cluster::PlannedGroup) -> Self {
        let names = |nodes: &[usize]| -> Vec<String> {
            let nodes = nodes.iter();
            nodes.map(|&node| plan.nodes[node].name.clone()).collect()
        };
        let parents = group.parents.iter();
        Self {
            name: group.name.clone(),
            tier: group.tier,
            parents: parents.map(|&it| plan.groups[it].name.clone()).collect(),
            reflectors: names(&group.reflectors),
            members: names(&group.members),
        }
    }
}

/// The members of the lowest groups.
fn lowest(plan: &Plan) -> Vec<Vec<usize>> {
    let lowest = plan.groups.iter().filter(|group| group.tier == 0);
    lowest.map(|group| group.members.clone()).collect()
}

/// Groups for the same wish of the same nodes, by chance.
fn by_chance(grounds: &Grounds) -> Vec<Vec<usize>> {
    let mut random = Random::split(1, 0x67_0075);
    let mut order: Vec<usize> = (0..grounds.candidates.len()).collect();
    random.shuffle(&mut order);
    let nobody = vec![grouping::Candidate::default(); order.len()];
    let groups = grouping::plan(&nobody, &grounds.wish, &Unknown).unwrap_or_default();
    let lowest = groups.iter().filter(|group| group.tier == 0);
    lowest
        .map(|group| group.members.iter().map(|&it| order[it]).collect())
        .collect()
}

/// Mean round trip between two of one group.
fn round_trip_ms(grounds: &Grounds, groups: &[Vec<usize>]) -> f64 {
    let (mut sum_us, mut pairs) = (0.0, 0);
    for group in groups {
        for (place, &one) in group.iter().enumerate() {
            for &other in &group[place + 1..] {
                sum_us += grounds.round_trip_us(one, other) as f64;
                pairs += 1;
            }
        }
    }
    mean(sum_us / 1_000.0, pairs)
}

fn mean(sum: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}
