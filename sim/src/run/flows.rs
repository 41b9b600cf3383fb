//! A workload laid out as single streams of messages from one node to another.

use super::choose::Nodes;
use super::plan::{Action, Cause, Plan};
use crate::random::Random;
use crate::scenario::{Between, Targets, Workload};

/// Draws of a receiver before a pair is given up.
const TRIES_MAX: u32 = 256;

pub(super) fn lay_out(
    plan: &mut Plan,
    workload: &Workload,
    number: u32,
    nodes: &Nodes,
    random: &mut Random,
) {
    let ranks = Ranks::new(workload.targets, nodes.len(), random);
    for _ in 0..workload.pairs {
        let Some((from, to)) = pair(workload, nodes, &ranks, random) else {
            continue;
        };
        let mut at = workload.at + random.duration(std::time::Duration::ZERO, workload.spread);
        for _ in 0..workload.bursts {
            let flow = Action::Flow {
                from,
                to,
                messages: workload.messages,
                every: workload.every,
                bytes: workload.bytes,
                body: workload.body,
                call: workload.deadline,
            };
            plan.push(at, flow, Cause::Workload(number));
            at += workload.bursts_every;
        }
    }
}

fn pair(
    workload: &Workload,
    nodes: &Nodes,
    ranks: &Ranks,
    random: &mut Random,
) -> Option<(u32, u32)> {
    for _ in 0..TRIES_MAX {
        let to = ranks.draw(random);
        let from = match workload.between {
            Between::Within => nodes.fellow(to, random)?,
            Between::Across | Between::Any => nodes.any(random),
        };
        let is_across = workload.between == Between::Across;
        if from != to && !(is_across && nodes.share_a_group(from, to)) {
            return Some((from, to));
        }
    }
    None
}

/// Nodes in an order of popularity.
struct Ranks {
    order: Vec<u32>,
    /// Summed popularity up to each rank; empty where all are alike.
    sums: Vec<f64>,
}

impl Ranks {
    fn new(targets: Targets, count: usize, random: &mut Random) -> Self {
        let mut order: Vec<u32> = (0u32..).take(count).collect();
        let Targets::Zipf(exponent) = targets else {
            return Self {
                order,
                sums: Vec::new(),
            };
        };
        random.shuffle(&mut order);
        let mut sum = 0.0;
        let popularity = (1u32..).take(count).map(|rank| {
            sum += libm::pow(f64::from(rank), -exponent);
            sum
        });
        Self {
            sums: popularity.collect(),
            order,
        }
    }

    fn draw(&self, random: &mut Random) -> u32 {
        let place = match self.sums.last() {
            None => random.index(self.order.len()),
            Some(&total) => {
                #[allow(clippy::cast_precision_loss, reason = "53 bits are exact")]
                let unit = (random.u64() >> 11) as f64 / (1u64 << 53) as f64;
                self.sums.partition_point(|&sum| sum < unit * total)
            }
        };
        let last = self.order.len().saturating_sub(1);
        self.order.get(place.min(last)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zipf_prefers_the_first_ranks_as_its_law_says() {
        let mut random = Random::new(3);
        let ranks = Ranks::new(Targets::Zipf(1.0), 100, &mut random);
        let mut counts = vec![0u32; 100];
        for _ in 0..100_000 {
            counts[ranks.draw(&mut random) as usize] += 1;
        }
        counts.sort_unstable_by(|a, b| b.cmp(a));
        // The harmonic number of 100 is 5.187.
        let (first, second) = (f64::from(counts[0]), f64::from(counts[1]));
        assert!((first / 100_000.0 - 1.0 / 5.187).abs() < 0.01, "{first}");
        assert!((first / second - 2.0).abs() < 0.1, "{first} to {second}");
    }
}
