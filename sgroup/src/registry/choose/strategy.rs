//! Which of the nodes that qualify are taken, and in which order.
//!
//! Where a strategy sees no difference, chance decides, so that those who choose at the same time
//! with the same knowledge do not all choose the same node.

use std::collections::BTreeMap;
use std::time::Duration;

use archipelago_core::wire::Value;
use archipelago_core::{NodeId, Rng};

use super::{Candidate, Strategy};

/// The first `nodes_max` of the candidates, as the strategy orders them.
pub(super) fn take(
    strategy: &Strategy,
    mut found: Vec<Candidate<'_>>,
    nodes_max: usize,
    rng: &mut Rng,
) -> Vec<NodeId> {
    shuffle(&mut found, rng);
    match strategy {
        Strategy::Random => {}
        // Stable: chance among equals.
        Strategy::LeastLoaded => found.sort_by_key(|one| one.load),
        Strategy::LocalFirst => found.sort_by_key(|one| {
            let is_far = one.distance.hops > 0;
            let took = one.distance.round_trip.unwrap_or(Duration::MAX);
            (is_far, took, one.distance.hops)
        }),
        Strategy::TwoChoices => found = two_choices(found, nodes_max, rng),
        Strategy::Spread(_) => found = spread(found),
    }
    found
        .into_iter()
        .take(nodes_max)
        .map(|one| one.node)
        .collect()
}

/// By exchange from the end: every order is equally likely (Durstenfeld 1964).
fn shuffle(found: &mut [Candidate<'_>], rng: &mut Rng) {
    for last in (1..found.len()).rev() {
        found.swap(draw(rng, last + 1), last);
    }
}

/// Of two that chance offers the less busy one, again and again.
fn two_choices<'a>(
    mut left: Vec<Candidate<'a>>,
    nodes_max: usize,
    rng: &mut Rng,
) -> Vec<Candidate<'a>> {
    let mut taken = Vec::new();
    while taken.len() < nodes_max && !left.is_empty() {
        let first = draw(rng, left.len());
        let mut better = first;
        if left.len() > 1 {
            // Any other one.
            let other = (first + 1 + draw(rng, left.len() - 1)) % left.len();
            let load = |index: usize| left.get(index).map_or(u32::MAX, |one| one.load);
            if load(other) < load(first) {
                better = other;
            }
        }
        taken.push(left.swap_remove(better));
    }
    taken
}

/// Round by round one of each class that has any left; which class first, chance decides.
fn spread(found: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    let mut order: Vec<Option<&Value>> = Vec::new();
    let mut classes: BTreeMap<Option<&Value>, Vec<Candidate<'_>>> = BTreeMap::new();
    let found_len = found.len();
    for one in found {
        let class = classes.entry(one.class).or_default();
        if class.is_empty() {
            order.push(one.class);
        }
        class.push(one);
    }
    let mut taken = Vec::with_capacity(found_len);
    while taken.len() < found_len {
        for class in &order {
            taken.extend(classes.get_mut(class).and_then(Vec::pop));
        }
    }
    taken
}

/// A number below `bound`, which is not 0.
fn draw(rng: &mut Rng, bound: usize) -> usize {
    let bound = u64::try_from(bound).unwrap_or(u64::MAX);
    usize::try_from(rng.below(bound)).unwrap_or(0)
}
